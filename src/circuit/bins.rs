//! Real numbers to bins, and bins to bits.
//!
//! A bin is an interval between two edges, or holds missing values (NaN). Its number is written in digits of
//! mixed radix, the most significant first, and each digit d of radix r as the r - 1 bits d <= 0, d <= 1 …:
//! a test for numbers up to an edge reads one bit of each digit.

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

/// The bins of one variable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "BinsParts")]
pub struct Bins {
    parts: BinsParts,
}

/// Bins as they are told; [`Bins::new`] checks them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BinsParts {
    /// The variable that is binned.
    pub variable: u32,
    /// Rising numbers; a value belongs to the interval up to and with the first edge that is not below it, or
    /// beyond all edges.
    pub edges: Vec<f64>,
    /// The number of the lowest interval: 1 if missing values come first.
    pub first: u32,
    /// The bin of missing values; without one they are refused.
    pub missing: Option<u32>,
    /// The radix of each digit, the most significant first.
    pub radices: Vec<u32>,
}

impl Bins {
    /// Checks bins.
    ///
    /// # Errors
    /// If edges do not rise, a radix is below 2, or there are more bins than digits can tell.
    pub fn new(parts: BinsParts) -> Result<Self> {
        let BinsParts { edges, first, missing, radices, .. } = &parts;
        if !edges.is_sorted_by(|a, b| a < b) || edges.iter().any(|edge| edge.is_nan()) {
            bail!("the edges of bins do not rise");
        }
        let intervals = *first as usize + edges.len() + 1;
        let bins = missing.map_or(intervals, |missing| intervals.max(missing as usize + 1));
        let told = radices.iter().try_fold(1_usize, |told, radix| told.checked_mul(*radix as usize));
        if radices.iter().any(|radix| *radix < 2) || told.is_none_or(|told| told < bins) {
            bail!("{bins} bins are more than digits of radix {radices:?} tell");
        }
        Ok(Self { parts })
    }

    /// What they are made of.
    pub fn parts(&self) -> &BinsParts {
        &self.parts
    }

    /// The number of bits of a value.
    pub fn bits(&self) -> usize {
        self.parts.radices.iter().map(|radix| *radix as usize - 1).sum()
    }

    /// The bin of a value; `None` for a missing value without a bin.
    pub fn bin(&self, value: f64) -> Option<u32> {
        if value.is_nan() {
            return self.parts.missing;
        }
        Some(self.parts.first + self.parts.edges.partition_point(|edge| *edge < value) as u32)
    }

    /// The digits of a bin.
    pub fn digits(&self, bin: u32) -> Vec<u32> {
        let mut rest = bin;
        let lowest_first = self.parts.radices.iter().rev().map(|radix| {
            let digit = rest % radix;
            rest /= radix;
            digit
        });
        let mut digits: Vec<u32> = lowest_first.collect();
        digits.reverse();
        digits
    }

    /// Appends the bits of a bin.
    pub fn encode(&self, bin: u32, bits: &mut Vec<i64>) {
        for (digit, radix) in self.digits(bin).into_iter().zip(&self.parts.radices) {
            bits.extend((0..radix - 1).map(|most| i64::from(digit <= most)));
        }
    }
}

impl TryFrom<BinsParts> for Bins {
    type Error = anyhow::Error;

    fn try_from(parts: BinsParts) -> Result<Self> {
        Self::new(parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts() -> BinsParts {
        BinsParts {
            variable: 0,
            edges: vec![-1.0, 0.5, 2.0],
            first: 1,
            missing: Some(0),
            radices: vec![2, 3],
        }
    }

    #[test]
    fn values_have_bins() {
        let bins = Bins::new(parts()).unwrap();
        let values = [f64::NEG_INFINITY, -1.0, -0.9, 0.5, 2.0, 2.1, f64::INFINITY, f64::NAN];
        assert_eq!(values.map(|value| bins.bin(value).unwrap()), [1, 1, 2, 2, 3, 4, 4, 0]);
        let unforgiving = Bins::new(BinsParts { missing: None, ..parts() }).unwrap();
        assert_eq!(unforgiving.bin(f64::NAN), None);
    }

    #[test]
    fn bins_have_bits() {
        let bins = Bins::new(parts()).unwrap();
        assert_eq!(bins.bits(), 3);
        for (bin, digits, expected) in
            [(0, [0, 0], [1, 1, 1]), (1, [0, 1], [1, 0, 1]), (2, [0, 2], [1, 0, 0]), (4, [1, 1], [0, 0, 1])]
        {
            assert_eq!(bins.digits(bin), digits);
            let mut bits = Vec::new();
            bins.encode(bin, &mut bits);
            assert_eq!(bits, expected, "bin {bin}");
        }
    }

    #[test]
    fn impossible_bins_are_refused() {
        assert!(Bins::new(BinsParts { edges: vec![1.0, 1.0], ..parts() }).is_err());
        assert!(Bins::new(BinsParts { edges: vec![f64::NAN], ..parts() }).is_err());
        assert!(Bins::new(BinsParts { radices: vec![2, 2], ..parts() }).is_err());
        assert!(Bins::new(BinsParts { radices: vec![9, 1], ..parts() }).is_err());
    }
}
