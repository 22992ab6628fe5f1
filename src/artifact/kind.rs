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
    /// What a party of encrypted training needs: parameters, bounds and scales of the data.
    TrainingClient,
    /// What the server of encrypted training executes.
    TrainingServer,
    /// What a party of an aggregation needs: parameters, and names, shapes and scales of an update.
    AggregationClient,
    /// What the server of an aggregation needs: sizes and limits.
    AggregationServer,
    /// A party's encrypted update.
    EncryptedUpdate,
    /// A weighted sum of encrypted updates.
    EncryptedSum,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 15] = [
        Self::Client,
        Self::Server,
        Self::Model,
        Self::SecretKey,
        Self::EvaluationKey,
        Self::PublicKey,
        Self::EncryptedInput,
        Self::EncryptedOutput,
        Self::EncryptedWires,
        Self::TrainingClient,
        Self::TrainingServer,
        Self::AggregationClient,
        Self::AggregationServer,
        Self::EncryptedUpdate,
        Self::EncryptedSum,
    ];

    /// The schema of the payload that this version writes and reads.
    pub fn schema(self) -> u32 {
        match self {
            Self::Server => 6,
            Self::Client => 5,
            Self::SecretKey => 4,
            Self::Model => 3,
            Self::EvaluationKey => 2,
            Self::PublicKey
            | Self::EncryptedInput
            | Self::EncryptedOutput
            | Self::EncryptedWires
            | Self::TrainingClient
            | Self::TrainingServer
            | Self::AggregationClient
            | Self::AggregationServer
            | Self::EncryptedUpdate
            | Self::EncryptedSum => 1,
        }
    }

    /// The largest payload in bytes; more is refused before it is read.
    pub fn max_payload_bytes(self) -> u64 {
        match self {
            Self::SecretKey | Self::AggregationServer => 64 * MIB,
            Self::Client
            | Self::PublicKey
            | Self::TrainingClient
            | Self::TrainingServer
            | Self::AggregationClient => GIB,
            Self::Server | Self::Model | Self::EvaluationKey | Self::EncryptedWires => 16 * GIB,
            Self::EncryptedInput | Self::EncryptedOutput | Self::EncryptedUpdate | Self::EncryptedSum => {
                1024 * GIB
            }
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
            Self::TrainingClient | Self::AggregationClient => "the parties and the holder of the secret key",
            Self::TrainingServer | Self::AggregationServer => "anybody; it is meant for the server",
            Self::EncryptedUpdate => "anybody but the holder of the secret key; only that key opens it",
            Self::EncryptedSum => "the server and the holder of the secret key; only that key opens it",
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
            Self::TrainingClient | Self::TrainingServer => "the sizes and limits of the training; no data",
            Self::AggregationClient => "names, shapes and range of an update; no values",
            Self::AggregationServer => "the number of values of an update, and its limits; no values",
            Self::EncryptedUpdate => "who sent it and its number of values; nothing about them",
            Self::EncryptedSum => "the number of values and the sum of the weights; nothing about the values",
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
            Self::TrainingClient => "`fhe-ml train plan` writes the client file as 'client.fhe'",
            Self::TrainingServer => "`fhe-ml train plan` writes the server file as 'server.fhe'",
            Self::AggregationClient => "`fhe-ml aggregate plan` writes the client file as 'client.fhe'",
            Self::AggregationServer => "`fhe-ml aggregate plan` writes the server file as 'server.fhe'",
            Self::EncryptedUpdate => "`fhe-ml encrypt` with the client file of an aggregation writes updates",
            Self::EncryptedSum => "`fhe-ml aggregate run` writes encrypted sums",
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
            Self::TrainingClient => "client file of a training",
            Self::TrainingServer => "server file of a training",
            Self::AggregationClient => "client file of an aggregation",
            Self::AggregationServer => "server file of an aggregation",
            Self::EncryptedUpdate => "encrypted update",
            Self::EncryptedSum => "encrypted sum",
        })
    }
}
