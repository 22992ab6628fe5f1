//! Integers as multiples of a power of two of the torus.

use serde::{Deserialize, Serialize};

use crate::crypto::noise;

/// The integers of a number of bits, sign included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Messages {
    bits: u32,
}

impl Messages {
    /// Integers of 2 to 62 bits, sign included; `None` for other widths.
    pub fn new(bits: u32) -> Option<Self> {
        (2..=62).contains(&bits).then_some(Self { bits })
    }

    /// The width of an integer, sign included.
    pub fn bits(&self) -> u32 {
        self.bits
    }

    /// The torus value of an integer: a multiple of 2^-bits.
    pub fn encode(&self, integer: i64) -> u64 {
        (integer as u64) << (64 - self.bits)
    }

    /// The integer nearest to a torus value.
    pub fn decode(&self, torus: u64) -> i64 {
        let shift = 64 - self.bits;
        (torus.wrapping_add(1 << (shift - 1)) as i64) >> shift
    }

    /// The base-2 logarithm of the probability that noise of this variance makes another integer of one.
    pub fn log2_failure(&self, variance: f64) -> f64 {
        noise::log2_failure((-f64::from(self.bits) - 1.0).exp2(), variance)
    }
}

impl TryFrom<u32> for Messages {
    type Error = String;

    fn try_from(bits: u32) -> Result<Self, String> {
        Self::new(bits).ok_or_else(|| format!("messages have 2 to 62 bits, not {bits}"))
    }
}

impl From<Messages> for u32 {
    fn from(messages: Messages) -> Self {
        messages.bits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoding_undoes_encoding() {
        let messages = Messages::new(30).unwrap();
        for integer in [0, 1, -1, 12345, -(1 << 29), (1 << 29) - 1] {
            assert_eq!(messages.decode(messages.encode(integer)), integer);
            assert_eq!(messages.decode(messages.encode(integer).wrapping_add(1 << 32)), integer);
        }
        assert!(Messages::new(1).is_none() && Messages::new(63).is_none());
    }
}
