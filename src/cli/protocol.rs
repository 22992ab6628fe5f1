//! What a client file is for: the commands that take one do as its protocol says.

use std::path::Path;

use anyhow::Result;
use fhe_ml::artifact::{Kind, Reader};

/// What is done with encrypted data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// A compiled model is run on it.
    Model,
    /// Updates of several parties are added up.
    Aggregation,
    /// A model is trained on rows of several parties.
    Training,
}

impl Protocol {
    /// The protocol of a client file. A file of another kind counts as a model's: whoever opens it as that refuses it.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn of(client: &Path) -> Result<Self> {
        Ok(match Reader::open(client)?.header().kind {
            Kind::AggregationClient => Self::Aggregation,
            Kind::TrainingClient => Self::Training,
            Kind::Client
            | Kind::Server
            | Kind::Model
            | Kind::SecretKey
            | Kind::EvaluationKey
            | Kind::PublicKey
            | Kind::EncryptedInput
            | Kind::EncryptedOutput
            | Kind::EncryptedWires
            | Kind::TrainingServer
            | Kind::AggregationServer
            | Kind::EncryptedUpdate
            | Kind::EncryptedSum => Self::Model,
        })
    }
}
