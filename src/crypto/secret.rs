//! The client's secret, whatever circuits it is for.

use anyhow::Result;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{LookupParameters, LookupSecretKey, RingParameters, SecretKey, SharedParameters, SharedSecret};

/// What a secret key is for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum SecretParameters {
    /// Ring ciphertexts alone.
    Ring(RingParameters),
    /// Ring ciphertexts that become LWE ciphertexts, and lookups.
    Lookups(LookupParameters),
    /// Several secrets of one ring, whose ciphertexts share masks.
    Shared(SharedParameters),
}

/// A secret key. It is wiped from memory when dropped and never shown.
pub enum Secret {
    /// Of ring ciphertexts alone.
    Ring(SecretKey),
    /// Of circuits with lookups.
    Lookups(LookupSecretKey),
    /// Of ciphertexts that share masks.
    Shared(SharedSecret),
}

impl Secret {
    /// A fresh uniform key.
    pub fn generate(parameters: SecretParameters) -> Self {
        match parameters {
            SecretParameters::Ring(parameters) => Self::Ring(SecretKey::generate(parameters)),
            SecretParameters::Lookups(parameters) => Self::Lookups(LookupSecretKey::generate(parameters)),
            SecretParameters::Shared(parameters) => Self::Shared(SharedSecret::generate(parameters)),
        }
    }

    /// What it is for.
    pub fn parameters(&self) -> SecretParameters {
        match self {
            Self::Ring(key) => SecretParameters::Ring(key.parameters()),
            Self::Lookups(key) => SecretParameters::Lookups(key.parameters()),
            Self::Shared(keys) => SecretParameters::Shared(keys.parameters()),
        }
    }

    /// Its bits.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        match self {
            Self::Ring(key) => key.to_bytes(),
            Self::Lookups(key) => key.to_bytes(),
            Self::Shared(keys) => keys.to_bytes(),
        }
    }

    /// The key that [`Secret::to_bytes`] wrote.
    ///
    /// # Errors
    /// If the number of bytes does not fit the parameters.
    pub fn from_bytes(parameters: SecretParameters, bytes: &[u8]) -> Result<Self> {
        Ok(match parameters {
            SecretParameters::Ring(parameters) => Self::Ring(SecretKey::from_bytes(parameters, bytes)?),
            SecretParameters::Lookups(parameters) => {
                Self::Lookups(LookupSecretKey::from_bytes(parameters, bytes)?)
            }
            SecretParameters::Shared(parameters) => {
                Self::Shared(SharedSecret::from_bytes(parameters, bytes)?)
            }
        })
    }
}

impl SecretParameters {
    /// In a few words, for messages.
    pub fn name(&self) -> String {
        match self {
            Self::Ring(ring) => format!("polynomial size {}", ring.polynomial_size()),
            Self::Lookups(parameters) => format!(
                "lookups of dimension {} with {} polynomials of size {}",
                parameters.lwe_dimension(),
                parameters.glwe_dimension(),
                parameters.polynomial_size()
            ),
            Self::Shared(parameters) => format!(
                "{} secrets of polynomial size {}",
                parameters.secrets(),
                parameters.ring().polynomial_size()
            ),
        }
    }

    /// Dimensions and noise, for whoever judges their security.
    pub fn description(&self) -> String {
        match self {
            Self::Ring(ring) => ring_description(ring),
            Self::Lookups(parameters) => format!(
                "ring of {} polynomials of size {}, modulus 2^64, binary secret, Gaussian noise 2^{:.1}; LWE dimension {}, \
                 modulus 2^32, Gaussian noise 2^{:.1}",
                parameters.glwe_dimension(),
                parameters.polynomial_size(),
                parameters.ring_variance().sqrt().log2(),
                parameters.lwe_dimension(),
                parameters.small_variance().sqrt().log2()
            ),
            Self::Shared(parameters) => {
                let secrets = parameters.secrets();
                format!("{}; up to {secrets} secrets share a mask", ring_description(parameters.ring()))
            }
        }
    }
}

fn ring_description(ring: &RingParameters) -> String {
    format!(
        "ring of polynomial size {}, modulus 2^64, binary secret, Gaussian noise 2^{:.1}",
        ring.polynomial_size(),
        ring.noise_std().log2()
    )
}
