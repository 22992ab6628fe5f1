//! Operators that move, repeat or drop the elements of one tensor without looking at them.

use anyhow::{Context, Result, bail};
use ndarray::{ArrayD, ArrayViewD, Axis, IxDyn, Slice};
use serde::{Deserialize, Serialize};

use super::shape::{broadcast_shape, element_count};
use crate::tensor::Rearrange;

/// A rearrangement of one tensor's elements.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Move {
    /// The same elements in row-major order under another shape.
    Reshape { shape: Vec<usize> },
    /// Axis i of the result is axis `axes[i]` of the input.
    Transpose { axes: Vec<usize> },
    /// For each axis: first index, step (may be negative) and count.
    Slice { ranges: Vec<SliceRange> },
    /// Repeats axes of length 1 (and adds leading ones) until the shape is reached; where the
    /// shape has a 1 and the input has not, the input's length stays.
    Expand { shape: Vec<usize> },
    /// Repeats the whole along each axis.
    Tile { repeats: Vec<usize> },
}

/// The elements `start, start + step, …` of an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SliceRange {
    pub start: usize,
    pub step: isize,
    pub count: usize,
}

impl Rearrange for Move {
    fn apply<T: Clone>(&self, values: &ArrayD<T>) -> Result<ArrayD<T>> {
        match self {
            Self::Reshape { shape } => reshape(values, shape),
            Self::Transpose { axes } => transpose(values, axes),
            Self::Slice { ranges } => slice(values, ranges),
            Self::Expand { shape } => expand(values, &broadcast_shape(values.shape(), shape)?),
            Self::Tile { repeats } => tile(values, repeats),
        }
    }
}

impl SliceRange {
    /// The same elements as a range of places and a step, in ndarray's way: a negative step
    /// walks the range from its end.
    fn within(self, length: usize) -> Result<Slice> {
        let Self { start, step, count } = self;
        if count == 0 {
            return Ok(Slice::new(0, Some(0), 1));
        }
        let last = isize::try_from(count - 1)
            .ok()
            .and_then(|steps| steps.checked_mul(step))
            .and_then(|distance| start.checked_add_signed(distance));
        match last {
            // Both are less than the length of an array, so they are valid as `isize`.
            Some(last) if step != 0 && start < length && last < length => {
                Ok(Slice::new(start.min(last) as isize, Some(start.max(last) as isize + 1), step))
            }
            Some(_) | None => {
                bail!("an axis of length {length} has no {count} elements from {start} in steps of {step}")
            }
        }
    }
}

fn reshape<T: Clone>(values: &ArrayD<T>, shape: &[usize]) -> Result<ArrayD<T>> {
    let (count, wanted) = (values.len(), element_count(shape)?);
    if count != wanted {
        bail!("cannot reshape {:?} ({count} elements) to {shape:?} ({wanted})", values.shape());
    }
    Ok(values.to_shape(IxDyn(shape))?.into_owned())
}

fn transpose<T: Clone>(values: &ArrayD<T>, axes: &[usize]) -> Result<ArrayD<T>> {
    let mut sorted = axes.to_vec();
    sorted.sort_unstable();
    if !sorted.iter().copied().eq(0..values.ndim()) {
        bail!("{axes:?} is not an order of the axes of shape {:?}", values.shape());
    }
    Ok(in_order(values.view().permuted_axes(IxDyn(axes))))
}

fn slice<T: Clone>(values: &ArrayD<T>, ranges: &[SliceRange]) -> Result<ArrayD<T>> {
    if ranges.len() != values.ndim() {
        bail!("{} ranges do not fit shape {:?}", ranges.len(), values.shape());
    }
    let mut view = values.view();
    for (axis, (range, &length)) in ranges.iter().zip(values.shape()).enumerate() {
        let places = range.within(length).with_context(|| format!("cannot slice axis {axis}"))?;
        view.slice_axis_inplace(Axis(axis), places);
    }
    Ok(in_order(view))
}

fn expand<T: Clone>(values: &ArrayD<T>, shape: &[usize]) -> Result<ArrayD<T>> {
    let view = values.broadcast(IxDyn(shape));
    let view = view.with_context(|| format!("cannot expand {:?} to {shape:?}", values.shape()))?;
    Ok(in_order(view))
}

/// Repeats a new axis before each axis, then merges the two.
fn tile<T: Clone>(values: &ArrayD<T>, repeats: &[usize]) -> Result<ArrayD<T>> {
    if repeats.len() != values.ndim() {
        bail!("{} repeats do not fit shape {:?}", repeats.len(), values.shape());
    }
    let pairs = || repeats.iter().zip(values.shape());
    let merged: Option<Vec<usize>> = pairs().map(|(&times, &length)| times.checked_mul(length)).collect();
    let merged = merged.context("the tiles are too many")?;
    element_count(&merged)?;
    let apart: Vec<usize> = values.shape().iter().flat_map(|&length| [1, length]).collect();
    let wide: Vec<usize> = pairs().flat_map(|(&times, &length)| [times, length]).collect();
    reshape(&expand(&reshape(values, &apart)?, &wide)?, &merged)
}

/// The elements of a view, stored in row-major order.
fn in_order<T: Clone>(view: ArrayViewD<'_, T>) -> ArrayD<T> {
    view.as_standard_layout().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::{DType, Tensor};
    use ndarray::{Array1, arr1, arr2};

    fn two_by_three() -> ArrayD<f64> {
        arr2(&[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]).into_dyn()
    }

    fn cut(ranges: &[(usize, isize, usize)]) -> Result<ArrayD<f64>> {
        let ranges = ranges.iter().map(|&(start, step, count)| SliceRange { start, step, count }).collect();
        Move::Slice { ranges }.apply(&two_by_three())
    }

    #[test]
    fn reshape_keeps_row_major_order() {
        let reshaped = Move::Reshape { shape: vec![3, 2] }.apply(&two_by_three()).unwrap();
        assert_eq!(reshaped, arr2(&[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]).into_dyn());
        let message = Move::Reshape { shape: vec![4] }.apply(&two_by_three()).unwrap_err().to_string();
        assert_eq!(message, "cannot reshape [2, 3] (6 elements) to [4] (4)");
    }

    #[test]
    fn transpose_moves_axes_and_stores_in_order() {
        let transposed = Move::Transpose { axes: vec![1, 0] }.apply(&two_by_three()).unwrap();
        assert_eq!(transposed.as_slice().unwrap(), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
        let deep = ArrayD::<f64>::zeros(IxDyn(&[2, 3, 4]));
        assert_eq!(Move::Transpose { axes: vec![2, 0, 1] }.apply(&deep).unwrap().shape(), [4, 2, 3]);
        for axes in [vec![0, 0], vec![0], vec![0, 2]] {
            assert!(Move::Transpose { axes }.apply(&two_by_three()).is_err());
        }
    }

    #[test]
    fn slices_step_forwards_and_backwards() {
        assert_eq!(cut(&[(1, 1, 1), (0, 2, 2)]).unwrap(), arr2(&[[4.0, 6.0]]).into_dyn());
        assert_eq!(cut(&[(1, -1, 2), (2, -2, 2)]).unwrap(), arr2(&[[6.0, 4.0], [3.0, 1.0]]).into_dyn());
        assert_eq!(cut(&[(0, 1, 2), (3, 1, 0)]).unwrap().shape(), [2, 0]);
    }

    #[test]
    fn slices_outside_are_refused() {
        let message = format!("{:#}", cut(&[(0, 1, 2), (2, 2, 2)]).unwrap_err());
        assert_eq!(
            message,
            "cannot slice axis 1: an axis of length 3 has no 2 elements from 2 in steps of 2"
        );
        for range in [(0, -1, 2), (3, 1, 1), (0, 0, 1), (0, isize::MIN, 2), (0, isize::MAX, usize::MAX)] {
            assert!(cut(&[(0, 1, 1), range]).is_err(), "{range:?}");
        }
    }

    #[test]
    fn slices_agree_with_plain_indexing() {
        let values = Array1::from_iter(0..7).into_dyn();
        for start in 0..7 {
            for step in [-3, -2, -1, 1, 2, 3] {
                let places: Vec<i32> =
                    (0..).map(|n| start + n * step).take_while(|place| (0..7).contains(place)).collect();
                let range = SliceRange { start: start as usize, step: step as isize, count: places.len() };
                let cut = Move::Slice { ranges: vec![range] }.apply(&values).unwrap();
                assert_eq!(cut, Array1::from(places).into_dyn());
            }
        }
    }

    #[test]
    fn expand_broadcasts_both_ways() {
        let column = arr2(&[[1.0], [2.0]]).into_dyn();
        let expanded = Move::Expand { shape: vec![2] }.apply(&column).unwrap();
        assert_eq!(expanded, arr2(&[[1.0, 1.0], [2.0, 2.0]]).into_dyn());
        assert_eq!(Move::Expand { shape: vec![3, 1, 1] }.apply(&column).unwrap().shape(), [3, 2, 1]);
        assert!(Move::Expand { shape: vec![3, 3] }.apply(&two_by_three()).is_err());
    }

    #[test]
    fn tile_repeats_the_whole() {
        let tiled = Move::Tile { repeats: vec![2, 2] }.apply(&arr2(&[[1.0, 2.0]]).into_dyn()).unwrap();
        assert_eq!(tiled, arr2(&[[1.0, 2.0, 1.0, 2.0], [1.0, 2.0, 1.0, 2.0]]).into_dyn());
        assert_eq!(Move::Tile { repeats: vec![0, 1] }.apply(&two_by_three()).unwrap().shape(), [0, 3]);
        assert!(Move::Tile { repeats: vec![usize::MAX, 1] }.apply(&two_by_three()).is_err());
    }

    #[test]
    fn text_moves_like_numbers() {
        let text = Tensor::text(arr1(&["a".to_owned(), "b".to_owned()]).into_dyn());
        let tiled = text.rearrange(&Move::Tile { repeats: vec![2] }).unwrap();
        assert_eq!((tiled.dtype(), tiled.shape()), (DType::Text, [4].as_slice()));
    }
}
