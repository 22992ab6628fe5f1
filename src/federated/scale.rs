//! Values of an update as integers: clipped to a range, divided into equal steps, rounded to the nearest.

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

/// The widths of an integer, sign included.
const BITS: std::ops::RangeInclusive<u32> = 2..=32;

/// The range of values and the integers that stand for them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Literal")]
pub struct Scale {
    clip: f64,
    bits: u32,
}

/// What a file says; not yet believed.
#[derive(Deserialize)]
struct Literal {
    clip: f64,
    bits: u32,
}

impl Scale {
    /// Values from -`clip` to `clip` as integers of so many bits, sign included.
    ///
    /// # Errors
    /// If the range is empty or infinite, or there are too few or too many bits.
    pub fn new(clip: f64, bits: u32) -> Result<Self> {
        ensure!(clip > 0.0 && clip.is_finite(), "values are clipped to a positive range, not {clip}");
        let (least, most) = (BITS.start(), BITS.end());
        ensure!(BITS.contains(&bits), "a value has {least} to {most} bits, not {bits}");
        Ok(Self { clip, bits })
    }

    /// The largest absolute value.
    pub fn clip(&self) -> f64 {
        self.clip
    }

    /// The bits of an integer, sign included.
    pub fn bits(&self) -> u32 {
        self.bits
    }

    /// The integer of `clip`: the largest one.
    pub fn largest(&self) -> i64 {
        (1 << (self.bits - 1)) - 1
    }

    /// The distance of two neighbouring values.
    pub fn step(&self) -> f64 {
        self.clip / self.largest() as f64
    }

    /// The integer nearest to a value, and whether the value had to be clipped.
    pub fn quantize(&self, value: f64) -> (i64, bool) {
        let clipped = value.clamp(-self.clip, self.clip);
        ((clipped / self.clip * self.largest() as f64).round() as i64, clipped != value)
    }

    /// The average that a sum of integers stands for, whose weights add up to `total_weight`.
    pub fn average(&self, sum: i64, total_weight: u64) -> f64 {
        self.clip * (sum as f64 / (self.largest() as f64 * total_weight as f64))
    }
}

impl TryFrom<Literal> for Scale {
    type Error = anyhow::Error;

    fn try_from(literal: Literal) -> Result<Self> {
        Self::new(literal.clip, literal.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_round_to_the_nearest_step_and_clip() {
        let scale = Scale::new(0.5, 8).unwrap();
        assert_eq!(scale.quantize(0.5), (127, false));
        assert_eq!(scale.quantize(-7.0), (-127, true));
        for i in -1000..=1000 {
            let value = f64::from(i) / 2000.0;
            let (integer, clipped) = scale.quantize(value);
            assert!(!clipped && (scale.average(integer, 1) - value).abs() <= scale.step() / 2.0 + 1e-12);
        }
        assert_eq!(scale.average(3 * 127, 3), 0.5);
    }

    #[test]
    fn absurd_ranges_are_refused() {
        for (clip, bits) in [(0.0, 8), (-1.0, 8), (f64::NAN, 8), (f64::INFINITY, 8), (1.0, 1), (1.0, 33)] {
            assert!(Scale::new(clip, bits).is_err(), "{clip} {bits}");
        }
    }
}
