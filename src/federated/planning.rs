//! The cheapest way to encrypt updates whose sums stay exact.

use anyhow::{Context, Result, ensure};

use super::plan::{messages, value_count};
use super::{Limits, Packing, Plan, Round, Scale};
use crate::crypto::{CoefficientBits, RingParameters, SharedParameters};
use crate::tensor::Field;

/// The most bodies that share a mask: more would save less than a tenth of a byte a value.
const MOST_BODIES: u64 = 16;

/// What a plan is made for.
#[derive(Clone, Debug)]
pub struct Wishes {
    /// The arrays of an update.
    pub arrays: Vec<Field>,
    /// How much may be added up.
    pub limits: Limits,
    /// Values as integers.
    pub scale: Scale,
    /// The largest 2-norm of an update, if it is limited.
    pub clip_norm: Option<f64>,
}

/// The plan whose ciphertexts are smallest.
///
/// # Errors
/// If the arrays are no updates, or no ciphertexts hold such sums.
pub fn plan(wishes: Wishes) -> Result<Plan> {
    let values = value_count(&wishes.arrays)?;
    ensure!(values > 0, "an update has no values");
    let largest = wishes.scale.largest();
    let sums = messages(wishes.limits, largest)?;
    let rounds = RingParameters::all_secure().flat_map(|ring| {
        (sums.bits()..=64).filter_map(move |body| cheapest(ring, values, wishes.limits, largest, body))
    });
    let round = rounds.min_by_key(|round| round.packing().bytes()).with_context(|| {
        format!(
            "noise leaves no room for sums of {} bits: values of {} bits, weights up to {} in sum\n\
             hint: take fewer --bits or a smaller --total-weight",
            sums.bits(),
            wishes.scale.bits(),
            wishes.limits.total_weight
        )
    })?;
    Plan::new(round, wishes.scale, wishes.clip_norm, wishes.arrays)
}

/// The round with the shortest masks whose bodies have so many bits.
fn cheapest(ring: RingParameters, values: u64, limits: Limits, largest: i64, body: u32) -> Option<Round> {
    let bodies = values.div_ceil(ring.polynomial_size() as u64).min(MOST_BODIES) as usize;
    let parameters = SharedParameters::new(ring, bodies).ok()?;
    (body..=64).find_map(|mask| {
        let packing = Packing::new(parameters, CoefficientBits { mask, body }, values).ok()?;
        Round::new(packing, limits, largest).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::federated::plan::LOG2_P_ERROR;
    use crate::tensor::DType;

    fn wishes(values: usize, parties: u32, total_weight: u64, bits: u32) -> Wishes {
        let array = Field { name: "w".to_owned(), dtype: DType::F32, shape: vec![values], columns: None };
        Wishes {
            arrays: vec![array],
            limits: Limits { parties, total_weight },
            scale: Scale::new(1.0, bits).unwrap(),
            clip_norm: None,
        }
    }

    #[test]
    fn a_million_values_take_less_than_ten_bytes_each() {
        for (total_weight, most) in [(50, 4.5), (1000, 5.5), (50_000, 7.0), (1 << 17, 7.5)] {
            let plan = plan(wishes(1_000_000, 50, total_weight, 16)).unwrap();
            let each = plan.round().packing().bytes() as f64 / 1e6;
            assert!(each < most, "{each} bytes a value for weights up to {total_weight}");
        }
    }

    #[test]
    fn sums_are_right_by_formula_and_no_bit_more_is_spent() {
        let plan = plan(wishes(100_000, 50, 50_000, 16)).unwrap();
        let round = plan.round();
        let log2 = round.messages().unwrap().log2_failure(round.variance());
        assert!((LOG2_P_ERROR * 1.6..=LOG2_P_ERROR).contains(&log2), "{log2}");
        let packing = round.packing();
        let bits = CoefficientBits { mask: packing.bits().mask - 1, ..packing.bits() };
        let tighter = Packing::new(*packing.parameters(), bits, packing.values()).unwrap();
        let message = Round::new(tighter, round.limits(), plan.scale().largest()).unwrap_err().to_string();
        assert!(message.starts_with("a value of a sum would be wrong with probability 2^-"), "{message}");
    }

    #[test]
    fn what_does_not_fit_is_refused_with_a_hint() {
        let message = plan(wishes(10, 2, 1 << 30, 32)).unwrap_err().to_string();
        assert!(message.starts_with("noise leaves no room for sums of 62 bits"), "{message}");
        assert!(message.contains("\nhint: take fewer --bits"), "{message}");
        let message = plan(wishes(10, 2, 1 << 40, 32)).unwrap_err().to_string();
        assert!(message.starts_with("no integer holds sums of values up to 2147483647"), "{message}");
        assert!(plan(wishes(0, 2, 2, 16)).is_err());
        assert!(plan(wishes(10, 0, 2, 16)).is_err());
        assert!(plan(wishes(10, 2, 0, 16)).is_err());
    }
}
