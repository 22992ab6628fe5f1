//! The automorphism X → X^-1 on ciphertexts: it turns a product of polynomials into dot products of their
//! coefficients.

use anyhow::{Context, Result};

use super::expand::Automorphism;
use super::key::negated_image;
use crate::crypto::switching_key::SeededSwitchingKey;
use crate::crypto::{Gadget, RingCiphertext, RingParameters, RingWorkspace, SecretKey};

/// The key of the reversal as it is stored. It computes and cannot read.
#[derive(Clone, Debug, PartialEq)]
pub struct ReversalKey {
    ring: RingParameters,
    gadget: Gadget,
    key: SeededSwitchingKey,
}

/// The reversal, ready to compute.
pub struct Reversal(Automorphism);

impl ReversalKey {
    /// A fresh key under `secret`.
    pub fn generate(secret: &SecretKey, gadget: Gadget) -> Self {
        let ring = secret.parameters();
        let key = SeededSwitchingKey::generate(secret, &negated_image(secret, power(&ring)), gadget);
        Self { ring, gadget, key }
    }

    /// The number of bytes of a key.
    pub fn byte_count(ring: &RingParameters, gadget: Gadget) -> usize {
        SeededSwitchingKey::byte_count(ring, gadget)
    }

    /// The key's bytes: [`ReversalKey::byte_count`] of them.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(Self::byte_count(&self.ring, self.gadget));
        self.key.write(&mut bytes);
        bytes
    }

    /// The key that [`ReversalKey::to_bytes`] wrote.
    ///
    /// # Errors
    /// If there are too few bytes.
    pub fn from_bytes(ring: &RingParameters, gadget: Gadget, mut bytes: &[u8]) -> Result<Self> {
        let key =
            SeededSwitchingKey::read(&mut bytes, ring, gadget).context("a reversal key that ends early")?;
        Ok(Self { ring: *ring, gadget, key })
    }

    /// The key in the form that computes.
    pub fn expand(&self) -> Reversal {
        let key = self.key.expand(self.gadget, &mut RingWorkspace::new(&self.ring));
        Reversal(Automorphism::new(self.ring.polynomial_size(), power(&self.ring), key))
    }
}

impl Reversal {
    /// Sets `image` to an encryption of m(X^-1), from one of m(X). It adds the noise
    /// [`noise::automorphism`](crate::crypto::noise::automorphism).
    pub fn apply(&self, source: &RingCiphertext, image: &mut RingCiphertext, workspace: &mut RingWorkspace) {
        self.0.apply(source, image, workspace);
    }
}

/// X^(2N) is 1.
fn power(ring: &RingParameters) -> usize {
    2 * ring.polynomial_size() - 1
}
