//! Parameters of lookups: checked against the public security curves, which also say how much noise there is.

use std::ops::RangeInclusive;

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};
use tfhe::core_crypto::commons::noise_formulas::secure_noise::{
    minimal_glwe_variance_for_132_bits_security_gaussian, minimal_lwe_variance_for_132_bits_security_gaussian,
};
use tfhe::core_crypto::prelude::*;

use crate::crypto::{Gadget, packed_bytes};

/// The modulus of ciphertexts under the small key, as a power of two.
pub(super) const SMALL_MODULUS_BITS: u32 = 32;

/// Polynomial sizes that have a transform here.
const POLYNOMIAL_SIZES: RangeInclusive<usize> = 256..=8192;
/// Dimensions of the big key: below, noise drowns whatever is computed; above, the least noise does not fall.
const BIG_DIMENSIONS: RangeInclusive<usize> = 1280..=8192;
/// Dimensions of the small key for which the curve was fitted and noise leaves room for a message.
const SMALL_DIMENSIONS: RangeInclusive<usize> = 500..=1200;
/// Levels of the gadget of the bootstrapping key: each is another whole key.
const MOST_LEVELS: usize = 8;

/// A ring key of dimension k over polynomials of size N, a small LWE key of dimension n, and the gadgets that
/// lead from one to the other. Both keys are binary, noise is Gaussian and the least that is secure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "LookupLiteral", into = "LookupLiteral")]
pub struct LookupParameters {
    literal: LookupLiteral,
}

/// How many bits of the small key a rotation takes at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unrolling {
    /// One after the other.
    Single,
    /// Two: half the transforms, for a key half as large again and up to three times its noise.
    Pairs,
}

impl Unrolling {
    /// Every way.
    pub const ALL: [Self; 2] = [Self::Single, Self::Pairs];

    /// The bits that are taken at a time.
    pub fn bits(self) -> usize {
        match self {
            Self::Single => 1,
            Self::Pairs => 2,
        }
    }

    /// What so many bits can be, but for all zero: for each the bootstrapping key has a ciphertext.
    pub fn patterns(self) -> usize {
        (1 << self.bits()) - 1
    }
}

/// What parameters are made of; not yet believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LookupLiteral {
    /// k: the polynomials of a ring key.
    pub glwe_dimension: usize,
    /// N: the coefficients of each.
    pub polynomial_size: usize,
    /// n: the bits of the small key, a multiple of those that a rotation takes at a time.
    pub lwe_dimension: usize,
    /// How a rotation takes them.
    pub unrolling: Unrolling,
    /// Decomposes ring ciphertexts while a table is rotated.
    pub bootstrap: Gadget,
    /// Decomposes LWE ciphertexts on their way to the small key.
    pub key_switch: Gadget,
}

impl LookupParameters {
    /// The parameters of this literal.
    ///
    /// # Errors
    /// If they are not on the curve of secure parameters, or do not compute.
    pub fn new(literal: LookupLiteral) -> Result<Self> {
        let LookupLiteral { glwe_dimension: k, polynomial_size: size, lwe_dimension: n, .. } = literal;
        ensure!(
            size.is_power_of_two() && POLYNOMIAL_SIZES.contains(&size),
            "lookups with polynomials of {size} coefficients: it must be a power of two in {POLYNOMIAL_SIZES:?}"
        );
        let big = k.saturating_mul(size);
        ensure!(
            BIG_DIMENSIONS.contains(&big),
            "insecure parameters: a ring key of {big} bits ({k} polynomials of size {size}), where {BIG_DIMENSIONS:?} are supported"
        );
        ensure!(
            SMALL_DIMENSIONS.contains(&n),
            "insecure parameters: a small key of {n} bits, where {SMALL_DIMENSIONS:?} are supported"
        );
        ensure!(
            n.is_multiple_of(literal.unrolling.bits()),
            "a small key of {n} bits, which a rotation takes {} at a time",
            literal.unrolling.bits()
        );
        ensure!(
            literal.bootstrap.levels() <= MOST_LEVELS,
            "a bootstrapping gadget of {} levels, where {MOST_LEVELS} are possible",
            literal.bootstrap.levels()
        );
        ensure!(
            literal.key_switch.bits() < SMALL_MODULUS_BITS,
            "a key switch of {} bits, where a small ciphertext has {SMALL_MODULUS_BITS}",
            literal.key_switch.bits()
        );
        Ok(Self { literal })
    }

    /// k: the polynomials of a ring key.
    pub fn glwe_dimension(&self) -> usize {
        self.literal.glwe_dimension
    }

    /// N: the coefficients of each.
    pub fn polynomial_size(&self) -> usize {
        self.literal.polynomial_size
    }

    /// k·N: the dimension of ciphertexts that are added up and looked up.
    pub fn big_dimension(&self) -> usize {
        self.literal.glwe_dimension * self.literal.polynomial_size
    }

    /// n: the bits of the small key.
    pub fn lwe_dimension(&self) -> usize {
        self.literal.lwe_dimension
    }

    /// How a rotation takes the bits of the small key.
    pub fn unrolling(&self) -> Unrolling {
        self.literal.unrolling
    }

    /// Decomposes ring ciphertexts while a table is rotated.
    pub fn bootstrap(&self) -> Gadget {
        self.literal.bootstrap
    }

    /// Decomposes LWE ciphertexts on their way to the small key.
    pub fn key_switch(&self) -> Gadget {
        self.literal.key_switch
    }

    /// The variance of fresh noise under the ring key, as a fraction of the torus squared.
    pub fn ring_variance(&self) -> f64 {
        minimal_glwe_variance_for_132_bits_security_gaussian(
            GlweDimension(self.glwe_dimension()),
            PolynomialSize(self.polynomial_size()),
            2.0_f64.powi(64),
        )
        .0
    }

    /// The variance of fresh noise under the small key, as a fraction of the torus squared.
    pub fn small_variance(&self) -> f64 {
        minimal_lwe_variance_for_132_bits_security_gaussian(
            LweDimension(self.lwe_dimension()),
            f64::from(SMALL_MODULUS_BITS).exp2(),
        )
        .0
    }

    /// The bits of a body of the bootstrapping key that are stored: those that are not noise.
    pub fn bootstrap_bits(&self) -> u32 {
        bits_above(self.ring_variance(), u64::BITS)
    }

    /// The bits of a body of the key-switching key that are stored.
    pub fn key_switch_bits(&self) -> u32 {
        bits_above(self.small_variance(), SMALL_MODULUS_BITS)
    }

    /// The groups of bits of the small key that a rotation takes one after the other.
    pub(super) fn groups(&self) -> usize {
        self.lwe_dimension() / self.unrolling().bits()
    }

    /// The rows of a GGSW ciphertext of the bootstrapping key.
    pub(super) fn bootstrap_rows(&self) -> usize {
        self.bootstrap().levels() * (self.glwe_dimension() + 1)
    }

    /// The bodies of a bootstrapping key: for each group of bits of the small key a GGSW ciphertext of
    /// (k + 1)·levels rows of N coefficients for each pattern.
    pub(super) fn bootstrap_bodies(&self) -> usize {
        self.groups() * self.unrolling().patterns() * self.bootstrap_rows() * self.polynomial_size()
    }

    /// The rows, and so the bodies, of a key-switching key: a level of each bit of the big key.
    pub(super) fn key_switch_rows(&self) -> usize {
        self.big_dimension() * self.key_switch().levels()
    }

    /// The bytes of an evaluation key: two seeds and the bodies.
    pub fn key_bytes(&self) -> usize {
        32 + packed_bytes(self.bootstrap_bodies(), self.bootstrap_bits())
            + packed_bytes(self.key_switch_rows(), self.key_switch_bits())
    }

    /// The bytes of memory of a key that computes: 8 for each coefficient of the bootstrapping key, 4 for each
    /// of the key-switching key.
    pub fn memory_bytes(&self) -> usize {
        8 * self.bootstrap_bodies() * (self.glwe_dimension() + 1)
            + 4 * self.key_switch_rows() * (self.lwe_dimension() + 1)
    }
}

impl TryFrom<LookupLiteral> for LookupParameters {
    type Error = anyhow::Error;

    fn try_from(literal: LookupLiteral) -> Result<Self> {
        Self::new(literal)
    }
}

impl From<LookupParameters> for LookupLiteral {
    fn from(parameters: LookupParameters) -> Self {
        parameters.literal
    }
}

/// So many bits that rounding to them adds less than a hundredth to noise of this variance.
fn bits_above(variance: f64, most: u32) -> u32 {
    // The variance is below 1 and above 2^-128: this is 2 to 67.
    ((-variance.log2() / 2.0).ceil() as u32 + 2).min(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn literal() -> LookupLiteral {
        LookupLiteral {
            glwe_dimension: 3,
            polynomial_size: 512,
            lwe_dimension: 744,
            unrolling: Unrolling::Pairs,
            bootstrap: Gadget::new(17, 1).unwrap(),
            key_switch: Gadget::new(4, 3).unwrap(),
        }
    }

    #[test]
    fn a_set_survives_a_file() {
        let set = LookupParameters::new(literal()).unwrap();
        let text = serde_json::to_string(&set).unwrap();
        assert_eq!(serde_json::from_str::<LookupParameters>(&text).unwrap(), set);
        assert!(serde_json::from_str::<LookupParameters>(&text.replace("744", "300")).is_err());
    }

    #[test]
    fn sets_outside_the_curve_are_refused() {
        let literals = [
            LookupLiteral { glwe_dimension: 2, ..literal() },
            LookupLiteral { glwe_dimension: usize::MAX, ..literal() },
            LookupLiteral { polynomial_size: 600, ..literal() },
            LookupLiteral { polynomial_size: 128, glwe_dimension: 16, ..literal() },
            LookupLiteral { lwe_dimension: 499, ..literal() },
            LookupLiteral { lwe_dimension: 1201, ..literal() },
            LookupLiteral { lwe_dimension: 743, ..literal() },
            LookupLiteral { bootstrap: Gadget::new(2, 9).unwrap(), ..literal() },
            LookupLiteral { key_switch: Gadget::new(4, 8).unwrap(), ..literal() },
        ];
        for literal in literals {
            assert!(LookupParameters::new(literal).is_err(), "{literal:?}");
        }
    }

    #[test]
    fn noise_is_that_of_the_curves() {
        let set = LookupParameters::new(literal()).unwrap();
        let log2_std = |variance: f64| variance.log2() / 2.0;
        assert!((log2_std(set.ring_variance()) + 35.58).abs() < 0.01);
        assert!((log2_std(set.small_variance()) + 15.86).abs() < 0.01);
        assert_eq!((set.bootstrap_bits(), set.key_switch_bits()), (38, 18));
        let single = LookupLiteral { unrolling: Unrolling::Single, ..literal() };
        let single = LookupParameters::new(single).unwrap();
        assert_eq!(single.key_bytes(), 32 + 744 * 4 * 512 * 38 / 8 + 1536 * 3 * 18 / 8);
        assert_eq!(set.key_bytes(), 32 + 3 * 744 / 2 * 4 * 512 * 38 / 8 + 1536 * 3 * 18 / 8);
    }
}
