//! Tables to look up: a polynomial whose coefficients are the values of a function around the torus.

use anyhow::{Result, ensure};

use super::LookupParameters;

/// The values of a function of a torus value, for one polynomial size.
///
/// A rotation has 2N places, the table N coefficients: the second half of the torus holds the negated values of
/// the first, f(x + 1/2) = -f(x). What else is wanted there has to be kept out by a padding bit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookupTable {
    polynomial: Vec<u64>,
}

impl LookupTable {
    /// A function of p-bit numbers below a padding bit: number m is the torus value m / 2^(p+1), and everything
    /// up to half a step from it is looked up as m. `values` are its 2^p values, any torus values.
    ///
    /// # Errors
    /// If there are not a power of two of values, or more than coefficients.
    pub fn padded(parameters: &LookupParameters, values: &[u64]) -> Result<Self> {
        let mut table = Self::odd(parameters, values)?;
        let half_step = table.polynomial.len() / values.len() / 2;
        // What lies less than half a step below zero is zero too.
        let (front, _) = table.polynomial.split_at_mut(half_step);
        front.iter_mut().for_each(|value| *value = value.wrapping_neg());
        table.polynomial.rotate_left(half_step);
        Ok(table)
    }

    /// A function of the whole torus that changes its sign with half a turn. `values` are its values on the first
    /// half of the torus, in steps of equal width that begin at 0: a single value c is c · sign(x).
    ///
    /// # Errors
    /// If there are not a power of two of values, or more than coefficients.
    pub fn odd(parameters: &LookupParameters, values: &[u64]) -> Result<Self> {
        let size = parameters.polynomial_size();
        ensure!(
            values.len().is_power_of_two() && values.len() <= size,
            "a table of {} values: it must be a power of two, {size} at most",
            values.len()
        );
        let step = size / values.len();
        Ok(Self { polynomial: values.iter().flat_map(|value| vec![*value; step]).collect() })
    }

    /// The value looked up for a torus value, without noise.
    pub fn value(&self, x: u64) -> u64 {
        let places = 2 * self.polynomial.len();
        // A rotation takes the whole number of places: steps begin where they should.
        let place = (x >> (64 - places.ilog2())) as usize;
        match self.polynomial.get(place) {
            Some(value) => *value,
            None => self.polynomial[place - self.polynomial.len()].wrapping_neg(),
        }
    }

    pub(super) fn polynomial(&self) -> &[u64] {
        &self.polynomial
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::lookup::trial::fast;

    #[test]
    fn padded_steps_are_centered() {
        let table = LookupTable::padded(&fast(), &[10, 11, 12, 13]).unwrap();
        let (step, near) = (1_u64 << 61, (1_u64 << 60) - (1 << 57));
        for m in 0..4 {
            for x in [m * step, m * step + near, (m * step).wrapping_sub(near)] {
                assert_eq!(table.value(x), 10 + m, "{m}");
                assert_eq!(table.value(x.wrapping_add(1 << 63)), (10 + m).wrapping_neg(), "{m}");
            }
        }
    }

    #[test]
    fn odd_functions_begin_at_zero() {
        let sign = LookupTable::odd(&fast(), &[7]).unwrap();
        for (x, value) in
            [(1 << 55, 7), ((1 << 63) - (1 << 57), 7), ((1 << 63) + (1 << 57), 7_u64.wrapping_neg())]
        {
            assert_eq!(sign.value(x), value);
        }
    }

    #[test]
    fn other_numbers_of_values_are_refused() {
        for count in [0, 3, 512] {
            assert!(LookupTable::padded(&fast(), &vec![0; count]).is_err());
        }
    }
}
