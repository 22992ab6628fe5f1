//! Convolutions: weighted sums over windows.

use anyhow::{Result, bail};
use ndarray::{Array2, ArrayD, ArrayView2, Axis, IxDyn, Slice};

use super::shape::{common_dtype, element_count};
use super::window::Window;
use crate::tensor::Tensor;

/// The most numbers copied out of windows at a time.
const MAX_COPIED: usize = 1 << 20;

/// The sums over windows of `data` (batch, channels, spatial axes), weighted by `weights` (result channels,
/// channels of one group, window): result channels fall into as many groups as channels, and each sees the
/// channels of its own group. What the window covers outside the data counts as zero.
pub(super) fn convolve(window: &Window, groups: usize, data: &Tensor, weights: &Tensor) -> Result<Tensor> {
    let shape = result_shape(window, groups, data.shape(), weights.shape())?;
    let dtype = common_dtype(data.dtype(), weights.dtype())?;
    // `result_shape` checked that both have a batch axis, channels and at least one channel in a group.
    let (spatial, members) = (&data.shape()[2..], weights.shape()[1]);
    let places = window.places(spatial)?;
    let places = Places { elements: window.lengths().iter().product(), places: &places };
    let (data_shape, results) = ((shape[0] * data.shape()[1], spatial.iter().product::<usize>()), shape[1]);
    let data = data.as_numbers()?.to_shape(data_shape)?;
    let weights = weights.as_numbers()?.to_shape((results, members * places.elements))?;

    let mut sums = Vec::with_capacity(element_count(&shape)?);
    for (block, channels) in data.axis_chunks_iter(Axis(0), members).enumerate() {
        let first = block % groups * (results / groups);
        let of_group = Slice::from(first..first + results / groups);
        sums.extend(places.sums(&channels, &weights.slice_axis(Axis(0), of_group)));
    }
    Tensor::numbers(dtype, ArrayD::from_shape_vec(IxDyn(&shape), sums)?)
}

/// The shape of a convolution's result.
///
/// # Errors
/// If the shapes do not fit each other.
pub(super) fn result_shape(
    window: &Window,
    groups: usize,
    data: &[usize],
    weights: &[usize],
) -> Result<Vec<usize>> {
    let ([batch, channels, spatial @ ..], [results, of_group, lengths @ ..]) = (data, weights) else {
        bail!("a convolution needs a batch axis and channels, found {data:?} and weights {weights:?}");
    };
    if lengths != window.lengths() {
        bail!("the weights {weights:?} do not fit a window of {:?}", window.lengths());
    }
    if groups == 0
        || *of_group == 0
        || of_group.checked_mul(groups) != Some(*channels)
        || results % groups != 0
    {
        bail!("{channels} channels in {groups} groups do not fit weights {weights:?}");
    }
    let shape = [&[*batch, *results], window.positions(spatial)?.as_slice()].concat();
    element_count(&shape)?;
    Ok(shape)
}

/// The places that windows cover, as many for each position.
struct Places<'a> {
    elements: usize,
    places: &'a [Option<usize>],
}

impl Places<'_> {
    /// The weighted sums over all channels of a group, one row each: first all positions of the first result.
    fn sums(&self, rows: &ArrayView2<'_, f64>, weights: &ArrayView2<'_, f64>) -> Vec<f64> {
        let positions = self.places.len() / self.elements.max(1);
        let height = rows.nrows() * self.elements;
        let at_once = (MAX_COPIED / height.max(1)).max(1);
        let mut sums = Array2::zeros((weights.nrows(), positions));
        for start in (0..positions).step_by(at_once) {
            let end = positions.min(start + at_once);
            // Every position has `elements` places.
            let places = &self.places[start * self.elements..end * self.elements];
            let product = weights.dot(&self.copied(rows, places, end - start));
            sums.slice_axis_mut(Axis(1), Slice::from(start..end)).assign(&product);
        }
        sums.into_iter().collect()
    }

    /// What windows cover: a column for each position, in it all elements of the first channel first.
    fn copied(&self, rows: &ArrayView2<'_, f64>, places: &[Option<usize>], positions: usize) -> Array2<f64> {
        let mut copied = Array2::zeros((rows.nrows() * self.elements, positions));
        for (channel, row) in rows.rows().into_iter().enumerate() {
            for (index, place) in places.iter().enumerate() {
                let (position, element) = (index / self.elements, index % self.elements);
                if let Some(place) = place {
                    // Places are those of a row, positions and elements those of the table.
                    copied[[channel * self.elements + element, position]] = row[*place];
                }
            }
        }
        copied
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::op::WindowAxis;
    use ndarray::Array;
    use proptest::prelude::*;

    fn counting(shape: &[usize]) -> Tensor {
        let values =
            Array::from_iter((0..shape.iter().product::<usize>()).map(|value| (value % 7) as f64 - 2.0));
        Tensor::f64s(values.into_shape_with_order(IxDyn(shape)).unwrap())
    }

    fn square(length: usize, stride: usize, dilation: usize, pad: usize) -> Window {
        Window { axes: vec![WindowAxis { length, stride, dilation, before: pad, after: pad }; 2] }
    }

    /// The definition, element by element.
    fn defined(window: &Window, groups: usize, data: &Tensor, weights: &Tensor) -> ArrayD<f64> {
        let shape = result_shape(window, groups, data.shape(), weights.shape()).unwrap();
        let (x, w) = (data.as_numbers().unwrap(), weights.as_numbers().unwrap());
        let (members, results) = (w.shape()[1], shape[1] / groups);
        ArrayD::from_shape_fn(IxDyn(&shape), |at| {
            let mut sum = 0.0;
            for (index, weight) in w.index_axis(Axis(0), at[1]).indexed_iter() {
                let place = |axis: usize| {
                    let along = window.axes[axis];
                    (at[axis + 2] * along.stride + index[axis + 1] * along.dilation)
                        .wrapping_sub(along.before)
                };
                let value = x.get([at[0], at[1] / results * members + index[0], place(0), place(1)]);
                sum += weight * value.copied().unwrap_or(0.0);
            }
            sum
        })
    }

    proptest! {
        #[test]
        fn convolutions_are_what_they_are_defined_to_be(
            groups in 1_usize..3, members in 1_usize..3, results in 1_usize..3, batch in 1_usize..3,
            length in 1_usize..4, stride in 1_usize..3, dilation in 1_usize..3, pad in 0_usize..3,
        ) {
            let (data, weights) =
                (counting(&[batch, groups * members, 6, 5]), counting(&[groups * results, members, length, length]));
            let window = square(length, stride, dilation, pad);
            let found = convolve(&window, groups, &data, &weights).unwrap();
            prop_assert_eq!(found, Tensor::f64s(defined(&window, groups, &data, &weights)));
        }
    }

    #[test]
    fn many_windows_are_copied_in_pieces() {
        let (data, weights) = (counting(&[1, 130, 30, 30]), counting(&[1, 130, 3, 3]));
        let window = square(3, 1, 1, 1);
        let found = convolve(&window, 1, &data, &weights).unwrap();
        assert_eq!(found, Tensor::f64s(defined(&window, 1, &data, &weights)));
    }

    #[test]
    fn misfits_are_named() {
        let message = |groups, data: &[usize], weights: &[usize]| {
            convolve(&square(3, 1, 1, 0), groups, &counting(data), &counting(weights))
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            message(2, &[1, 3, 5, 5], &[2, 1, 3, 3]),
            "3 channels in 2 groups do not fit weights [2, 1, 3, 3]"
        );
        assert!(message(1, &[1, 1, 5, 5], &[1, 1, 3, 2]).contains("do not fit a window of [3, 3]"));
        assert!(message(1, &[1, 1, 2, 5], &[1, 1, 3, 3]).contains("does not fit an axis of 2"));
        assert!(message(0, &[1, 0, 5, 5], &[1, 0, 3, 3]).contains("0 channels in 0 groups"));
        assert!(message(1, &[3], &[1]).contains("needs a batch axis"));
    }
}
