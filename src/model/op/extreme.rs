//! Operators that find the largest or smallest element along an axis.

use anyhow::{Result, bail};
use ndarray::{ArrayD, ArrayView1, Axis, IxDyn};

use super::reduce::reduced_shape;
use super::shape::check_axis;
use crate::tensor::{DType, Tensor};

/// Which of the elements along an axis is sought.
#[derive(Clone, Copy)]
pub(super) struct Extreme {
    /// The largest, or else the smallest.
    pub largest: bool,
    /// The last of equals, or else the first.
    pub last: bool,
}

impl Extreme {
    /// The place of the extreme along `axis`.
    ///
    /// NaN is neither larger nor smaller than anything: it is found only in the first place.
    pub(super) fn evaluate(self, input: &Tensor, axis: usize, keep_dims: bool) -> Result<Tensor> {
        let values = input.as_numbers()?;
        check_axis(values.shape(), axis)?;
        if values.len_of(Axis(axis)) == 0 {
            bail!("axis {axis} of shape {:?} has no elements to choose from", values.shape());
        }
        let places = values.lanes(Axis(axis)).into_iter().map(|lane| self.place(lane) as f64).collect();
        let shape = reduced_shape(values.shape(), &[axis], keep_dims);
        Tensor::numbers(DType::I64, ArrayD::from_shape_vec(IxDyn(&shape), places)?)
    }

    fn place(self, lane: ArrayView1<'_, f64>) -> usize {
        let beats = |new: f64, best: f64| {
            (if self.largest { new > best } else { new < best }) || (self.last && new == best)
        };
        let mut values = lane.iter().copied().enumerate();
        let Some(first) = values.next() else { return 0 };
        values.fold(first, |best, new| if beats(new.1, best.1) { new } else { best }).0
    }
}

/// 1 at the first largest element along an axis, 0 elsewhere.
pub(super) fn hardmax(input: &Tensor, axis: usize) -> Result<Tensor> {
    let mut values = input.as_numbers()?.clone();
    check_axis(values.shape(), axis)?;
    for mut lane in values.lanes_mut(Axis(axis)) {
        let place = Extreme { largest: true, last: false }.place(lane.view());
        lane.indexed_iter_mut().for_each(|(index, value)| *value = f64::from(u8::from(index == place)));
    }
    Tensor::numbers(input.dtype(), values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::arr2;

    const FIRST_LARGEST: Extreme = Extreme { largest: true, last: false };

    fn places(extreme: Extreme, values: &[[f64; 4]]) -> Vec<f64> {
        let result = extreme.evaluate(&Tensor::f64s(arr2(values).into_dyn()), 1, false).unwrap();
        assert_eq!(result.dtype(), DType::I64);
        result.as_numbers().unwrap().iter().copied().collect()
    }

    #[test]
    fn ties_go_to_the_first_or_the_last() {
        let values = [[1.0, 3.0, 3.0, 1.0]];
        assert_eq!(places(FIRST_LARGEST, &values), [1.0]);
        assert_eq!(places(Extreme { largest: true, last: true }, &values), [2.0]);
        assert_eq!(places(Extreme { largest: false, last: false }, &values), [0.0]);
        assert_eq!(places(Extreme { largest: false, last: true }, &values), [3.0]);
    }

    #[test]
    fn nan_is_found_in_the_first_place_only() {
        let nan = f64::NAN;
        assert_eq!(places(FIRST_LARGEST, &[[1.0, nan, 2.0, nan], [nan, 5.0, 1.0, 0.0]]), [2.0, 0.0]);
    }

    #[test]
    fn the_axis_may_stay() {
        let input = Tensor::zeros(DType::F32, &[2, 3, 4]);
        assert_eq!(FIRST_LARGEST.evaluate(&input, 1, true).unwrap().shape(), [2, 1, 4]);
        assert_eq!(FIRST_LARGEST.evaluate(&input, 0, false).unwrap().shape(), [3, 4]);
        assert!(FIRST_LARGEST.evaluate(&input, 3, false).is_err());
        assert!(FIRST_LARGEST.evaluate(&Tensor::zeros(DType::F32, &[2, 0]), 1, false).is_err());
    }

    #[test]
    fn hardmax_marks_the_first_largest() {
        let input = Tensor::f64s(arr2(&[[3.0, 1.0, 3.0], [0.0, 2.0, 1.0]]).into_dyn());
        let expected = Tensor::f64s(arr2(&[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]).into_dyn());
        assert_eq!(hardmax(&input, 1).unwrap(), expected);
        let down = Tensor::f64s(arr2(&[[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]).into_dyn());
        assert_eq!(hardmax(&input, 0).unwrap(), down);
    }
}
