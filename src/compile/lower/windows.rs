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

/// The forms in each window, of one channel after another.
pub(super) fn groups<'a>(window: &Window, data: &'a ArrayD<Form>) -> Result<Vec<Vec<&'a Form>>> {
    // The model checked that the data has a batch axis and channels.
    let elements: usize = window.lengths().iter().product();
    let places = window.places(&data.shape()[2..])?;
    let size: usize = data.shape()[2..].iter().product();
    let forms: Vec<&Form> = data.iter().collect();
    let of_channel = |channel: &[&'a Form]| -> Vec<Vec<&'a Form>> {
        places
            .chunks(elements)
            .map(|own| own.iter().flatten().map(|place| channel[*place]).collect())
            .collect()
    };
    Ok(forms.chunks(size.max(1)).flat_map(of_channel).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::lower::polynomials;
    use crate::compile::split::{Products, split};
    use crate::compile::subgraph::prologue;
    use crate::model::op::{Reduction, WindowAxis};
    use crate::model::{Builder, Model, Op};
    use crate::tensor::{DType, Field};
    use ndarray::Array;

    fn counting(shape: &[usize]) -> Tensor {
        let numbers =
            Array::from_iter((0..shape.iter().product::<usize>()).map(|n| (n * n % 11) as f64 - 4.0));
        Tensor::f64s(numbers.into_shape_with_order(IxDyn(shape)).unwrap())
    }

    fn window(length: usize, stride: usize, pad: usize) -> Window {
        Window { axes: vec![WindowAxis { length, stride, dilation: 1, before: pad, after: pad }; 2] }
    }

    /// A padded convolution in two groups, sums over windows, then means that see padding.
    fn model() -> Model {
        let mut builder = Builder::new();
        let field = Field { name: "x".to_owned(), dtype: DType::F64, shape: vec![2, 6, 5], columns: None };
        let x = builder.input(field);
        let weights = builder.constant("w", counting(&[4, 1, 3, 3]));
        let conv = Op::Conv { window: window(3, 1, 1), groups: 2 };
        let y = builder.push("conv", conv, &[x, weights]).unwrap();
        let sums = Op::Pool { window: window(2, 1, 0), reduction: Reduction::Sum };
        let y = builder.push("sums", sums, &[y]).unwrap();
        let means = Op::Pool { window: window(3, 2, 1), reduction: Reduction::Mean };
        let y = builder.push("means", means, &[y]).unwrap();
        builder.output("y", y, None);
        builder.finish().unwrap()
    }

    #[test]
    fn forms_are_what_the_model_computes() {
        let (model, row) = (model(), counting(&[1, 2, 6, 5]));
        let split = split(&model, Products::Expand).unwrap();
        let prologue = prologue(&model, &split).unwrap();
        let centers = vec![0.5; 60];
        let lowered = polynomials(&model, &split, &prologue, &centers).unwrap();
        let expected = model.evaluate(std::slice::from_ref(&row)).unwrap().remove(0);
        let values: Vec<f64> = row.as_numbers().unwrap().iter().map(|value| value - 0.5).collect();
        assert_eq!(lowered.forms.len(), expected.len());
        for (form, expected) in lowered.forms.iter().zip(expected.as_numbers().unwrap()) {
            let term = |(term, weight): &(u32, f64)| {
                lowered.terms.variables(*term).iter().map(|&place| values[place as usize]).product::<f64>()
                    * weight
            };
            let found = form.constant + form.weights.iter().map(term).sum::<f64>();
            assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
        }
    }
}
