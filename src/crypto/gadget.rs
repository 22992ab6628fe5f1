//! Gadgets: torus values as few small digits, the reason why products of ciphertexts keep their noise low.
//!
//! A gadget of base B = 2^b and l levels writes a value of the torus as Σ d_j · q/B^j for j = 1..l, with
//! digits from -B/2 to B/2, after rounding it to a multiple of q/B^l (q = 2^64).
//!
//! Rounding is unbiased, to the even neighbour on a tie: half a unit of bias in each coefficient of a mask
//! would meet the sum of the coefficients of the secret key, and of its square, which is large. A digit of
//! ±B/2 takes the sign that leaves the next digit odd, which is unbiased too and makes digits smaller: after
//! such a digit there is none (with B = 4 the mean square is 1.4, where it is 1.5 with a random sign).
//!
//! Paper: Chillotti, Gama, Georgieva, Izabachène, *TFHE: Fast Fully Homomorphic Encryption over the Torus*
//! (Journal of Cryptology, 2020), section 3.

use anyhow::{Result, bail};
use pulp::Arch;
use serde::{Deserialize, Serialize};

/// A base and a number of levels that fit in 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Literal")]
pub struct Gadget {
    log2_base: u32,
    levels: u32,
}

/// What a file says; not yet believed.
#[derive(Deserialize)]
struct Literal {
    log2_base: u32,
    levels: u32,
}

impl Gadget {
    /// The gadget of base 2^`log2_base` and `levels` levels.
    ///
    /// # Errors
    /// If the base is not 2^2 to 2^32, or the digits do not need 2 to 63 bits.
    pub fn new(log2_base: u32, levels: u32) -> Result<Self> {
        match Self::fitting(log2_base, levels) {
            Some(gadget) => Ok(gadget),
            None => bail!(
                "a gadget of base 2^{log2_base} with {levels} levels: the base must be 2^2 to 2^32, all digits 63 bits at most"
            ),
        }
    }

    /// The same, or `None` if it does not fit.
    fn fitting(log2_base: u32, levels: u32) -> Option<Self> {
        let bits = u64::from(log2_base) * u64::from(levels);
        ((2..=32).contains(&log2_base) && levels > 0 && bits <= 63).then_some(Self { log2_base, levels })
    }

    /// The gadget of the fewest levels that is good enough; of those the one with the smallest base.
    pub fn coarsest(is_enough: impl Fn(Self) -> bool) -> Option<Self> {
        let gadgets =
            (1..=31).flat_map(|levels| (2..=32).filter_map(move |base| Self::fitting(base, levels)));
        gadgets.into_iter().find(|gadget| is_enough(*gadget))
    }

    /// The logarithm of the base.
    pub fn log2_base(&self) -> u32 {
        self.log2_base
    }

    /// The number of digits of a value.
    pub fn levels(&self) -> usize {
        self.levels as usize
    }

    /// The bits that are decomposed: the rest of a value is rounded away.
    pub fn bits(&self) -> u32 {
        self.log2_base * self.levels
    }

    /// The torus values q/B^j that digits count, for j = 1 to the number of levels: the largest first.
    pub fn scales(&self) -> impl DoubleEndedIterator<Item = u64> + use<> {
        let log2_base = self.log2_base;
        (1..=self.levels).map(move |level| 1 << (64 - log2_base * level))
    }

    /// Rounds values to multiples of q/B^l and leaves their multiplicities in `rest`.
    pub(super) fn round(&self, values: &[u64], rest: &mut [u64]) {
        let gadget = *self;
        Arch::new().dispatch(|| {
            for (rest, value) in rest.iter_mut().zip(values) {
                *rest = gadget.rounded(*value);
            }
        });
    }

    /// Takes the least significant digit off each multiplicity, as [`Gadget::take_digit`] does.
    pub(super) fn take_digits(&self, rest: &mut [u64], digits: &mut [u64]) {
        let gadget = *self;
        Arch::new().dispatch(|| {
            for (rest, digit) in rest.iter_mut().zip(digits) {
                (*digit, *rest) = gadget.split(*rest);
            }
        });
    }

    /// The multiplicity of the nearest multiple of q/B^l.
    #[inline(always)]
    pub(super) fn rounded(&self, value: u64) -> u64 {
        let shift = 64 - self.bits();
        let almost_half = (1_u64 << (shift - 1)) - 1;
        let odd = (value >> shift) & 1;
        value.wrapping_add(almost_half + odd) >> shift
    }

    /// The least significant digit of a multiplicity, and the rest.
    #[inline(always)]
    pub(super) fn split(&self, multiplicity: u64) -> (u64, u64) {
        let log2_base = self.log2_base;
        let half = 1_u64 << (log2_base - 1);
        let mask = (1_u64 << log2_base) - 1;
        let low = multiplicity & mask;
        let high = multiplicity >> log2_base;
        // One if low is above half a base, or exactly half and the next digit would be even.
        let carry = (low + (!high & 1) + half - 1) >> log2_base;
        (low.wrapping_sub(carry << log2_base), high + carry)
    }

    /// Takes the least significant digit off a multiplicity. The first call gives the digit of the last level;
    /// after as many calls as levels nothing but a multiple of q is left.
    #[inline(always)]
    pub(super) fn take_digit(&self, rest: &mut u64) -> u64 {
        let (digit, high) = self.split(*rest);
        *rest = high;
        digit
    }
}

impl TryFrom<Literal> for Gadget {
    type Error = anyhow::Error;

    fn try_from(literal: Literal) -> Result<Self> {
        Self::new(literal.log2_base, literal.levels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn digits_are_small_and_add_up(values in prop::collection::vec(any::<u64>(), 1..40), log2_base in 2_u32..=32, levels in 1_u32..=63) {
            let Ok(gadget) = Gadget::new(log2_base, levels) else { return Ok(()) };
            let mut rest = vec![0; values.len()];
            let mut sums = rest.clone();
            gadget.round(&values, &mut rest);
            for scale in gadget.scales().rev() {
                for (sum, rest) in sums.iter_mut().zip(&mut rest) {
                    let digit = gadget.take_digit(rest);
                    prop_assert!((digit as i64).unsigned_abs() <= 1 << (log2_base - 1));
                    *sum = digit.wrapping_mul(scale).wrapping_add(*sum);
                }
            }
            for (sum, value) in sums.iter().zip(&values) {
                let error = (sum.wrapping_sub(*value) as i64).unsigned_abs();
                prop_assert!(error <= 1 << (63 - gadget.bits()), "{value} became {sum}");
            }
        }
    }

    #[test]
    fn rounding_and_digits_have_no_bias() {
        let gadget = Gadget::new(2, 30).unwrap();
        // All low ends under every parity: 16 rounded values for each of 64 multiples.
        let values: Vec<u64> = (0..1024).collect();
        let mut rest = vec![0; values.len()];
        gadget.round(&values, &mut rest);
        let error: i64 =
            values.iter().zip(&rest).map(|(value, rest)| *value as i64 - 16 * *rest as i64).sum();
        assert_eq!(error, 0);
        let digits = (0..1024).map(|mut rest| gadget.take_digit(&mut rest) as i64);
        assert_eq!(digits.sum::<i64>(), 0);
    }

    #[test]
    fn gadgets_wider_than_the_torus_are_refused() {
        assert!(Gadget::new(16, 4).is_err());
        assert!(Gadget::new(1, 4).is_err());
        assert!(serde_json::from_str::<Gadget>(r#"{"log2_base":4,"levels":4000000000}"#).is_err());
    }
}
