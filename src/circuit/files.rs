//! Compiled models as files: the client's half, the server's half, and the owner's float model.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Circuit, ClientSpec, Encoding, EvaluationParameters};
use crate::artifact::{
    Access, CircuitId, Header, Kind, ParameterSummary, Reader, Writer, create_folder, to_bytes,
};
use crate::crypto::{Gadget, SECURITY_BITS, Unrolling};
use crate::model::Model;

/// The client's half in a folder of a compiled model.
pub const CLIENT_FILE: &str = "client.fhe";
/// The server's half.
pub const SERVER_FILE: &str = "server.fhe";
/// The owner's float model, which `simulate` compares with.
pub const MODEL_FILE: &str = "model.fhe";

/// What a file holds, where it is and which circuit it belongs to.
#[derive(Debug)]
pub struct Opened<T> {
    /// The decoded and checked payload.
    pub value: T,
    /// The circuit's id.
    pub circuit: CircuitId,
    /// The file.
    pub path: PathBuf,
}

/// A compiled model's files and their sizes in bytes.
#[derive(Clone, Debug, Serialize)]
pub struct Saved {
    /// The circuit's id.
    pub circuit: CircuitId,
    /// Every file with its size.
    pub files: Vec<(PathBuf, u64)>,
}

/// Writes the three files of a compiled model into a folder; `reveals` says what the client file tells
/// its holder.
///
/// # Errors
/// If one of them exists or cannot be written.
pub fn save(
    folder: &Path,
    circuit: &Circuit,
    client: &ClientSpec,
    model: &Model,
    reveals: &[String],
) -> Result<Saved> {
    create_folder(folder)?;
    let id = CircuitId::of(&to_bytes(circuit)?);
    let encoding = circuit.encoding();
    let header = |kind| {
        let mut header = Header::new(kind);
        header.circuit = Some(id);
        header.parameters = Some(summary(&encoding));
        header.add_fact("encrypted integers a row", encoding.features());
        header.add_fact("results a row", encoding.outputs());
        header.add_fact("rows a ciphertext", encoding.rows_per_block());
        if let (Kind::Server, Circuit::Lookups(circuit)) = (kind, circuit) {
            header.add_fact("lookups a row", circuit.layers().lookups().count());
        }
        header
    };
    let mut client_header = header(Kind::Client);
    reveals.iter().for_each(|fact| client_header.add_fact("reveals", fact));
    let client_file = begin(folder, CLIENT_FILE, &client_header, client)?;
    let server_file = begin(folder, SERVER_FILE, &header(Kind::Server), circuit)?;
    let model_file = begin(folder, MODEL_FILE, &header(Kind::Model), model)?;
    let sizes = Writer::finish_all(vec![client_file, server_file, model_file])?;
    let paths = [CLIENT_FILE, SERVER_FILE, MODEL_FILE].map(|name| folder.join(name));
    Ok(Saved { circuit: id, files: paths.into_iter().zip(sizes).collect() })
}

/// Opens the client's half.
///
/// # Errors
/// If the file is not that, or is damaged.
pub fn open_client(path: &Path) -> Result<Opened<ClientSpec>> {
    let opened = open::<ClientSpec>(path, Kind::Client)?;
    opened.value.check().with_context(|| format!("cannot use '{}'", path.display()))?;
    Ok(opened)
}

/// Opens the server's half.
///
/// # Errors
/// If the file is not that, or is damaged.
pub fn open_server(path: &Path) -> Result<Opened<Circuit>> {
    open(path, Kind::Server)
}

/// Opens the owner's float model.
///
/// # Errors
/// If the file is not that, or is damaged.
pub fn open_model(path: &Path) -> Result<Opened<Model>> {
    open(path, Kind::Model)
}

/// The parameters of ciphertexts and evaluation key in words, for headers.
pub fn summary(encoding: &Encoding) -> ParameterSummary {
    let mut description = encoding.secret().description();
    let gadget = |gadget: &Gadget| format!("{}x{}", gadget.log2_base(), gadget.levels());
    match encoding.evaluation() {
        EvaluationParameters::Nothing => {}
        EvaluationParameters::Expansion(expansion) => {
            let steps: Vec<String> = expansion.steps().iter().map(gadget).collect();
            description += &format!(
                "; expansion by gadgets {}, square {}",
                steps.join(" "),
                gadget(&expansion.square())
            );
        }
        EvaluationParameters::Lookups(sets) => {
            for set in sets.iter() {
                description += &format!(
                    "; bootstrapping by gadget {}, {}, key switch {}",
                    gadget(&set.bootstrap()),
                    match set.unrolling() {
                        Unrolling::Single => "bit after bit",
                        Unrolling::Pairs => "two bits at a time",
                    },
                    gadget(&set.key_switch())
                );
            }
        }
    }
    ParameterSummary { security_bits: SECURITY_BITS, description }
}

fn begin(folder: &Path, name: &str, header: &Header, value: &impl Serialize) -> Result<Writer> {
    let mut writer = Writer::create(&folder.join(name), header, Access::Public)?;
    writer.encode(value)?;
    Ok(writer)
}

fn open<T: DeserializeOwned>(path: &Path, kind: Kind) -> Result<Opened<T>> {
    let mut reader = Reader::open(path)?;
    reader.require(kind)?;
    let value = reader.decode()?;
    let circuit = circuit_of(&reader)?;
    Ok(Opened { value, circuit, path: path.to_owned() })
}

/// The circuit that a file says it belongs to.
///
/// # Errors
/// If it does not say.
pub fn circuit_of(reader: &Reader) -> Result<CircuitId> {
    reader
        .header()
        .circuit
        .with_context(|| format!("'{}' does not name its circuit", reader.path().display()))
}
