//! What was agreed on before the first round: who may contribute how much, and how an update is encrypted.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::{Packing, Scale};
use crate::circuit::Messages;
use crate::crypto::noise;
use crate::tensor::{DType, Field};

/// The largest probability, as a base-2 logarithm, that noise changes a value of a sum.
pub const LOG2_P_ERROR: f64 = -128.0;

/// How much may be added up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// The most parties.
    pub parties: u32,
    /// The largest sum of their weights.
    pub total_weight: u64,
}

/// The server's half: everything of a plan that it takes to add updates up.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "RoundLiteral")]
pub struct Round {
    packing: Packing,
    limits: Limits,
    /// The largest integer of an update.
    largest: i64,
}

/// What a file says; not yet believed.
#[derive(Deserialize)]
struct RoundLiteral {
    packing: Packing,
    limits: Limits,
    largest: i64,
}

/// The parties' half.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "PlanLiteral")]
pub struct Plan {
    round: Round,
    scale: Scale,
    clip_norm: Option<f64>,
    arrays: Vec<Field>,
}

/// What a file says; not yet believed.
#[derive(Deserialize)]
struct PlanLiteral {
    round: Round,
    scale: Scale,
    clip_norm: Option<f64>,
    arrays: Vec<Field>,
}

impl Round {
    /// A round whose sums are right but with probability 2^-128 a value.
    ///
    /// # Errors
    /// If noise or the largest sum could make a value wrong.
    pub fn new(packing: Packing, limits: Limits, largest: i64) -> Result<Self> {
        ensure!(limits.parties > 0, "an aggregation needs a party");
        let round = Self { packing, limits, largest };
        let messages = messages(limits, largest)?;
        let log2 = messages.log2_failure(round.variance());
        ensure!(
            log2 <= LOG2_P_ERROR,
            "a value of a sum would be wrong with probability 2^{log2:.1}, 2^{LOG2_P_ERROR} is allowed"
        );
        Ok(round)
    }

    /// How values lie in ciphertexts.
    pub fn packing(&self) -> &Packing {
        &self.packing
    }

    /// How much may be added up.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// The integers that sums are.
    ///
    /// # Errors
    /// None that the constructor leaves.
    pub fn messages(&self) -> Result<Messages> {
        messages(self.limits, self.largest)
    }

    /// The noise variance of a sum at most: weights may all be one party's, and every ciphertext shares the noise of
    /// the public key, so deviations add up.
    pub fn variance(&self) -> f64 {
        let ring = self.packing.parameters().ring();
        let update = noise::public_encryption(ring) + noise::stored(ring, self.packing.bits());
        noise::weighted_sum((self.limits.total_weight as f64).powi(2), update)
    }
}

impl TryFrom<RoundLiteral> for Round {
    type Error = anyhow::Error;

    fn try_from(RoundLiteral { packing, limits, largest }: RoundLiteral) -> Result<Self> {
        Self::new(packing, limits, largest)
    }
}

impl Plan {
    /// A plan for updates of these arrays, of floating-point numbers.
    ///
    /// # Errors
    /// If the arrays do not hold as many values as the round, or no floating-point numbers, or the norm is not
    /// positive.
    pub fn new(round: Round, scale: Scale, clip_norm: Option<f64>, arrays: Vec<Field>) -> Result<Self> {
        let values = value_count(&arrays)?;
        let packed = round.packing.values();
        ensure!(values == packed, "the arrays hold {values} values, the ciphertexts {packed}");
        let names: BTreeSet<&str> = arrays.iter().map(|array| array.name.as_str()).collect();
        ensure!(names.len() == arrays.len(), "two arrays have the same name");
        ensure!(scale.largest() == round.largest, "the integers of parties and server differ");
        if let Some(norm) = clip_norm {
            ensure!(norm > 0.0 && norm.is_finite(), "an update is clipped to a positive norm, not {norm}");
        }
        Ok(Self { round, scale, clip_norm, arrays })
    }

    /// The server's half.
    pub fn round(&self) -> &Round {
        &self.round
    }

    /// Values as integers.
    pub fn scale(&self) -> &Scale {
        &self.scale
    }

    /// The largest 2-norm of an update, if it is limited.
    pub fn clip_norm(&self) -> Option<f64> {
        self.clip_norm
    }

    /// The arrays of an update, in the order of their values.
    pub fn arrays(&self) -> &[Field] {
        &self.arrays
    }
}

impl TryFrom<PlanLiteral> for Plan {
    type Error = anyhow::Error;

    fn try_from(PlanLiteral { round, scale, clip_norm, arrays }: PlanLiteral) -> Result<Self> {
        Self::new(round, scale, clip_norm, arrays)
    }
}

/// The number of values of arrays of floating-point numbers.
pub(super) fn value_count(arrays: &[Field]) -> Result<u64> {
    let float = |dtype| matches!(dtype, DType::F16 | DType::F32 | DType::F64);
    arrays.iter().try_fold(0_u64, |sum, array| {
        ensure!(
            float(array.dtype),
            "array '{}' holds {}, not floating-point numbers",
            array.name,
            array.dtype
        );
        let lengths = array.shape.iter().map(|length| *length as u64);
        let values = lengths.into_iter().try_fold(1_u64, u64::checked_mul);
        values.and_then(|values| sum.checked_add(values)).context("the arrays are too large")
    })
}

/// Integers as wide as the largest sum, sign included.
pub(super) fn messages(limits: Limits, largest: i64) -> Result<Messages> {
    let sum = u64::try_from(largest).ok().and_then(|largest| largest.checked_mul(limits.total_weight));
    let sum = sum.filter(|sum| *sum > 0);
    let bits = sum.map(|sum| u64::BITS - sum.leading_zeros() + 1);
    bits.and_then(Messages::new).with_context(|| {
        format!("no integer holds sums of values up to {largest} with weights up to {}", limits.total_weight)
    })
}
