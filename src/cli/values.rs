//! Values on the command line that are more than a number or a path.

use std::str::FromStr;

use anyhow::{Context, Result, bail, ensure};
use fhe_ml::onnx::Options;

/// Bits of quantized numbers.
const BITS: std::ops::RangeInclusive<u8> = 2..=20;

/// `NAME=SHAPE`: the shape of an input whose dimensions the model leaves open.
#[derive(Clone, Debug, PartialEq)]
pub struct InputShape {
    /// The name of the input.
    pub name: String,
    /// The length of every axis.
    pub shape: Vec<usize>,
}

/// `N` bits, or `auto`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bits {
    /// As few as are good enough.
    Auto,
    /// So many.
    Number(u8),
}

impl Bits {
    /// The number, if there is one.
    pub fn number(self) -> Option<u32> {
        match self {
            Self::Auto => None,
            Self::Number(bits) => Some(u32::from(bits)),
        }
    }
}

impl FromStr for Bits {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        match (text, text.parse()) {
            ("auto", _) => Ok(Self::Auto),
            (_, Ok(bits)) if BITS.contains(&bits) => Ok(Self::Number(bits)),
            (_, _) => bail!("expected {} to {}, or auto", BITS.start(), BITS.end()),
        }
    }
}

impl FromStr for InputShape {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (name, shape) = text.rsplit_once('=').context("expected NAME=SHAPE, for instance x=1,28,28")?;
        ensure!(!name.is_empty(), "the name before '=' is missing");
        let shape = shape.split([',', 'x']).map(axis).collect::<Result<_>>()?;
        Ok(Self { name: name.to_owned(), shape })
    }
}

/// What the importer must know of the shapes given on the command line.
pub fn options(shapes: &[InputShape]) -> Options {
    let shapes = shapes.iter().map(|input| (input.name.clone(), input.shape.clone()));
    Options { input_shapes: shapes.collect() }
}

/// The probability that one result is wrong: `1e-12`, or a power such as `2^-40`.
pub fn p_error(text: &str) -> Result<f64> {
    let value = match text.strip_prefix("2^") {
        Some(exponent) => {
            f64::from(exponent.parse::<i32>().context("expected a power such as 2^-40")?).exp2()
        }
        None => text.parse()?,
    };
    let smallest = (-128.0_f64).exp2();
    if (smallest..=0.5).contains(&value) { Ok(value) } else { bail!("expected 2^-128 to 0.5") }
}

/// A share of a whole, from 0 to 1.
pub fn share(text: &str) -> Result<f64> {
    let value: f64 = text.parse()?;
    if (0.0..=1.0).contains(&value) { Ok(value) } else { bail!("expected 0 to 1") }
}

/// Two numbers, `LOW:HIGH`.
pub fn interval(text: &str) -> Result<(f64, f64)> {
    let (low, high) = text.split_once(':').context("expected LOW:HIGH, for instance 0:100")?;
    let (low, high) = (low.parse::<f64>()?, high.parse::<f64>()?);
    ensure!(
        low.is_finite() && high.is_finite() && low < high,
        "the first number must be less than the second"
    );
    Ok((low, high))
}

/// A number of seconds.
pub fn seconds(text: &str) -> Result<f64> {
    let value: f64 = text.parse()?;
    if value.is_finite() && value > 0.0 { Ok(value) } else { bail!("expected more than 0 seconds") }
}

/// A finite number above 0.
pub fn positive(text: &str) -> Result<f64> {
    let value: f64 = text.parse()?;
    if value.is_finite() && value > 0.0 { Ok(value) } else { bail!("expected a number above 0") }
}

/// A number of bytes, with `K`, `M` or `G` for powers of 1024: `512M`.
pub fn bytes(text: &str) -> Result<u64> {
    let (digits, factor) = match text.split_at_checked(text.len().saturating_sub(1)) {
        Some((digits, "K" | "k")) => (digits, 1 << 10),
        Some((digits, "M" | "m")) => (digits, 1 << 20),
        Some((digits, "G" | "g")) => (digits, 1 << 30),
        Some(_) | None => (text, 1),
    };
    let count: u64 = digits.parse().context("expected bytes, for instance 512M or 4G")?;
    count.checked_mul(factor).context("too many bytes")
}

fn axis(text: &str) -> Result<usize> {
    match text.parse() {
        Ok(0) => bail!("an axis of length 0"),
        Ok(length) => Ok(length),
        Err(_) => bail!("'{text}' is not the length of an axis"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes() {
        let shape = |text: &str| text.parse::<InputShape>();
        assert_eq!(shape("x=1,28,28").unwrap(), InputShape { name: "x".to_owned(), shape: vec![1, 28, 28] });
        assert_eq!(shape("a=b=1x3").unwrap(), InputShape { name: "a=b".to_owned(), shape: vec![1, 3] });
        for bad in ["x", "x=", "=1", "x=0", "x=1,,2", "x=-1"] {
            assert!(shape(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn probabilities() {
        assert_eq!(p_error("2^-40").unwrap(), (-40.0_f64).exp2());
        assert_eq!(p_error("0.25").unwrap(), 0.25);
        for bad in ["0", "0.6", "2^-129", "2^", "2^1", "nan", "-1"] {
            assert!(p_error(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes() {
        assert_eq!(bytes("512").unwrap(), 512);
        assert_eq!(bytes("4G").unwrap(), 4 << 30);
        for bad in ["", "G", "4T", "1.5G", "99999999999999G", "4é"] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn shares_and_seconds() {
        assert_eq!(share("0.99").unwrap(), 0.99);
        assert!(share("1.01").is_err() && share("nan").is_err());
        assert_eq!(seconds("1.5").unwrap(), 1.5);
        assert!(positive("0").is_err() && positive("-1").is_err() && positive("inf").is_err());
        assert!(seconds("0").is_err() && seconds("inf").is_err());
    }
}
