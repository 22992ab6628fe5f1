//! Operators that scale all elements along an axis together.

use anyhow::Result;
use ndarray::{ArrayViewMut1, Axis};
use serde::{Deserialize, Serialize};

use super::elementwise::larger;
use super::reduce::log_sum_exp;
use super::shape::check_axis;
use crate::tensor::{DType, Tensor};

/// The norm a row is divided by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Normalization {
    /// The sum of absolute values.
    L1,
    /// The square root of the sum of squares.
    L2,
    /// The largest value as it is, not its magnitude: so onnxruntime's Normalizer does, and a row
    /// of negative numbers changes its signs.
    Max,
}

impl Normalization {
    /// The tensor with every row along `axis` scaled to norm 1; rows of norm 0 stay. Floats keep
    /// their type, integers give single precision.
    ///
    /// # Errors
    /// If the axis does not exist, or the tensor holds text.
    pub fn evaluate(self, input: &Tensor, axis: usize) -> Result<Tensor> {
        let dtype = if input.dtype().is_float() { input.dtype() } else { DType::F32 };
        along(input, axis, dtype, |mut row| {
            let norm = self.of(&row);
            if norm != 0.0 {
                row.mapv_inplace(|value| value / norm);
            }
        })
    }

    fn of(self, row: &ArrayViewMut1<'_, f64>) -> f64 {
        match self {
            Self::L1 => row.iter().map(|value| value.abs()).sum(),
            Self::L2 => row.iter().map(|value| value * value).sum::<f64>().sqrt(),
            Self::Max => row.iter().copied().fold(f64::MIN, f64::max),
        }
    }
}

/// Exponentials scaled to sum 1.
pub(super) fn softmax(input: &Tensor, axis: usize) -> Result<Tensor> {
    along(input, axis, input.dtype(), |mut row| {
        // Less the largest, no exponential overflows.
        let largest = row.iter().copied().fold(f64::NEG_INFINITY, larger);
        row.mapv_inplace(|value| (value - largest).exp());
        let sum = row.sum();
        row.mapv_inplace(|value| value / sum);
    })
}

/// The logarithm of the softmax.
pub(super) fn log_softmax(input: &Tensor, axis: usize) -> Result<Tensor> {
    along(input, axis, input.dtype(), |mut row| {
        let log_sum = log_sum_exp(row.view());
        row.mapv_inplace(|value| value - log_sum);
    })
}

/// The tensor with every row along `axis` changed by `change`.
fn along(
    input: &Tensor,
    axis: usize,
    dtype: DType,
    change: impl Fn(ArrayViewMut1<'_, f64>),
) -> Result<Tensor> {
    let mut values = input.as_numbers()?.clone();
    check_axis(values.shape(), axis)?;
    values.lanes_mut(Axis(axis)).into_iter().for_each(change);
    Tensor::numbers(dtype, values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{arr1, arr2};

    fn numbers(dtype: DType, values: &[f64]) -> Tensor {
        Tensor::numbers(dtype, arr1(values).into_dyn()).unwrap()
    }

    fn close(result: &Tensor, expected: &[f64]) {
        let values = result.as_numbers().unwrap();
        assert_eq!(values.len(), expected.len());
        for (value, expected) in values.iter().zip(expected) {
            assert!((value - expected).abs() < 1e-12, "{value} is not {expected}");
        }
    }

    #[test]
    fn softmax_of_large_numbers() {
        let input = numbers(DType::F64, &[1000.0, 1000.0 + 3.0_f64.ln()]);
        close(&softmax(&input, 0).unwrap(), &[0.25, 0.75]);
        close(&log_softmax(&input, 0).unwrap(), &[0.25_f64.ln(), 0.75_f64.ln()]);
    }

    #[test]
    fn softmax_runs_along_its_axis() {
        let input = Tensor::f64s(arr2(&[[0.0, 5.0], [0.0, 5.0]]).into_dyn());
        close(&softmax(&input, 0).unwrap(), &[0.5; 4]);
        assert!(softmax(&input, 2).is_err());
        assert_eq!(softmax(&Tensor::zeros(DType::F32, &[2, 0]), 1).unwrap().shape(), [2, 0]);
    }

    #[test]
    fn norms_divide_and_zero_stays() {
        let row = numbers(DType::F64, &[3.0, -4.0]);
        close(&Normalization::L1.evaluate(&row, 0).unwrap(), &[3.0 / 7.0, -4.0 / 7.0]);
        close(&Normalization::L2.evaluate(&row, 0).unwrap(), &[0.6, -0.8]);
        close(&Normalization::Max.evaluate(&row, 0).unwrap(), &[1.0, -4.0 / 3.0]);
        for norm in [Normalization::L1, Normalization::L2, Normalization::Max] {
            close(&norm.evaluate(&numbers(DType::F32, &[0.0, 0.0]), 0).unwrap(), &[0.0, 0.0]);
        }
    }

    #[test]
    fn the_largest_value_counts_with_its_sign() {
        let result = Normalization::Max.evaluate(&numbers(DType::F64, &[-2.0, -4.0]), 0).unwrap();
        close(&result, &[1.0, 2.0]);
    }

    #[test]
    fn integers_become_floats() {
        let result = Normalization::L1.evaluate(&numbers(DType::I64, &[1.0, 3.0]), 0).unwrap();
        assert_eq!(result, numbers(DType::F32, &[0.25, 0.75]));
    }
}
