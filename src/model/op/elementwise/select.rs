//! The choice between two tensors, place by place.

use anyhow::{Result, bail};
use ndarray::{ArrayD, IxDyn};

use crate::model::op::shape::{broadcast_shape, common_dtype};
use crate::tensor::{DType, Tensor};

/// `a` where the condition holds, else `b`.
pub(in crate::model::op) fn select(condition: &Tensor, a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let condition = condition.as_numbers()?;
    let dtype = common_dtype(a.dtype(), b.dtype())?;
    if dtype == DType::Text {
        return Ok(Tensor::text(chosen(condition, a.as_text()?, b.as_text()?)?));
    }
    Tensor::numbers(dtype, chosen(condition, a.as_numbers()?, b.as_numbers()?)?)
}

fn chosen<T: Clone>(condition: &ArrayD<f64>, a: &ArrayD<T>, b: &ArrayD<T>) -> Result<ArrayD<T>> {
    let shape = broadcast_shape(condition.shape(), &broadcast_shape(a.shape(), b.shape())?)?;
    let wide = IxDyn(&shape);
    let (Some(condition), Some(a), Some(b)) =
        (condition.broadcast(wide.clone()), a.broadcast(wide.clone()), b.broadcast(wide.clone()))
    else {
        bail!("the operands do not broadcast to {shape:?}");
    };
    let pairs = a.iter().zip(b.iter());
    let values = condition.iter().zip(pairs).map(|(&holds, (a, b))| if holds != 0.0 { a } else { b });
    Ok(ArrayD::from_shape_vec(wide, values.cloned().collect())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{arr0, arr1, arr2};

    #[test]
    fn condition_and_choices_broadcast() {
        let condition = Tensor::numbers(DType::Bool, arr2(&[[1.0], [0.0]]).into_dyn()).unwrap();
        let a = Tensor::f64s(arr1(&[1.0, f64::INFINITY]).into_dyn());
        let b = Tensor::f64s(arr0(-1.0).into_dyn());
        let expected = Tensor::f64s(arr2(&[[1.0, f64::INFINITY], [-1.0, -1.0]]).into_dyn());
        assert_eq!(select(&condition, &a, &b).unwrap(), expected);
    }

    #[test]
    fn text_is_chosen_too_but_not_mixed_with_numbers() {
        let condition = Tensor::numbers(DType::Bool, arr1(&[0.0, 1.0]).into_dyn()).unwrap();
        let text = |value: &str| Tensor::text(arr0(value.to_owned()).into_dyn());
        let chosen = select(&condition, &text("yes"), &text("no")).unwrap();
        assert_eq!(chosen.as_text().unwrap().as_slice().unwrap(), ["no", "yes"]);
        assert!(select(&condition, &text("yes"), &Tensor::i64s(&[1])).is_err());
    }
}
