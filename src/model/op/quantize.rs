//! Quantization: numbers to integers on a grid.

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::elementwise::Binary;
use crate::tensor::{DType, Tensor};

/// How numbers become integers: `number / scale`, rounded, plus the zero point, clamped to a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quantization {
    /// How quotients are rounded.
    pub rounding: Rounding,
    /// Whether the zero point is added before rounding, as QONNX does; ONNX adds it after.
    pub zero_point_first: bool,
    /// The smallest integer.
    pub low: i64,
    /// The largest integer.
    pub high: i64,
    /// The element type of the integers; it may be a float.
    pub dtype: DType,
}

/// The integer that stands for a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rounding {
    /// The nearest one, halves to the even one.
    HalfEven,
    /// The nearest one, halves away from zero.
    HalfUp,
    /// The nearest one, halves towards zero.
    HalfDown,
    /// The next one towards infinity.
    Ceil,
    /// The next one towards minus infinity.
    Floor,
    /// The next one away from zero.
    Up,
    /// The next one towards zero.
    Down,
}

impl Quantization {
    /// The integers for the numbers of `x`; scale and zero point are broadcast.
    ///
    /// Quotients are rounded to the type of the numbers first, as everybody computes them.
    ///
    /// # Errors
    /// If the shapes do not fit, or a tensor holds text.
    pub fn evaluate(self, x: &Tensor, scale: &Tensor, zero_point: &Tensor) -> Result<Tensor> {
        let mut quotient = Binary::Div.evaluate(x, scale)?;
        if self.zero_point_first {
            quotient = Binary::Add.evaluate(&quotient, zero_point)?;
        }
        let rounded = Tensor::f64s(quotient.as_numbers()?.mapv(|value| self.rounding.at(value)));
        let moved =
            if self.zero_point_first { rounded } else { Binary::Add.evaluate(&rounded, zero_point)? };
        let (low, high) = (self.low as f64, self.high as f64);
        Tensor::numbers(self.dtype, moved.as_numbers()?.mapv(|value| value.max(low).min(high)))
    }
}

impl Rounding {
    /// The integer for a number.
    pub fn at(self, x: f64) -> f64 {
        match self {
            Self::HalfEven => x.round_ties_even(),
            Self::HalfUp => x.round(),
            Self::HalfDown => (x.abs() - 0.5).ceil().copysign(x),
            Self::Ceil => x.ceil(),
            Self::Floor => x.floor(),
            Self::Up => x.abs().ceil().copysign(x),
            Self::Down => x.trunc(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::arr1;

    fn tensor(dtype: DType, values: &[f64]) -> Tensor {
        Tensor::numbers(dtype, arr1(values).into_dyn()).unwrap()
    }

    #[test]
    fn every_way_to_round() {
        let values = [-2.5, -1.5, -1.2, -0.5, 0.2, 0.5, 1.5, 1.7];
        let rounded = |rounding: Rounding| values.map(|value| rounding.at(value));
        assert_eq!(rounded(Rounding::HalfEven), [-2.0, -2.0, -1.0, 0.0, 0.0, 0.0, 2.0, 2.0]);
        assert_eq!(rounded(Rounding::HalfUp), [-3.0, -2.0, -1.0, -1.0, 0.0, 1.0, 2.0, 2.0]);
        assert_eq!(rounded(Rounding::HalfDown), [-2.0, -1.0, -1.0, 0.0, 0.0, 0.0, 1.0, 2.0]);
        assert_eq!(rounded(Rounding::Ceil), [-2.0, -1.0, -1.0, 0.0, 1.0, 1.0, 2.0, 2.0]);
        assert_eq!(rounded(Rounding::Floor), [-3.0, -2.0, -2.0, -1.0, 0.0, 0.0, 1.0, 1.0]);
        assert_eq!(rounded(Rounding::Up), [-3.0, -2.0, -2.0, -1.0, 1.0, 1.0, 2.0, 2.0]);
        assert_eq!(rounded(Rounding::Down), [-2.0, -1.0, -1.0, 0.0, 0.0, 0.0, 1.0, 1.0]);
    }

    #[test]
    fn integers_saturate_at_the_range() {
        let bytes = Quantization {
            rounding: Rounding::HalfEven,
            zero_point_first: false,
            low: 0,
            high: 255,
            dtype: DType::U8,
        };
        let x = tensor(DType::F32, &[-1000.0, -3.0, 0.0, 1.0, 3.0, 1000.0]);
        let integers = bytes.evaluate(&x, &tensor(DType::F32, &[2.0]), &tensor(DType::U8, &[128.0])).unwrap();
        assert_eq!(integers, tensor(DType::U8, &[0.0, 126.0, 128.0, 128.0, 130.0, 255.0]));
    }

    #[test]
    fn an_odd_zero_point_decides_ties_where_it_comes_first() {
        let after = Quantization {
            rounding: Rounding::HalfEven,
            zero_point_first: false,
            low: -8,
            high: 7,
            dtype: DType::F32,
        };
        let (x, scale, zero) =
            (tensor(DType::F32, &[0.5]), tensor(DType::F32, &[1.0]), tensor(DType::F32, &[1.0]));
        assert_eq!(after.evaluate(&x, &scale, &zero).unwrap(), tensor(DType::F32, &[1.0]));
        let first = Quantization { zero_point_first: true, ..after };
        assert_eq!(first.evaluate(&x, &scale, &zero).unwrap(), tensor(DType::F32, &[2.0]));
    }

    #[test]
    fn quotients_are_those_of_single_precision() {
        let nearest = Quantization {
            rounding: Rounding::HalfEven,
            zero_point_first: false,
            low: -128,
            high: 127,
            dtype: DType::I8,
        };
        // The quotient is 3.5 in single precision, and a little less in truth.
        let (x, scale) = (tensor(DType::F32, &[0.35]), tensor(DType::F32, &[0.1]));
        assert_eq!(
            nearest.evaluate(&x, &scale, &tensor(DType::I8, &[0.0])).unwrap(),
            tensor(DType::I8, &[4.0])
        );
    }
}
