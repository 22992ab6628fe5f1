//! The client's secret, whatever circuits it is for.

use anyhow::Result;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{
    LookupParameters, LookupSecrets, LookupSets, RingParameters, SecretKey, SharedParameters, SharedSecret,
};

/// What a secret key is for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum SecretParameters {
    /// Ring ciphertexts alone.
    Ring(RingParameters),
    /// Ring ciphertexts that become LWE ciphertexts, and lookups.
    Lookups(LookupSets),
    /// Several secrets of one ring, whose ciphertexts share masks.
    Shared(SharedParameters),
}

/// A secret key. It is wiped from memory when dropped and never shown.
pub enum Secret {
    /// Of ring ciphertexts alone.
    Ring(SecretKey),
    /// Of circuits with lookups.
    Lookups(LookupSecrets),
    /// Of ciphertexts that share masks.
    Shared(SharedSecret),
}

impl Secret {
    /// A fresh uniform key.
    pub fn generate(parameters: SecretParameters) -> Self {
        match parameters {
            SecretParameters::Ring(parameters) => Self::Ring(SecretKey::generate(parameters)),
            SecretParameters::Lookups(sets) => Self::Lookups(LookupSecrets::generate(&sets)),
            SecretParameters::Shared(parameters) => Self::Shared(SharedSecret::generate(parameters)),
        }
    }

    /// What it is for.
    pub fn parameters(&self) -> SecretParameters {
        match self {
            Self::Ring(key) => SecretParameters::Ring(key.parameters()),
            Self::Lookups(keys) => SecretParameters::Lookups(keys.sets()),
            Self::Shared(keys) => SecretParameters::Shared(keys.parameters()),
        }
    }

    /// Its bits.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        match self {
            Self::Ring(key) => key.to_bytes(),
            Self::Lookups(keys) => keys.to_bytes(),
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
            SecretParameters::Lookups(sets) => Self::Lookups(LookupSecrets::from_bytes(&sets, bytes)?),
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
            Self::Lookups(sets) => {
                let name = |set: &LookupParameters| {
                    format!(
                        "lookups of dimension {} with {} polynomials of size {}",
                        set.lwe_dimension(),
                        set.glwe_dimension(),
                        set.polynomial_size()
                    )
                };
                sets.iter().map(name).collect::<Vec<_>>().join(" and ")
            }
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
            Self::Lookups(sets) => {
                sets.iter().map(lookup_description).collect::<Vec<_>>().join("; same ring key as ")
            }
            Self::Shared(parameters) => {
                let secrets = parameters.secrets();
                format!("{}; up to {secrets} secrets share a mask", ring_description(parameters.ring()))
            }
        }
    }
}

fn lookup_description(set: &LookupParameters) -> String {
    format!(
        "ring of {} polynomials of size {}, modulus 2^64, binary secret, Gaussian noise 2^{:.1}; LWE dimension {}, modulus \
         2^32, Gaussian noise 2^{:.1}",
        set.glwe_dimension(),
        set.polynomial_size(),
        set.ring_variance().sqrt().log2(),
        set.lwe_dimension(),
        set.small_variance().sqrt().log2()
    )
}

fn ring_description(ring: &RingParameters) -> String {
    format!(
        "ring of polynomial size {}, modulus 2^64, binary secret, Gaussian noise 2^{:.1}",
        ring.polynomial_size(),
        ring.noise_std().log2()
    )
}
