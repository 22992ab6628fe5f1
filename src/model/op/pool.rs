//! Pools: one value from all elements that a window covers.

use anyhow::{Context, Result, bail};
use ndarray::{Array1, ArrayD, IxDyn};

use super::reduce::Reduction;
use super::shape::element_count;
use super::window::Window;
use crate::tensor::Tensor;

/// The reduction of every channel of `data` (batch, channels, spatial axes) in every position of the window,
/// over the elements of the data alone: what the window covers outside it does not count.
pub(super) fn pool(window: &Window, reduction: Reduction, data: &Tensor) -> Result<Tensor> {
    let shape = result_shape(window, data.shape())?;
    let places = window.places(&data.shape()[2..])?;
    let elements: usize = window.lengths().iter().product();
    let values = data.as_numbers()?.as_standard_layout();
    let values = values.as_slice().context("the elements are out of order")?;
    let row: usize = data.shape()[2..].iter().product();
    let mut results = Vec::with_capacity(element_count(&shape)?);
    if row > 0 {
        for channel in values.chunks(row) {
            let covered = |places: &[Option<usize>]| -> Array1<f64> {
                // Places are those of a channel.
                places.iter().flatten().map(|&place| channel[place]).collect()
            };
            results.extend(places.chunks(elements).map(|places| reduction.of(covered(places).view())));
        }
    }
    Tensor::numbers(data.dtype(), ArrayD::from_shape_vec(IxDyn(&shape), results)?)
}

/// The shape of a pool's result.
///
/// # Errors
/// If the window does not fit.
pub(super) fn result_shape(window: &Window, data: &[usize]) -> Result<Vec<usize>> {
    let [batch, channels, spatial @ ..] = data else {
        bail!("a pool needs a batch axis and channels, found {data:?}");
    };
    let shape = [&[*batch, *channels], window.positions(spatial)?.as_slice()].concat();
    element_count(&shape)?;
    Ok(shape)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::op::WindowAxis;
    use crate::tensor::DType;
    use ndarray::arr1;

    fn pooled(reduction: Reduction, pads: [usize; 2]) -> Vec<f64> {
        let axis = WindowAxis { length: 2, stride: 2, dilation: 1, before: pads[0], after: pads[1] };
        let data =
            Tensor::numbers(DType::F32, arr1(&[-1.0, -2.0, -3.0, -4.0, -5.0, -6.0]).into_dyn()).unwrap();
        let data = data.reshape(&[1, 2, 3]).unwrap();
        let result = pool(&Window { axes: vec![axis] }, reduction, &data).unwrap();
        result.as_numbers().unwrap().iter().copied().collect()
    }

    #[test]
    fn padding_does_not_count() {
        assert_eq!(pooled(Reduction::Max, [0, 0]), [-1.0, -4.0]);
        assert_eq!(pooled(Reduction::Max, [1, 0]), [-1.0, -2.0, -4.0, -5.0]);
        assert_eq!(pooled(Reduction::Mean, [1, 0]), [-1.0, -2.5, -4.0, -5.5]);
        assert_eq!(pooled(Reduction::Sum, [0, 1]), [-3.0, -3.0, -9.0, -6.0]);
    }

    #[test]
    fn shapes_are_checked() {
        let axis = WindowAxis { length: 4, stride: 1, dilation: 1, before: 0, after: 0 };
        let window = Window { axes: vec![axis] };
        assert!(result_shape(&window, &[1, 2, 3]).unwrap_err().to_string().contains("does not fit"));
        assert!(result_shape(&window, &[3]).is_err());
        assert_eq!(result_shape(&window, &[0, 2, 5]).unwrap(), [0, 2, 2]);
        assert_eq!(
            pool(&window, Reduction::Max, &Tensor::zeros(DType::I8, &[0, 2, 5])).unwrap().shape(),
            [0, 2, 2]
        );
    }
}
