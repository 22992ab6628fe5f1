//! Scaling and cleaning of features.

use anyhow::{Result, bail};

use super::{Family, ML};
use crate::model::op::{Binary, Normalization, Reduction, Unary};
use crate::model::{NodeId, Op};
use crate::onnx::context::Context;
use crate::onnx::node::NodeView;
use crate::tensor::DType;

pub(super) const READERS: &Family = &[
    (ML, "Scaler", scaler),
    (ML, "Imputer", imputer),
    (ML, "Binarizer", binarizer),
    (ML, "Normalizer", normalizer),
    (ML, "FeatureVectorizer", feature_vectorizer),
];

/// `(x − offset) · scale`, with a value for each feature or one for all.
fn scaler(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let mut x = context.cast(node, DType::F32, node.input(0)?)?;
    for (name, function) in [("offset", Binary::Sub), ("scale", Binary::Mul)] {
        if let Some(values) = node.attributes.weights(name)? {
            let values = by_feature(node, context, x, name, DType::F32, values)?;
            x = context.binary(node, function, x, values)?;
        }
    }
    Ok(vec![x])
}

/// A constant with a value for each feature (the last axis of `x`) or one for all.
fn by_feature(
    node: &NodeView,
    context: &mut Context,
    x: NodeId,
    name: &str,
    dtype: DType,
    values: Vec<f64>,
) -> Result<NodeId> {
    let features = context.shape(x).last().copied().unwrap_or(1);
    if values.len() != 1 && values.len() != features {
        bail!("attribute '{name}' has {} values, its input has {features} features", values.len());
    }
    context.vector(node, dtype, values)
}

/// Puts a value in the place of missing ones, which are NaN or a number of their own.
fn imputer(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let x = node.input(0)?;
    let dtype = context.dtype(x);
    let (values, missing) = if dtype.is_float() {
        let values = node.attributes.weights("imputed_value_floats")?;
        (values, node.attributes.float("replaced_value_float", 0.0)?)
    } else {
        let values = node.attributes.ints("imputed_value_int64s")?;
        let values = values.map(|values| values.iter().map(|&value| value as f64).collect());
        (values, node.attributes.int("replaced_value_int64", 0)? as f64)
    };
    let Some(values) = values else { bail!("it has no values to put in the place of missing {dtype}") };
    let values = by_feature(node, context, x, "imputed_value", dtype, values)?;
    let is_missing = if missing.is_nan() {
        context.unary(node, Unary::IsNaN, x)?
    } else {
        let missing = context.scalar(node, missing, x)?;
        context.binary(node, Binary::Equal, x, missing)?
    };
    Ok(vec![context.push(node, Op::Where, &[is_missing, values, x])?])
}

fn binarizer(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let x = node.input(0)?;
    let threshold = context.scalar(node, node.attributes.float("threshold", 0.0)?, x)?;
    let above = context.binary(node, Binary::Greater, x, threshold)?;
    let dtype = context.dtype(x);
    Ok(vec![context.cast(node, dtype, above)?])
}

/// `MAX` divides by the largest value as it is, not by the largest absolute one.
fn normalizer(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let x = context.cast(node, DType::F32, node.input(0)?)?;
    let shape = context.shape(x);
    if shape.is_empty() || shape.len() > 2 {
        bail!("its input must be a vector or a matrix, found shape {shape:?}");
    }
    let axis = shape.len() - 1;
    let norm = match node.attributes.text("norm", "MAX")?.as_str() {
        "MAX" => return Ok(vec![divide_by_largest(node, context, x, axis)?]),
        "L1" => Normalization::L1,
        "L2" => Normalization::L2,
        other => bail!("its norm is '{other}', expected MAX, L1 or L2"),
    };
    Ok(vec![context.push(node, Op::Normalize { norm, axis }, &[x])?])
}

fn divide_by_largest(node: &NodeView, context: &mut Context, x: NodeId, axis: usize) -> Result<NodeId> {
    let op = Op::Reduce { reduction: Reduction::Max, axes: vec![axis], keep_dims: true };
    let largest = context.push(node, op, &[x])?;
    let zero = context.scalar(node, 0.0, x)?;
    let one = context.scalar(node, 1.0, x)?;
    let is_zero = context.binary(node, Binary::Equal, largest, zero)?;
    let divisor = context.push(node, Op::Where, &[is_zero, one, largest])?;
    context.binary(node, Binary::Div, x, divisor)
}

/// All inputs as float32 columns of one matrix.
fn feature_vectorizer(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let lengths = node.attributes.ints("inputdimensions")?.unwrap_or_default();
    let mut columns = Vec::new();
    for (index, input) in node.all_inputs()?.into_iter().enumerate() {
        let x = context.cast(node, DType::F32, input)?;
        let count: usize = context.shape(x).iter().product();
        let declared = lengths.get(index).and_then(|&length| usize::try_from(length).ok()).unwrap_or(count);
        if declared != count {
            bail!("input {index} is declared to have {declared} features, it has {count}");
        }
        columns.push(context.reshape(node, &[1, count], x)?);
    }
    Ok(vec![context.push(node, Op::Concat { axis: 1 }, &columns)?])
}
