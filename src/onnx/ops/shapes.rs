//! Operators on shapes, which are constants because one row's shapes are.

use anyhow::{Result, bail};

use super::Family;
use crate::model::NodeId;
use crate::onnx::context::Context;
use crate::onnx::limits::count;
use crate::onnx::node::NodeView;
use crate::onnx::problem::unsupported;
use crate::onnx::tensors;
use crate::tensor::{DType, Tensor};

pub(super) const READERS: &Family = &[
    ("", "Shape", shape),
    ("", "Size", size),
    ("", "ConstantOfShape", constant_of_shape),
    ("", "Range", range),
];

fn shape(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let shape = context.shape(node.input(0)?);
    let rank = i64::try_from(shape.len())?;
    let bound = |at: i64| if at < 0 { at.saturating_add(rank).max(0) } else { at.min(rank) };
    let start = usize::try_from(bound(node.attributes.int("start", 0)?))?;
    let end = usize::try_from(bound(node.attributes.int("end", rank)?))?;
    let lengths = shape.get(start..end).unwrap_or_default().iter().map(|&length| length as f64);
    let lengths = tensors::vector(DType::I64, lengths)?;
    Ok(vec![context.constant(&node.name, lengths)?])
}

fn size(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let size = count(context.shape(node.input(0)?))?;
    Ok(vec![context.constant(&node.name, tensors::scalar(DType::I64, size as f64)?)?])
}

fn constant_of_shape(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let numbers = context.ints(node.input(0)?, "lengths")?;
    let Ok(shape) = numbers.iter().map(|&number| usize::try_from(number)).collect::<Result<Vec<usize>, _>>()
    else {
        bail!("{numbers:?} is not a shape");
    };
    let value = node.attributes.tensor("value")?.map_or_else(|| tensors::scalar(DType::F32, 0.0), Ok)?;
    let Some(&number) = value.as_numbers()?.first() else { bail!("its value is empty") };
    let filled = tensors::array(value.dtype(), &shape, vec![number; count(&shape)?])?;
    Ok(vec![context.constant(&node.name, filled)?])
}

fn range(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let bound = |index: usize| {
        let value = context.as_constant(node.input(index)?).map(Tensor::as_numbers).transpose()?;
        value
            .and_then(|numbers| numbers.first().copied())
            .ok_or_else(|| unsupported("its bounds depend on the data"))
    };
    let (start, limit, delta) = (bound(0)?, bound(1)?, bound(2)?);
    let dtype = context.dtype(node.input(0)?);
    let steps = ((limit - start) / delta).ceil();
    if steps.is_nan() || steps.is_infinite() {
        bail!("cannot count from {start} to {limit} in steps of {delta}");
    }
    let length = count(&[steps.max(0.0) as usize])?;
    let numbers = (0..length).map(|index| start + index as f64 * delta);
    Ok(vec![context.constant(&node.name, tensors::vector(dtype, numbers)?)?])
}
