//! Integers modulo 2^64 as floating point numbers and back, on their way through a transform.
//!
//! Numbers below 2^51 are converted by adding 1.5·2^52: then the last bits of the sum are the integer.

use super::Gadget;
use super::lanes::Lanes;
use super::transform::{Sink, Source};

/// 1.5·2^52: sums with it have a last bit worth one.
const UNIT: f64 = 6_755_399_441_055_744.0;

/// The same for a last bit worth 2^32.
const UPPER: f64 = UNIT * 4_294_967_296.0;

/// The nearest number, for any signed integer: what processors without such an instruction do.
#[inline(always)]
fn signed(value: u64) -> f64 {
    // 2^84 + (upper + 2^31)·2^32, and 2^52 + lower; all but the last sum are exact.
    const UPPER_BITS: u64 = 0x4530_0000_8000_0000;
    const LOWER_BITS: u64 = 0x4330_0000_0000_0000;
    let offset = f64::from_bits(UPPER_BITS) + f64::from_bits(LOWER_BITS);
    let upper = f64::from_bits((value >> 32) ^ UPPER_BITS);
    let lower = f64::from_bits((value & 0xffff_ffff) | LOWER_BITS);
    upper - offset + lower
}

/// Integers times a power of two.
pub struct Scaled<'a, P> {
    pub values: &'a [u64],
    /// What is taken of each value, as a signed number.
    pub part: P,
    pub scale: f64,
}

impl<P: Fn(u64) -> u64> Source for Scaled<'_, P> {
    #[inline(always)]
    fn give<const RUN: usize>(&mut self, start: usize, values: &mut [f64; RUN]) {
        // Transforms ask for what the polynomial has.
        for (given, value) in values.iter_mut().zip(&self.values[start..][..RUN]) {
            *given = signed((self.part)(*value)) * self.scale;
        }
    }
}

/// The next digits of what is left of a polynomial.
pub struct Digits<'a> {
    pub gadget: Gadget,
    pub rest: &'a mut [u64],
}

impl Source for Digits<'_> {
    #[inline(always)]
    fn give<const RUN: usize>(&mut self, start: usize, values: &mut [f64; RUN]) {
        // Transforms ask for what the polynomial has.
        for (given, rest) in values.iter_mut().zip(&mut self.rest[start..][..RUN]) {
            let digit = self.gadget.take_digit(rest);
            *given = f64::from_bits(UNIT.to_bits().wrapping_add(digit)) - UNIT;
        }
    }
}

/// Adds values of the torus, from -1/2 to 1/2 and any whole numbers.
pub struct AddTorus<'a>(pub &'a mut [u64]);

impl Sink for AddTorus<'_> {
    #[inline(always)]
    fn prepare<const L: usize, F: Lanes<L>>(&self, lanes: F, values: F::Numbers) -> F::Numbers {
        let unit = lanes.load(&[UNIT; L]);
        let whole = lanes.sub(lanes.add(values, unit), unit);
        // All 52 bits of the sum are below one; 1/2 is too much.
        lanes.add(lanes.sub(values, whole), lanes.load(&[1.5; L]))
    }

    #[inline(always)]
    fn take<const RUN: usize>(&mut self, start: usize, values: &[f64; RUN]) {
        // Transforms give what the polynomial has.
        for (sum, value) in self.0[start..][..RUN].iter_mut().zip(values) {
            *sum = sum.wrapping_add((value.to_bits() << 12) ^ (1 << 63));
        }
    }
}

/// Adds integers times 2^`bits`, for at least 13 bits.
pub struct AddShifted<'a> {
    pub sum: &'a mut [u64],
    pub bits: u32,
}

impl Sink for AddShifted<'_> {
    #[inline(always)]
    fn prepare<const L: usize, F: Lanes<L>>(&self, lanes: F, values: F::Numbers) -> F::Numbers {
        lanes.add(values, lanes.load(&[UNIT; L]))
    }

    #[inline(always)]
    fn take<const RUN: usize>(&mut self, start: usize, values: &[f64; RUN]) {
        // Transforms give what the polynomial has.
        for (sum, value) in self.sum[start..][..RUN].iter_mut().zip(values) {
            *sum = sum.wrapping_add(value.to_bits() << self.bits);
        }
    }
}

/// Adds integers below 2^82.
pub struct AddIntegers<'a>(pub &'a mut [u64]);

impl Sink for AddIntegers<'_> {
    #[inline(always)]
    fn prepare<const L: usize, F: Lanes<L>>(&self, _: F, values: F::Numbers) -> F::Numbers {
        values
    }

    #[inline(always)]
    fn take<const RUN: usize>(&mut self, start: usize, values: &[f64; RUN]) {
        // Transforms give what the polynomial has.
        for (sum, value) in self.0[start..][..RUN].iter_mut().zip(values) {
            let upper = value + UPPER;
            let lower = value - (upper - UPPER) + UNIT;
            let lower = lower.to_bits().wrapping_sub(UNIT.to_bits());
            *sum = sum.wrapping_add(upper.to_bits() << 32).wrapping_add(lower);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::lanes::{Work, dispatch};

    const RUN: usize = 16;

    struct Taken<'a, S> {
        sink: S,
        values: &'a mut [f64; RUN],
    }

    impl<S: Sink> Work for Taken<'_, S> {
        type Output = ();

        fn work<const L: usize, F: Lanes<L>>(mut self, lanes: F) {
            for values in self.values.as_chunks_mut().0 {
                let prepared = self.sink.prepare(lanes, lanes.load(values));
                lanes.store(prepared, values);
            }
            self.sink.take(0, self.values);
        }
    }

    fn run(some: &[f64]) -> [f64; RUN] {
        std::array::from_fn(|index| some.get(index).copied().unwrap_or_default())
    }

    #[test]
    fn signed_integers_become_the_nearest_numbers() {
        let edges =
            [0, 1, -1, 1 << 31, -(1 << 31), 1 << 32, i64::MAX, i64::MIN, (1 << 53) + 1, -(1 << 53) - 1];
        for value in edges {
            assert_eq!(signed(value as u64), value as f64, "{value}");
        }
    }

    #[test]
    fn values_of_the_torus_are_taken_modulo_one() {
        let mut sum = [3; RUN];
        let values = &mut run(&[0.25, -0.25, 1000.125, -7.75, 0.5, 1.5, -0.5]);
        dispatch(Taken { sink: AddTorus(&mut sum), values });
        let expected = [1 << 62, 3 << 62, 1 << 61, 1 << 62, 1 << 63, 1 << 63, 1 << 63, 0];
        for (sum, expected) in sum.iter().zip(expected) {
            assert_eq!(sum.wrapping_sub(3), expected);
        }
    }

    #[test]
    fn integers_are_rounded_and_taken_modulo_two_to_the_64() {
        let (two_to_70, two_to_40) = (2.0_f64.powi(70), 2.0_f64.powi(40));
        let mut sum = [5; RUN];
        let values = &mut run(&[
            1.25,
            -1.25,
            two_to_40 + 0.75,
            -two_to_40,
            two_to_70,
            -two_to_70,
            3.0 * 2.0_f64.powi(62),
        ]);
        dispatch(Taken { sink: AddIntegers(&mut sum), values });
        let expected = [1, -1, (1 << 40) + 1, -(1 << 40), 0, 0, -(1 << 62), 0];
        for (sum, expected) in sum.iter().zip(expected) {
            assert_eq!(sum.wrapping_sub(5) as i64, expected);
        }
        let mut sum = [7; RUN];
        let values = &mut run(&[1.25, -1.25, 2.0_f64.powi(24) - 1.0]);
        dispatch(Taken { sink: AddShifted { sum: &mut sum, bits: 40 }, values });
        for (sum, expected) in sum.iter().zip([1, -1, -1, 0]) {
            assert_eq!(sum.wrapping_sub(7) as i64, expected << 40);
        }
    }
}
