//! Operators that make one number of all along some axes.

use anyhow::{Result, bail};
use ndarray::{ArrayD, ArrayView1, IxDyn};
use serde::{Deserialize, Serialize};

use super::elementwise::{larger, smaller};
use super::shape::check_axis;
use crate::tensor::{DType, Tensor};

/// How the elements along some axes become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reduction {
    Sum,
    Mean,
    /// Of no elements: infinity, the largest integer, or true.
    Min,
    /// Of no elements: minus infinity, the smallest integer, or false.
    Max,
    Product,
    L1,
    L2,
    SumSquare,
    LogSum,
    LogSumExp,
}

impl Reduction {
    /// The reduction over `axes`; over no axes the tensor itself.
    ///
    /// # Errors
    /// If an axis does not exist or comes twice, or the tensor holds text.
    pub fn evaluate(self, input: &Tensor, axes: &[usize], keep_dims: bool) -> Result<Tensor> {
        let values = input.as_numbers()?;
        if axes.is_empty() {
            return Ok(input.clone());
        }
        check_axes(values.shape(), axes)?;
        let kept: Vec<usize> = (0..values.ndim()).filter(|axis| !axes.contains(axis)).collect();
        // All of these axes exist: they were just checked.
        let length_of = |axes: &[usize]| axes.iter().map(|&axis| values.shape()[axis]).product::<usize>();
        let order = [kept.as_slice(), axes].concat();
        let ordered = values.view().permuted_axes(IxDyn(&order));
        let groups = ordered.to_shape((length_of(&kept), length_of(axes)))?;
        // Minus infinity would be true.
        let lowest = if input.dtype() == DType::Bool { 0.0 } else { f64::NEG_INFINITY };
        let results = groups.rows().into_iter().map(|group| larger(self.of(group), lowest)).collect();
        let shape = reduced_shape(values.shape(), axes, keep_dims);
        Tensor::numbers(input.dtype(), ArrayD::from_shape_vec(IxDyn(&shape), results)?)
    }

    /// The reduction of some numbers.
    pub(super) fn of(self, group: ArrayView1<'_, f64>) -> f64 {
        let sum = |function: fn(f64) -> f64| group.iter().map(|&value| function(value)).sum::<f64>();
        match self {
            Self::Sum => group.sum(),
            Self::Mean => group.sum() / group.len() as f64,
            Self::Min => group.iter().copied().fold(f64::INFINITY, smaller),
            Self::Max => group.iter().copied().fold(f64::NEG_INFINITY, larger),
            Self::Product => group.product(),
            Self::L1 => sum(f64::abs),
            Self::L2 => sum(|value| value * value).sqrt(),
            Self::SumSquare => sum(|value| value * value),
            Self::LogSum => group.sum().ln(),
            Self::LogSumExp => log_sum_exp(group),
        }
    }
}

/// The logarithm of the sum of exponentials, none of which overflows.
pub(super) fn log_sum_exp(values: ArrayView1<'_, f64>) -> f64 {
    let largest = values.iter().copied().fold(f64::NEG_INFINITY, larger);
    if !largest.is_finite() {
        return largest;
    }
    largest + values.iter().map(|value| (value - largest).exp()).sum::<f64>().ln()
}

/// The shape without the axes, or with length 1 in their place.
pub(super) fn reduced_shape(shape: &[usize], axes: &[usize], keep_dims: bool) -> Vec<usize> {
    let lengths = shape.iter().enumerate();
    if keep_dims {
        return lengths.map(|(axis, &length)| if axes.contains(&axis) { 1 } else { length }).collect();
    }
    lengths.filter(|(axis, _)| !axes.contains(axis)).map(|(_, &length)| length).collect()
}

fn check_axes(shape: &[usize], axes: &[usize]) -> Result<()> {
    for (place, &axis) in axes.iter().enumerate() {
        check_axis(shape, axis)?;
        // `place` is a place of `axes`.
        if axes[..place].contains(&axis) {
            bail!("axis {axis} is reduced twice");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{arr1, arr2, arr3};

    fn reduce(reduction: Reduction, values: &[f64]) -> f64 {
        let result = reduction.evaluate(&Tensor::f64s(arr1(values).into_dyn()), &[0], false).unwrap();
        result.as_numbers().unwrap()[[]]
    }

    #[test]
    fn known_values() {
        let values = [3.0, -4.0, 1.0];
        assert_eq!(reduce(Reduction::Sum, &values), 0.0);
        assert_eq!(reduce(Reduction::Mean, &[1.0, 2.0]), 1.5);
        assert_eq!(reduce(Reduction::Min, &values), -4.0);
        assert_eq!(reduce(Reduction::Max, &values), 3.0);
        assert_eq!(reduce(Reduction::Product, &values), -12.0);
        assert_eq!(reduce(Reduction::L1, &values), 8.0);
        assert_eq!(reduce(Reduction::L2, &values[..2]), 5.0);
        assert_eq!(reduce(Reduction::SumSquare, &values), 26.0);
        assert_eq!(reduce(Reduction::LogSum, &[0.5, 0.5]), 0.0);
    }

    #[test]
    fn log_sum_exp_does_not_overflow() {
        assert!(
            (reduce(Reduction::LogSumExp, &[1000.0, 1000.0]) - 1000.0 - std::f64::consts::LN_2).abs() < 1e-12
        );
        assert_eq!(reduce(Reduction::LogSumExp, &[f64::NEG_INFINITY; 2]), f64::NEG_INFINITY);
        assert!(reduce(Reduction::LogSumExp, &[0.0, f64::NAN]).is_nan());
    }

    #[test]
    fn several_axes_at_once() {
        let values = arr3(&[[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]]]).into_dyn();
        let input = Tensor::f64s(values);
        let sums = Tensor::f64s(arr1(&[14.0, 22.0]).into_dyn());
        assert_eq!(Reduction::Sum.evaluate(&input, &[2, 0], false).unwrap(), sums);
        let kept = Reduction::Sum.evaluate(&input, &[0, 2], true).unwrap();
        assert_eq!(kept, sums.reshape(&[1, 2, 1]).unwrap());
        assert_eq!(Reduction::Sum.evaluate(&input, &[], false).unwrap(), input);
        assert!(Reduction::Sum.evaluate(&input, &[1, 1], false).is_err());
        assert!(Reduction::Sum.evaluate(&input, &[3], false).is_err());
    }

    #[test]
    fn nothing_has_a_sum() {
        let nothing = Tensor::zeros(DType::I8, &[2, 0]);
        let row = |value: f64| Tensor::numbers(DType::I8, arr1(&[value, value]).into_dyn()).unwrap();
        assert_eq!(Reduction::Sum.evaluate(&nothing, &[1], false).unwrap(), row(0.0));
        assert_eq!(Reduction::Product.evaluate(&nothing, &[1], false).unwrap(), row(1.0));
        assert_eq!(Reduction::Max.evaluate(&nothing, &[1], false).unwrap(), row(-128.0));
        assert_eq!(Reduction::Sum.evaluate(&nothing, &[0], true).unwrap().shape(), [1, 0]);
        let truths = Reduction::Max.evaluate(&Tensor::zeros(DType::Bool, &[1, 0]), &[1], false).unwrap();
        assert_eq!(truths, Tensor::zeros(DType::Bool, &[1]));
    }

    #[test]
    fn integers_stay_integers() {
        let input = Tensor::numbers(DType::I32, arr2(&[[1.0, 2.0]]).into_dyn()).unwrap();
        let mean = Reduction::Mean.evaluate(&input, &[1], false).unwrap();
        assert_eq!((mean.dtype(), mean.as_numbers().unwrap()[[0]]), (DType::I32, 1.0));
    }
}
