//! Values written into the graph.

use anyhow::{Result, bail};

use super::Family;
use crate::model::NodeId;
use crate::onnx::context::Context;
use crate::onnx::node::NodeView;
use crate::onnx::tensors;
use crate::tensor::{DType, Tensor};

pub(super) const READERS: &Family = &[("", "Constant", constant)];

fn constant(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    node.attributes.refuse("sparse_value")?;
    Ok(vec![context.constant(&node.name, value(node)?)?])
}

/// The value is in one of seven attributes.
fn value(node: &NodeView) -> Result<Tensor> {
    let attributes = &node.attributes;
    if let Some(value) = attributes.tensor("value")? {
        return Ok(value);
    }
    if let Some(values) = attributes.floats("value_floats")? {
        return tensors::vector(DType::F32, values);
    }
    if let Some(values) = attributes.ints("value_ints")? {
        return Ok(Tensor::i64s(values));
    }
    if let Some(values) = attributes.texts("value_strings")? {
        return Ok(tensors::words(values));
    }
    if attributes.has("value_float") {
        return tensors::scalar(DType::F32, attributes.float("value_float", 0.0)?);
    }
    if attributes.has("value_int") {
        return tensors::scalar(DType::I64, attributes.int("value_int", 0)? as f64);
    }
    if attributes.has("value_string") {
        return tensors::words(vec![attributes.text("value_string", "")?]).reshape(&[]);
    }
    bail!("it has no value")
}
