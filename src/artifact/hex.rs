//! Fixed numbers of bytes that are shown and stored as hexadecimal text.

use std::fmt;

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

/// `N` bytes, written as `2 N` lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Hex<const N: usize>(pub(super) [u8; N]);

impl<const N: usize> fmt::Display for Hex<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl<const N: usize> From<Hex<N>> for String {
    fn from(hex: Hex<N>) -> Self {
        hex.to_string()
    }
}

impl<const N: usize> TryFrom<String> for Hex<N> {
    type Error = anyhow::Error;

    fn try_from(text: String) -> Result<Self> {
        let digits = text.as_bytes();
        if digits.len() != 2 * N {
            bail!("expected {} hexadecimal digits, found {} characters", 2 * N, digits.len());
        }
        let mut bytes = [0; N];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            for &digit in pair {
                *byte = *byte << 4 | value(digit)?;
            }
        }
        Ok(Self(bytes))
    }
}

fn value(digit: u8) -> Result<u8> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        _ => bail!("'{}' is not a lower-case hexadecimal digit", digit.escape_ascii()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_bytes_are_one_to_one() {
        let hex = Hex([0x00, 0x9f, 0xff]);
        assert_eq!(hex.to_string(), "009fff");
        assert!(Hex::<3>::try_from("009fff".to_owned()).unwrap() == hex);
        for bad in ["009ff", "009ffff", "009FFF", "00 fff", "00ä9f"] {
            assert!(Hex::<3>::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
