//! The kinds of artifacts, and what a person must know of each.

use std::fmt;

use serde::{Deserialize, Serialize};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// What a client needs of a compiled model: parameters, prologue, encoding, epilogue.
    Client,
    /// What a server executes: the circuit with the weights.
    Server,
    /// The float model that was compiled, for comparison; the owner's alone.
    Model,
    /// Decrypts; the client's alone.
    SecretKey,
    /// Computes on ciphertexts, reads none.
    EvaluationKey,
    /// Encrypts, reads nothing.
    PublicKey,
    /// Encrypted rows for a server.
    EncryptedInput,
    /// Encrypted results for a client.
    EncryptedOutput,
    /// What a run that is interrupted goes on from.
    EncryptedWires,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 9] = [
        Self::Client,
        Self::Server,
        Self::Model,
        Self::SecretKey,
        Self::EvaluationKey,
        Self::PublicKey,
        Self::EncryptedInput,
        Self::EncryptedOutput,
        Self::EncryptedWires,
    ];

    /// The schema of the payload that this version writes and reads.
    pub fn schema(self) -> u32 {
        match self {
            Self::Server => 4,
            Self::Client => 3,
            Self::SecretKey | Self::EvaluationKey => 2,
            Self::Model
            | Self::PublicKey
            | Self::EncryptedInput
            | Self::EncryptedOutput
            | Self::EncryptedWires => 1,
        }
    }

    /// The largest payload in bytes; more is refused before it is read.
    pub fn max_payload_bytes(self) -> u64 {
        match self {
            Self::SecretKey => 64 * MIB,
            Self::Client | Self::PublicKey => GIB,
            Self::Server | Self::Model | Self::EvaluationKey | Self::EncryptedWires => 16 * GIB,
            Self::EncryptedInput | Self::EncryptedOutput => 1024 * GIB,
        }
    }

    /// Who may hold such a file.
    pub fn holder(self) -> &'static str {
        match self {
            Self::Client => "owner and clients",
            Self::Server => "owner and server, not clients",
            Self::Model => "the owner, nobody else",
            Self::SecretKey => "the client who made it, nobody else",
            Self::EvaluationKey => "client and server",
            Self::PublicKey => "anybody",
            Self::EncryptedInput => "anybody; only the secret key opens it",
            Self::EncryptedOutput => "client and server; only the secret key opens it",
            Self::EncryptedWires => "the server, until its run is done; only the secret key opens it",
        }
    }

    /// What its holder learns from it.
    pub fn reveals(self) -> &'static str {
        match self {
            Self::Client => "the model's inputs and outputs, and what it does before and after encryption",
            Self::Server | Self::Model => "the model: its weights and structure",
            Self::SecretKey => "all data encrypted under this key",
            Self::EvaluationKey => "nothing about the data",
            Self::PublicKey => "nothing; lets its holder encrypt",
            Self::EncryptedInput => "the number of rows; nothing about their values",
            Self::EncryptedWires => "how far a run has come; nothing about the values of its rows",
            Self::EncryptedOutput => {
                "the number of rows, nothing about their values; with its input, a linear model's weights"
            }
        }
    }

    /// The usual way to come by such a file.
    pub(super) fn origin(self) -> &'static str {
        match self {
            Self::Client => "`fhe-ml compile` writes the client file as 'client.fhe'",
            Self::Server => "`fhe-ml compile` writes the server file as 'server.fhe'",
            Self::Model => "`fhe-ml compile` writes the float model as 'model.fhe'",
            Self::SecretKey => "`fhe-ml keygen` writes the secret key as 'secret.key'",
            Self::EvaluationKey => "`fhe-ml keygen` writes the evaluation key as 'evaluation.key'",
            Self::PublicKey => "`fhe-ml keygen --public` writes the public key as 'public.key'",
            Self::EncryptedInput => "`fhe-ml encrypt` writes encrypted inputs",
            Self::EncryptedOutput => "`fhe-ml run` writes encrypted outputs",
            Self::EncryptedWires => "`fhe-ml run` writes encrypted wires beside its output while it works",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Client => "client file",
            Self::Server => "server file",
            Self::Model => "float model",
            Self::SecretKey => "secret key",
            Self::EvaluationKey => "evaluation key",
            Self::PublicKey => "public key",
            Self::EncryptedInput => "encrypted input",
            Self::EncryptedOutput => "encrypted output",
            Self::EncryptedWires => "encrypted wires",
        })
    }
}
