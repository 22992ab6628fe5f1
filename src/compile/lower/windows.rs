//! Convolutions and averages over windows, evaluated on forms.

use anyhow::Result;
use ndarray::{ArrayD, Axis, IxDyn};

use super::form::Form;
use crate::model::op::Window;
use crate::tensor::Tensor;

/// The convolution of forms with constant weights; `shape` is that of its result.
pub(super) fn convolution(
    window: &Window,
    data: &ArrayD<Form>,
    weights: &Tensor,
    shape: &[usize],
) -> Result<ArrayD<Form>> {
    // The model checked that data and weights have a batch axis, channels, and fit each other.
    let (results, members, spatial) = (weights.shape()[0], weights.shape()[1], &data.shape()[2..]);
    let groups = data.shape()[1] / members.max(1);
    let elements: usize = window.lengths().iter().product();
    let weights = weights.as_numbers()?.to_shape((groups, results / groups.max(1), members, elements))?;
    let channels = data.to_shape((data.shape()[0] * data.shape()[1], spatial.iter().product::<usize>()))?;
    let places = window.places(spatial)?;

    let mut forms = Vec::with_capacity(shape.iter().product());
    for (block, channels) in channels.axis_chunks_iter(Axis(0), members).enumerate() {
        for weights in weights.index_axis(Axis(0), block % groups).outer_iter() {
            for places in places.chunks(elements) {
                let parts = weights.indexed_iter().filter_map(|((member, element), weight)| {
                    // There are as many members as channels, as many elements as places.
                    places[element].map(|place| (&channels[[member, place]], *weight))
                });
                let parts = parts.filter(|(_, weight)| *weight != 0.0);
                forms.push(Form::weighted_sum(parts));
            }
        }
    }
    Ok(ArrayD::from_shape_vec(IxDyn(shape), forms)?)
}

/// The sums over windows, each times a factor for the number of elements in it.
pub(super) fn pool(
    window: &Window,
    data: &ArrayD<Form>,
    shape: &[usize],
    factor: impl Fn(usize) -> f64,
) -> Result<ArrayD<Form>> {
    // The model checked that the data has a batch axis and channels.
    let spatial = &data.shape()[2..];
    let elements: usize = window.lengths().iter().product();
    let places = window.places(spatial)?;
    let channels = data.to_shape((data.shape()[0] * data.shape()[1], spatial.iter().product::<usize>()))?;
    let mut forms = Vec::with_capacity(shape.iter().product());
    for channel in channels.outer_iter() {
        for places in places.chunks(elements) {
            let factor = factor(places.iter().flatten().count());
            forms.push(Form::weighted_sum(places.iter().flatten().map(|&place| (&channel[place], factor))));
        }
    }
    Ok(ArrayD::from_shape_vec(IxDyn(shape), forms)?)
}
