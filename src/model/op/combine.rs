//! Operators that put elements of several tensors together: concatenation and gathering.

use anyhow::{Context, Result, bail};
use ndarray::{ArrayD, IxDyn};

use super::shape::{check_axis, common_dtype, element_count};
use crate::tensor::{DType, Rearrange, Tensor};

/// The inputs joined along an axis.
pub(super) fn concat(inputs: &[&Tensor], axis: usize) -> Result<Tensor> {
    let [first, rest @ ..] = inputs else { bail!("there is nothing to join") };
    let dtype = rest.iter().try_fold(first.dtype(), |dtype, input| common_dtype(dtype, input.dtype()))?;
    let shapes: Vec<&[usize]> = inputs.iter().map(|input| input.shape()).collect();
    let shape = joined_shape(&shapes, axis)?;
    if dtype == DType::Text {
        let parts: Vec<_> = inputs.iter().map(|input| input.as_text()).collect::<Result<_>>()?;
        return Ok(Tensor::text(join(&parts, axis, &shape)?));
    }
    let parts: Vec<_> = inputs.iter().map(|input| input.as_numbers()).collect::<Result<_>>()?;
    Tensor::numbers(dtype, join(&parts, axis, &shape)?)
}

/// `data` picked at `indices` (negative ones count from the end) along an axis.
pub(super) fn gather(data: &Tensor, indices: &Tensor, axis: usize) -> Result<Tensor> {
    check_axis(data.shape(), axis)?;
    // The axis was just checked.
    let length = data.shape()[axis];
    let places = indices.as_numbers()?.iter().map(|&index| place(index, length)).collect::<Result<_>>()?;
    data.rearrange(&Pick { axis, places, shape: indices.shape() })
}

/// The elements at some places of an axis; these places have a shape of their own.
struct Pick<'a> {
    axis: usize,
    places: Vec<usize>,
    shape: &'a [usize],
}

impl Rearrange for Pick<'_> {
    fn apply<T: Clone>(&self, values: &ArrayD<T>) -> Result<ArrayD<T>> {
        // Only `gather` picks, and it checks that the axis is there.
        let [before @ .., length] = &values.shape()[..=self.axis] else {
            bail!("there is no axis to pick from")
        };
        let after = &values.shape()[self.axis + 1..];
        let shape = [before, self.shape, after].concat();
        let mut picked = Vec::with_capacity(element_count(&shape)?);
        let run: usize = after.iter().product();
        let ordered = values.as_standard_layout();
        let elements = ordered.as_slice().context("the elements are out of order")?;
        for block in 0..before.iter().product() {
            for place in &self.places {
                // `place` is less than `length`, so this is inside block number `block`.
                let start = (block * length + place) * run;
                picked.extend_from_slice(&elements[start..start + run]);
            }
        }
        Ok(ArrayD::from_shape_vec(IxDyn(&shape), picked)?)
    }
}

fn place(index: f64, length: usize) -> Result<usize> {
    let place = if index < 0.0 { index + length as f64 } else { index };
    if !(0.0..length as f64).contains(&place) {
        bail!("index {index} is outside an axis of length {length}");
    }
    Ok(place as usize)
}

fn joined_shape(shapes: &[&[usize]], axis: usize) -> Result<Vec<usize>> {
    let mut shape = shapes.first().context("there is nothing to join")?.to_vec();
    check_axis(&shape, axis)?;
    let mut length = 0_usize;
    for other in shapes {
        let fits = other.len() == shape.len()
            && other.iter().zip(&shape).enumerate().all(|(place, (a, b))| place == axis || a == b);
        if !fits {
            bail!("cannot join shapes {shape:?} and {other:?} along axis {axis}");
        }
        // Both have this axis: the first was checked, and the ranks agree.
        length = other[axis].saturating_add(length);
    }
    shape[axis] = length;
    element_count(&shape)?;
    Ok(shape)
}

/// Joins arrays that are known to fit: in row-major order their blocks take turns.
fn join<T: Clone>(parts: &[&ArrayD<T>], axis: usize, shape: &[usize]) -> Result<ArrayD<T>> {
    // `joined_shape` checked the axis.
    let blocks: usize = shape[..axis].iter().product();
    let ordered: Vec<_> = parts.iter().map(|part| part.as_standard_layout()).collect();
    let mut joined = Vec::with_capacity(shape.iter().product());
    for block in 0..blocks {
        for part in &ordered {
            let elements = part.as_slice().context("the elements are out of order")?;
            // Every part consists of `blocks` blocks of the same length.
            let run = elements.len() / blocks;
            joined.extend_from_slice(&elements[block * run..(block + 1) * run]);
        }
    }
    Ok(ArrayD::from_shape_vec(IxDyn(shape), joined)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{arr1, arr2};

    fn table() -> Tensor {
        Tensor::f64s(arr2(&[[1.0, 2.0], [3.0, 4.0]]).into_dyn())
    }

    fn text(values: &[&str]) -> Tensor {
        Tensor::text(values.iter().map(|&value| value.to_owned()).collect::<ndarray::Array1<_>>().into_dyn())
    }

    #[test]
    fn tensors_join_along_any_axis() {
        let column = Tensor::f64s(arr2(&[[5.0], [6.0]]).into_dyn());
        let wide = Tensor::f64s(arr2(&[[1.0, 2.0, 5.0], [3.0, 4.0, 6.0]]).into_dyn());
        assert_eq!(concat(&[&table(), &column], 1).unwrap(), wide);
        assert_eq!(concat(&[&table(), &table()], 0).unwrap().shape(), [4, 2]);
        assert_eq!(concat(&[&table(), &Tensor::zeros(DType::F64, &[2, 0])], 1).unwrap(), table());
        assert_eq!(concat(&[&text(&["a"]), &text(&["b", "c"])], 0).unwrap(), text(&["a", "b", "c"]));
    }

    #[test]
    fn what_does_not_join_is_named() {
        let message = concat(&[&table(), &Tensor::zeros(DType::F64, &[3, 2])], 1).unwrap_err().to_string();
        assert_eq!(message, "cannot join shapes [2, 2] and [3, 2] along axis 1");
        assert!(concat(&[&table()], 2).is_err());
        assert!(concat(&[], 0).is_err());
        assert!(concat(&[&text(&["a"]), &Tensor::i64s(&[1])], 0).is_err());
    }

    #[test]
    fn gather_takes_the_shape_of_the_indices() {
        let picked = gather(&table(), &Tensor::i64s(&[-1, 0, 1]), 1).unwrap();
        assert_eq!(picked, Tensor::f64s(arr2(&[[2.0, 1.0, 2.0], [4.0, 3.0, 4.0]]).into_dyn()));
        let one = Tensor::i64s(&[1]).reshape(&[]).unwrap();
        assert_eq!(gather(&table(), &one, 0).unwrap(), Tensor::f64s(arr1(&[3.0, 4.0]).into_dyn()));
        assert_eq!(gather(&text(&["a", "b"]), &Tensor::i64s(&[1, 1]), 0).unwrap(), text(&["b", "b"]));
        assert_eq!(gather(&table(), &Tensor::i64s(&[]), 0).unwrap().shape(), [0, 2]);
    }

    #[test]
    fn indices_outside_are_refused() {
        for index in [2, -3] {
            let message = gather(&table(), &Tensor::i64s(&[index]), 0).unwrap_err().to_string();
            assert_eq!(message, format!("index {index} is outside an axis of length 2"));
        }
        assert!(gather(&table(), &Tensor::i64s(&[0]), 2).is_err());
    }
}
