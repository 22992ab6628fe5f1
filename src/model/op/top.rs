//! The largest or smallest elements along an axis.

use anyhow::{Result, bail};
use ndarray::{ArrayD, Axis, IxDyn};

use super::shape::check_axis;
use crate::tensor::{DType, Tensor};

/// Which elements are sought, and what of them.
#[derive(Clone, Copy)]
pub(super) struct Top {
    /// How many.
    pub count: usize,
    /// The largest, or else the smallest.
    pub largest: bool,
    /// Their values, or else their places.
    pub values: bool,
}

impl Top {
    /// The best elements along an axis, the best first; of equals the one that comes first. NaN is larger than any
    /// number.
    pub(super) fn evaluate(self, input: &Tensor, axis: usize) -> Result<Tensor> {
        let values = input.as_numbers()?;
        check_axis(values.shape(), axis)?;
        let length = values.len_of(Axis(axis));
        if self.count > length {
            bail!("axis {axis} of shape {:?} has no {} elements to choose", values.shape(), self.count);
        }
        let mut shape = values.shape().to_vec();
        shape[axis] = self.count; // the axis was just checked
        let mut found = ArrayD::zeros(IxDyn(&shape));
        for (lane, mut best) in values.lanes(Axis(axis)).into_iter().zip(found.lanes_mut(Axis(axis))) {
            let mut places: Vec<usize> = (0..length).collect();
            // Places are those of the lane, and 0.0 is added to make one zero of both; the sort keeps the order of
            // equals.
            let order = |a: usize, b: usize| (lane[a] + 0.0).total_cmp(&(lane[b] + 0.0));
            places.sort_by(|a, b| if self.largest { order(*b, *a) } else { order(*a, *b) });
            for (element, place) in best.iter_mut().zip(places) {
                *element = if self.values { lane[place] } else { place as f64 };
            }
        }
        Tensor::numbers(if self.values { input.dtype() } else { DType::I64 }, found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::arr2;

    #[test]
    fn the_best_come_first_and_the_first_of_equals() {
        let input = Tensor::f64s(arr2(&[[2.0, 7.0, 1.0, 7.0], [0.0, -1.0, -1.0, 3.0]]).into_dyn());
        let top = |count, largest, values, axis| {
            let found = Top { count, largest, values }.evaluate(&input, axis).unwrap();
            (found.dtype(), found.as_numbers().unwrap().iter().copied().collect::<Vec<_>>())
        };
        assert_eq!(top(3, true, true, 1), (DType::F64, vec![7.0, 7.0, 2.0, 3.0, 0.0, -1.0]));
        assert_eq!(top(3, true, false, 1), (DType::I64, vec![1.0, 3.0, 0.0, 3.0, 0.0, 1.0]));
        assert_eq!(top(2, false, false, 1), (DType::I64, vec![2.0, 0.0, 1.0, 2.0]));
        assert_eq!(top(1, false, true, 0), (DType::F64, vec![0.0, -1.0, -1.0, 3.0]));
        assert!(Top { count: 3, largest: true, values: true }.evaluate(&input, 0).is_err());
    }

    #[test]
    fn zeros_of_either_sign_are_equal() {
        let input = Tensor::f64s(arr2(&[[0.0, -0.0]]).into_dyn());
        let found = Top { count: 2, largest: false, values: false }.evaluate(&input, 1).unwrap();
        assert_eq!(found.as_numbers().unwrap().as_slice().unwrap(), [0.0, 1.0]);
    }
}
