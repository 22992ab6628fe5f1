//! What can be wrong with an artifact, each with its own sentence.

use std::fmt;
use std::path::{Path, PathBuf};

use super::header::MAX_HEADER_BYTES;
use super::{CircuitId, KeyId, Kind};

/// A file that is not the artifact it should be.
#[derive(Debug)]
pub struct Error {
    path: PathBuf,
    problem: Problem,
}

/// What is wrong with the file.
#[derive(Debug, PartialEq)]
pub enum Problem {
    /// The file has no bytes.
    Empty,
    /// It does not begin as artifacts do.
    NotAnArtifact,
    /// It ends before its header and checksum do.
    TooShort {
        /// The size of the file.
        bytes: u64,
    },
    /// Its header is said to be longer than headers are.
    HeaderTooLong {
        /// The length it states.
        bytes: u32,
    },
    /// Its header is not what this version writes.
    Header {
        /// What the JSON reader says.
        reason: String,
    },
    /// It is of another container version.
    Container {
        /// The version in the file.
        found: u32,
        /// The version this program reads.
        reads: u32,
    },
    /// It is of a kind this version does not know.
    UnknownKind {
        /// The kind in the file.
        found: String,
    },
    /// Its payload has another layout than this version reads.
    Schema {
        /// What the file is.
        kind: Kind,
        /// The schema in the file.
        found: u32,
        /// The schema this program reads.
        reads: u32,
    },
    /// Its payload is larger than payloads of its kind may be.
    OverLimit {
        /// What the file is.
        kind: Kind,
        /// The size of the payload.
        bytes: u64,
        /// The largest allowed.
        limit: u64,
    },
    /// It is another kind of file than the command needs.
    WrongKind {
        /// What the command needs.
        expected: Kind,
        /// What the file is.
        found: Kind,
    },
    /// Its bytes do not have its checksum.
    Checksum,
    /// Its payload does not decode.
    Payload {
        /// What the decoder says.
        reason: String,
    },
    /// It belongs to another circuit than the file beside it.
    OtherCircuit {
        /// The circuit of this file.
        found: Option<CircuitId>,
        /// The circuit of the other file.
        expected: CircuitId,
        /// The other file.
        other: PathBuf,
    },
    /// It belongs to other keys than the file beside it.
    OtherKey {
        /// What the file is.
        kind: Kind,
        /// The keys of this file.
        found: Option<KeyId>,
        /// The keys of the other file.
        expected: KeyId,
        /// The other file.
        other: PathBuf,
    },
}

impl Error {
    /// What is wrong.
    pub fn problem(&self) -> &Problem {
        &self.problem
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn new(path: &Path, problem: Problem) -> Self {
        Self { path: path.to_owned(), problem }
    }
}

impl std::error::Error for Error {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.problem {
            Problem::Empty => write!(f, "cannot read '{path}': the file is empty"),
            Problem::NotAnArtifact => write!(f, "cannot read '{path}': not a file of fhe-ml"),
            Problem::TooShort { bytes } => {
                write!(f, "cannot read '{path}': the file ends early, after {bytes} bytes")
            }
            Problem::HeaderTooLong { bytes } => write!(
                f,
                "cannot read '{path}': the header claims {bytes} bytes, at most {MAX_HEADER_BYTES} are allowed"
            ),
            Problem::Header { reason } => {
                write!(f, "cannot read '{path}': the header is not valid: {reason}")
            }
            Problem::Container { found, reads } => write!(
                f,
                "cannot read '{path}': written as container version {found}, this fhe-ml reads version {reads}\n\
                 hint: use the version of fhe-ml that wrote it"
            ),
            Problem::UnknownKind { found } => write!(
                f,
                "cannot read '{path}': unknown kind '{}'\nhint: use the version of fhe-ml that wrote it",
                found.escape_debug()
            ),
            Problem::Schema { kind, found, reads } => write!(
                f,
                "cannot read {kind} '{path}': written as schema {found}, this fhe-ml reads schema {reads}\n\
                 hint: create it again with this version"
            ),
            Problem::OverLimit { kind, bytes, limit } => write!(
                f,
                "cannot read {kind} '{path}': its payload has {bytes} bytes, at most {limit} are allowed"
            ),
            Problem::WrongKind { expected, found } => wrong_kind(f, &self.path, *expected, *found),
            Problem::Checksum => write!(
                f,
                "'{path}' is damaged or incomplete: its checksum does not match\nhint: copy or create it again"
            ),
            Problem::Payload { reason } => write!(f, "cannot decode the payload of '{path}': {reason}"),
            Problem::OtherCircuit { found, expected, other } => write!(
                f,
                "'{path}' belongs to {}, '{}' to circuit {}\nhint: files of one compilation go together",
                named("circuit", found.map(|id| id.short())),
                other.display(),
                expected.short()
            ),
            Problem::OtherKey { kind, found, expected, other } => write!(
                f,
                "'{path}' {} {}, '{}' belongs to key {}\nhint: keys and ciphertexts of one `fhe-ml keygen` go together",
                relation_to_key(*kind),
                named("key", found.map(|id| id.short())),
                other.display(),
                expected.short()
            ),
        }
    }
}

fn wrong_kind(f: &mut fmt::Formatter<'_>, path: &Path, expected: Kind, found: Kind) -> fmt::Result {
    write!(f, "'{}' is the wrong kind of file: expected {expected}, found {found}", path.display())?;
    if found == Kind::SecretKey {
        f.write_str("\nhint: a secret key must never reach the server or anybody else")?;
    }
    write!(f, "\nhint: {}", expected.origin())
}

fn relation_to_key(kind: Kind) -> &'static str {
    match kind {
        Kind::EncryptedInput
        | Kind::EncryptedOutput
        | Kind::EncryptedWires
        | Kind::EncryptedUpdate
        | Kind::EncryptedSum => "was encrypted under",
        Kind::Client
        | Kind::Server
        | Kind::Model
        | Kind::SecretKey
        | Kind::EvaluationKey
        | Kind::PublicKey
        | Kind::TrainingClient
        | Kind::TrainingServer
        | Kind::AggregationClient
        | Kind::AggregationServer => "belongs to",
    }
}

fn named(what: &str, id: Option<String>) -> String {
    id.map_or_else(|| format!("no {what}"), |id| format!("{what} {id}"))
}
