//! Functions of two numbers.

use anyhow::{Context, Result, bail};
use ndarray::{ArrayD, IxDyn, Zip};
use serde::{Deserialize, Serialize};

use super::cast::wrap;
use crate::model::op::shape::{broadcast_shape, common_dtype};
use crate::tensor::{DType, Tensor};

/// A function of two numbers (or, for [`Binary::Equal`], texts).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Binary {
    Add,
    Sub,
    Mul,
    /// Of integers: towards zero.
    Div,
    /// The result has the type of the base.
    Pow,
    Min,
    Max,
    /// Remainder with the sign of the divisor.
    Mod,
    /// Remainder with the sign of the dividend, as C's fmod.
    FMod,
    Equal,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    And,
    Or,
    Xor,
    /// a where a >= 0, else a · b.
    PRelu,
}

impl Binary {
    /// The function of every pair of elements, with numpy's broadcasting.
    ///
    /// # Errors
    /// If the shapes cannot be broadcast, an integer is divided by zero, or the tensors hold text.
    pub fn evaluate(self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        let common = common_dtype(a.dtype(), b.dtype())?;
        if common == DType::Text {
            return self.evaluate_text(a.as_text()?, b.as_text()?);
        }
        let dtype = self.result_dtype(a.dtype(), common);
        let (a, b) = (a.as_numbers()?, b.as_numbers()?);
        if self.divides() && !dtype.is_float() && b.iter().any(|&divisor| divisor == 0.0) {
            bail!("division of an integer by zero");
        }
        let wraps = matches!(self, Self::Add | Self::Sub | Self::Mul) && !dtype.is_float();
        let values = if wraps {
            zip_with(a, b, |&a, &b| wrap(dtype, self.at(a, b)))?
        } else {
            zip_with(a, b, |&a, &b| self.at(a, b))?
        };
        Tensor::numbers(dtype, values)
    }

    /// The function of two numbers, not rounded to any element type; truth is 1.
    pub fn at(self, a: f64, b: f64) -> f64 {
        let truth = |holds: bool| f64::from(u8::from(holds));
        match self {
            Self::Add => a + b,
            Self::Sub => a - b,
            Self::Mul => a * b,
            Self::Div => a / b,
            Self::Pow => a.powf(b),
            Self::Min => smaller(a, b),
            Self::Max => larger(a, b),
            Self::Mod => floor_remainder(a, b),
            Self::FMod => a % b,
            Self::Equal => truth(a == b),
            Self::Greater => truth(a > b),
            Self::GreaterOrEqual => truth(a >= b),
            Self::Less => truth(a < b),
            Self::LessOrEqual => truth(a <= b),
            Self::And => truth(a != 0.0 && b != 0.0),
            Self::Or => truth(a != 0.0 || b != 0.0),
            Self::Xor => truth((a != 0.0) != (b != 0.0)),
            Self::PRelu => {
                if a < 0.0 {
                    a * b
                } else {
                    a
                }
            }
        }
    }

    /// Whether zero is no second operand for integers.
    pub(in crate::model::op) fn divides(self) -> bool {
        matches!(self, Self::Div | Self::Mod | Self::FMod)
    }

    fn result_dtype(self, first: DType, common: DType) -> DType {
        match self {
            Self::Equal | Self::Greater | Self::GreaterOrEqual | Self::Less | Self::LessOrEqual => {
                DType::Bool
            }
            Self::And | Self::Or | Self::Xor => DType::Bool,
            Self::Pow | Self::PRelu => first,
            Self::Add | Self::Sub | Self::Mul | Self::Div => common,
            Self::Min | Self::Max | Self::Mod | Self::FMod => common,
        }
    }

    fn evaluate_text(self, a: &ArrayD<String>, b: &ArrayD<String>) -> Result<Tensor> {
        if self != Self::Equal {
            bail!("{self:?} is not defined on text");
        }
        Tensor::numbers(DType::Bool, zip_with(a, b, |a, b| f64::from(u8::from(a == b)))?)
    }
}

/// The larger number; NaN if either is.
pub(in crate::model::op) fn larger(a: f64, b: f64) -> f64 {
    if a > b || a.is_nan() { a } else { b }
}

/// The smaller number; NaN if either is.
pub(in crate::model::op) fn smaller(a: f64, b: f64) -> f64 {
    if a < b || a.is_nan() { a } else { b }
}

fn floor_remainder(a: f64, b: f64) -> f64 {
    let remainder = a % b;
    if remainder != 0.0 && (remainder < 0.0) != (b < 0.0) { remainder + b } else { remainder }
}

/// The function of every pair, with short ways for equal shapes and for single numbers.
fn zip_with<T>(a: &ArrayD<T>, b: &ArrayD<T>, function: impl Fn(&T, &T) -> f64) -> Result<ArrayD<f64>> {
    let shape = broadcast_shape(a.shape(), b.shape())?;
    let count: usize = shape.iter().product();
    let values: Vec<f64> = match (a.as_slice(), b.as_slice()) {
        // As long as the result means: in the order of the result.
        (Some(a), Some(b)) if a.len() == count && b.len() == count => {
            a.iter().zip(b).map(|(a, b)| function(a, b)).collect()
        }
        (Some(a), Some([b])) if a.len() == count => a.iter().map(|a| function(a, b)).collect(),
        (Some([a]), Some(b)) if b.len() == count => b.iter().map(|b| function(a, b)).collect(),
        _ => return Ok(zip_broadcast(a, b, &shape, function)),
    };
    ArrayD::from_shape_vec(IxDyn(&shape), values).context("the result has another length than its shape")
}

fn zip_broadcast<T>(
    a: &ArrayD<T>,
    b: &ArrayD<T>,
    shape: &[usize],
    function: impl Fn(&T, &T) -> f64,
) -> ArrayD<f64> {
    let mut result = ArrayD::zeros(IxDyn(shape));
    Zip::from(&mut result)
        .and_broadcast(a)
        .and_broadcast(b)
        .for_each(|result, a, b| *result = function(a, b));
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{arr1, arr2};
    use proptest::prelude::*;

    fn tensor(dtype: DType, values: &[f64]) -> Tensor {
        Tensor::numbers(dtype, arr1(values).into_dyn()).unwrap()
    }

    fn of(function: Binary, dtype: DType, a: &[f64], b: &[f64]) -> Vec<f64> {
        let result = function.evaluate(&tensor(dtype, a), &tensor(dtype, b)).unwrap();
        result.as_numbers().unwrap().iter().copied().collect()
    }

    #[test]
    fn integer_division_truncates_and_refuses_zero() {
        assert_eq!(of(Binary::Div, DType::I32, &[7.0, -7.0, 6.0], &[2.0, 2.0, -4.0]), [3.0, -3.0, -1.0]);
        assert_eq!(
            of(Binary::Div, DType::F32, &[1.0, -1.0], &[0.0, 0.0]),
            [f64::INFINITY, f64::NEG_INFINITY]
        );
        let zero = tensor(DType::I64, &[0.0]);
        for function in [Binary::Div, Binary::Mod, Binary::FMod] {
            let message = function.evaluate(&zero, &zero).unwrap_err().to_string();
            assert_eq!(message, "division of an integer by zero");
        }
    }

    #[test]
    fn remainders_take_the_sign_of_divisor_or_dividend() {
        let (a, b) = ([-4.0, 7.0, 5.0, 4.0, -7.0, 8.0], [2.0, -3.0, 8.0, -2.0, 3.0, 5.0]);
        assert_eq!(of(Binary::Mod, DType::I64, &a, &b), [0.0, -2.0, 5.0, 0.0, 2.0, 3.0]);
        assert_eq!(of(Binary::FMod, DType::I64, &a, &b), [0.0, 1.0, 5.0, 0.0, -1.0, 3.0]);
    }

    #[test]
    fn small_integers_wrap_around() {
        assert_eq!(of(Binary::Add, DType::U8, &[250.0], &[10.0]), [4.0]);
        assert_eq!(of(Binary::Sub, DType::U8, &[3.0], &[5.0]), [254.0]);
        assert_eq!(of(Binary::Mul, DType::I8, &[100.0], &[2.0]), [-56.0]);
    }

    #[test]
    fn power_and_prelu_keep_the_type_of_the_first() {
        let result = Binary::Pow.evaluate(&tensor(DType::I32, &[2.0, 9.0]), &tensor(DType::F32, &[3.0, 0.5]));
        assert_eq!(result.unwrap(), tensor(DType::I32, &[8.0, 3.0]));
        assert_eq!(of(Binary::PRelu, DType::F32, &[-2.0, 2.0], &[0.25, 0.25]), [-0.5, 2.0]);
    }

    #[test]
    fn minimum_and_maximum_pass_nan_on() {
        for (a, b) in [(f64::NAN, 1.0), (1.0, f64::NAN)] {
            assert!(Binary::Min.at(a, b).is_nan() && Binary::Max.at(a, b).is_nan());
        }
        assert_eq!((Binary::Min.at(1.0, 2.0), Binary::Max.at(1.0, 2.0)), (1.0, 2.0));
    }

    #[test]
    fn comparisons_and_logic_give_booleans() {
        let result =
            Binary::LessOrEqual.evaluate(&tensor(DType::F32, &[1.0, f64::NAN]), &tensor(DType::F32, &[1.0]));
        assert_eq!(result.unwrap(), tensor(DType::Bool, &[1.0, 0.0]));
        let (a, b) = ([0.0, 0.0, 1.0, 1.0], [0.0, 1.0, 0.0, 1.0]);
        assert_eq!(of(Binary::And, DType::Bool, &a, &b), [0.0, 0.0, 0.0, 1.0]);
        assert_eq!(of(Binary::Or, DType::Bool, &a, &b), [0.0, 1.0, 1.0, 1.0]);
        assert_eq!(of(Binary::Xor, DType::Bool, &a, &b), [0.0, 1.0, 1.0, 0.0]);
    }

    #[test]
    fn texts_can_be_equal_but_not_added() {
        let text = Tensor::text(arr1(&["a".to_owned(), "b".to_owned()]).into_dyn());
        let one = Tensor::text(ndarray::arr0("b".to_owned()).into_dyn());
        assert_eq!(Binary::Equal.evaluate(&text, &one).unwrap(), tensor(DType::Bool, &[0.0, 1.0]));
        assert_eq!(Binary::Add.evaluate(&text, &one).unwrap_err().to_string(), "Add is not defined on text");
        assert!(Binary::Equal.evaluate(&text, &tensor(DType::F32, &[1.0])).is_err());
    }

    #[test]
    fn a_column_and_a_row_make_a_table() {
        let column = Tensor::f64s(arr2(&[[1.0], [2.0]]).into_dyn());
        let row = Tensor::f64s(arr1(&[10.0, 20.0, 30.0]).into_dyn());
        let table = Tensor::f64s(arr2(&[[-9.0, -19.0, -29.0], [-8.0, -18.0, -28.0]]).into_dyn());
        assert_eq!(Binary::Sub.evaluate(&column, &row).unwrap(), table);
    }

    #[test]
    fn nothing_and_one_make_nothing() {
        let nothing = Tensor::zeros(DType::F32, &[0, 3]);
        let sum = Binary::Add.evaluate(&nothing, &tensor(DType::F32, &[1.0])).unwrap();
        assert_eq!(sum.shape(), [0, 3]);
    }

    proptest! {
        #[test]
        fn short_ways_agree_with_broadcasting(
            lengths in prop::collection::vec(1_usize..4, 1..4),
            ones in any::<[[bool; 3]; 2]>(),
        ) {
            let operand = |ones: [bool; 3]| {
                let shape: Vec<usize> = lengths.iter().zip(ones).map(|(&n, one)| if one { 1 } else { n }).collect();
                let count = shape.iter().product::<usize>() as f64;
                let values = ndarray::Array1::range(1.0, count + 1.0, 1.0).into_dyn();
                values.into_shape_with_order(IxDyn(&shape)).unwrap()
            };
            let (a, b) = (operand(ones[0]), operand(ones[1]));
            prop_assert_eq!(zip_with(&a, &b, |a, b| a - b).unwrap(), &a - &b);
        }
    }
}
