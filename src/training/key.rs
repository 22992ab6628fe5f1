//! The evaluation key of a descent: lookups, expansion with traces, and the reversal.

use anyhow::{Context, Result, ensure};

use super::TrainingParameters;
use crate::crypto::{
    Expander, ExpansionKey, LookupKey, LookupSecretKey, Reversal, ReversalKey, SeededLookupKey,
};

/// A key as it is stored. It computes and cannot read.
pub struct SeededTrainingKey {
    parameters: TrainingParameters,
    lookup: SeededLookupKey,
    expansion: ExpansionKey,
    reversal: ReversalKey,
}

/// A key that computes.
pub struct TrainingKey {
    /// What it was made for.
    pub parameters: TrainingParameters,
    /// Looks residuals up.
    pub lookup: LookupKey,
    /// Parts packed rows, and traces.
    pub expander: Expander,
    /// Reverses weights.
    pub reversal: Reversal,
}

impl SeededTrainingKey {
    /// A fresh key.
    ///
    /// # Errors
    /// If the secret key has other parameters.
    pub fn generate(secret: &LookupSecretKey, parameters: &TrainingParameters) -> Result<Self> {
        ensure!(
            secret.parameters() == *parameters.lookup(),
            "the secret key is for other lookups than the plan"
        );
        let ring = secret.as_ring_key()?;
        Ok(Self {
            parameters: parameters.clone(),
            lookup: SeededLookupKey::generate(secret),
            expansion: ExpansionKey::generate(&ring, parameters.expansion())?,
            reversal: ReversalKey::generate(&ring, parameters.reversal()),
        })
    }

    /// The key's bytes: [`TrainingParameters::key_bytes`] of them.
    pub fn to_bytes(&self) -> Vec<u8> {
        let parts = [self.lookup.to_bytes(), self.expansion.to_bytes(), self.reversal.to_bytes()];
        parts.concat()
    }

    /// The key that [`SeededTrainingKey::to_bytes`] wrote.
    ///
    /// # Errors
    /// If the number of bytes does not fit the parameters.
    pub fn from_bytes(parameters: &TrainingParameters, bytes: &[u8]) -> Result<Self> {
        let due = parameters.key_bytes();
        ensure!(bytes.len() == due, "an evaluation key of {} bytes, where {due} are due", bytes.len());
        let (lookup, expansion) = (parameters.lookup(), parameters.expansion());
        let parts = bytes
            .split_at_checked(lookup.key_bytes())
            .and_then(|(first, rest)| Some((first, rest.split_at_checked(expansion.key_bytes())?)));
        let (first, (second, third)) = parts.context("an evaluation key that ends early")?;
        Ok(Self {
            parameters: parameters.clone(),
            lookup: SeededLookupKey::from_bytes(*lookup, first)?,
            expansion: ExpansionKey::from_bytes(expansion, second)?,
            reversal: ReversalKey::from_bytes(expansion.ring(), parameters.reversal(), third)?,
        })
    }

    /// The key in the form that computes.
    pub fn expand(&self) -> TrainingKey {
        TrainingKey {
            parameters: self.parameters.clone(),
            lookup: self.lookup.expand(),
            expander: self.expansion.expand(),
            reversal: self.reversal.expand(),
        }
    }
}
