//! The header of an artifact: everything a person or a command must know before the payload.

use serde::{Deserialize, Serialize};

use super::error::Problem;
use super::{Checksum, CircuitId, KeyId, Kind};

/// The version of the container this program writes and reads.
pub(super) const CONTAINER: u32 = 1;

/// The largest header in bytes.
pub(super) const MAX_HEADER_BYTES: usize = 64 << 10;

/// The version of the tfhe crate whose types the payloads hold.
const TFHE: &str = "1.8.2";

/// What a file says of itself. Made by [`Header::new`]; the optional fields are set as they apply.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    container: u32,
    /// What the file is.
    pub kind: Kind,
    /// The version of the payload's layout.
    pub schema: u32,
    /// The version of fhe-ml that wrote it.
    pub tool: String,
    /// The version of tfhe that wrote it.
    pub tfhe: String,
    /// The circuit it belongs to.
    pub circuit: Option<CircuitId>,
    /// The keys it belongs to.
    pub key: Option<KeyId>,
    /// The cryptographic parameters.
    pub parameters: Option<ParameterSummary>,
    /// The file it was computed from.
    pub source: Option<Checksum>,
    /// Who contributed it, where several parties do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub party: Option<String>,
    /// Whether the payload is sealed with a passphrase.
    pub sealed: bool,
    /// The blocks that the payload is made of.
    pub blocks: Option<BlockSize>,
    /// What else `inspect` shows.
    pub facts: Vec<Fact>,
}

/// The full blocks of a ciphertext file. Each block begins with its number of rows, u32 LE; only the
/// last may have fewer than these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlockSize {
    /// Rows in a full block.
    pub rows: u64,
    /// Bytes of a full block.
    pub bytes: u64,
}

/// Cryptographic parameters in words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParameterSummary {
    /// The security level; 0 for insecure test parameters.
    pub security_bits: u32,
    /// Dimensions and noise, in one line.
    pub description: String,
}

/// One line of what a file says of itself: rows per ciphertext, what the file reveals …
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fact {
    /// What is told.
    pub name: String,
    /// Its value, with its unit.
    pub value: String,
}

impl Header {
    /// The header of a file of this kind, written by this version.
    pub fn new(kind: Kind) -> Self {
        Self {
            container: CONTAINER,
            kind,
            schema: kind.schema(),
            tool: env!("CARGO_PKG_VERSION").to_owned(),
            tfhe: TFHE.to_owned(),
            circuit: None,
            key: None,
            parameters: None,
            source: None,
            party: None,
            sealed: false,
            blocks: None,
            facts: Vec::new(),
        }
    }

    /// Adds a fact for `inspect`.
    pub fn add_fact(&mut self, name: &str, value: impl ToString) {
        self.facts.push(Fact { name: name.to_owned(), value: value.to_string() });
    }

    /// Reads the JSON of a header: first who wrote it and what it is, then every word of it.
    pub(super) fn parse(json: &[u8]) -> Result<Self, Problem> {
        let preview: Preview = serde_json::from_slice(json).map_err(bad_header)?;
        if preview.container != CONTAINER {
            return Err(Problem::Container { found: preview.container, reads: CONTAINER });
        }
        let Ok(kind) = serde_json::from_value::<Kind>(preview.kind.clone().into()) else {
            return Err(Problem::UnknownKind { found: preview.kind });
        };
        if preview.schema != kind.schema() {
            return Err(Problem::Schema { kind, found: preview.schema, reads: kind.schema() });
        }
        serde_json::from_slice(json).map_err(bad_header)
    }
}

/// The part of a header that every version of the container has.
#[derive(Deserialize)]
struct Preview {
    container: u32,
    kind: String,
    schema: u32,
}

fn bad_header(error: serde_json::Error) -> Problem {
    Problem::Header { reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_round_trips() {
        for kind in Kind::ALL {
            let mut header = Header::new(kind);
            header.circuit = Some(CircuitId::of(b"circuit"));
            header.add_fact("rows", 3);
            let json = serde_json::to_vec(&header).unwrap();
            assert_eq!(Header::parse(&json).unwrap(), header);
        }
    }

    #[test]
    fn the_stated_tfhe_version_is_the_one_built_against() {
        let dependency = format!("tfhe = {{ version = \"={TFHE}\"");
        assert!(include_str!("../../Cargo.toml").contains(&dependency));
    }
}
