//! Ensembles of decision trees: the operators of every version of the standard.
//!
//! Their nodes become one operator that gives raw scores; base values go with it, transforms and
//! labels become operators after it.

mod chains;
mod classifier;
mod ensemble;
mod extreme;
mod listed;
mod numbers;
mod regressor;
#[cfg(test)]
mod tests;

use anyhow::{Result, bail};

use super::post_transform::PostTransform;
use super::{Family, ML};
use crate::model::op::{Aggregate, Move, SliceRange, TreeEnsemble, TreeParts};
use crate::model::{NodeId, Op};
use crate::onnx::context::Context;
use crate::onnx::node::NodeView;
use crate::onnx::problem::unsupported;
use crate::tensor::DType;

pub(super) const READERS: &Family = &[
    (ML, "TreeEnsembleClassifier", classifier::read),
    (ML, "TreeEnsembleRegressor", regressor::read),
    (ML, "TreeEnsemble", ensemble::read),
];

/// Adds an ensemble on the node's input, a row of numbers.
fn scores(node: &NodeView, context: &mut Context, mut parts: TreeParts) -> Result<NodeId> {
    let x = node.input(0)?;
    parts.features = context.shape(x).iter().product();
    let x = context.cast(node, parts.dtype, x)?;
    let x = context.reshape(node, &[1, parts.features], x)?;
    let ensemble = TreeEnsemble::new(parts)?;
    match ensemble.parts().aggregate {
        Aggregate::Sum | Aggregate::Average => {}
        Aggregate::Min | Aggregate::Max => extreme::refuse_abstention(ensemble.parts())?,
    }
    context.push(node, Op::Trees(Box::new(ensemble)), &[x])
}

/// Some columns of a row.
fn columns(
    node: &NodeView,
    context: &mut Context,
    row: NodeId,
    start: usize,
    count: usize,
) -> Result<NodeId> {
    let ranges = vec![SliceRange { start: 0, step: 1, count: 1 }, SliceRange { start, step: 1, count }];
    context.rearrange(node, Move::Slice { ranges }, row)
}

/// A number of targets that a file gives.
fn targets(count: i64) -> Result<usize> {
    let limit = TreeEnsemble::MAX_TARGETS;
    match usize::try_from(count) {
        Ok(count) if (1..=limit).contains(&count) => Ok(count),
        Ok(_) | Err(_) => bail!("it has {count} targets, expected 1 to {limit}"),
    }
}

/// The type that trees compute in: double precision if their numbers or the input have it.
fn precision(node: &NodeView, context: &Context, is_double: bool) -> Result<DType> {
    let is_double = is_double || context.dtype(node.input(0)?) == DType::F64;
    Ok(if is_double { DType::F64 } else { DType::F32 })
}

/// Classifiers and regressors give single precision, whatever they compute in.
fn single(node: &NodeView, context: &mut Context, scores: NodeId) -> Result<NodeId> {
    context.cast(node, DType::F32, scores)
}

fn refuse_probit(transform: PostTransform) -> Result<()> {
    match transform {
        PostTransform::Probit => {
            Err(unsupported("the post transform 'PROBIT' of trees is not supported\nhint: export raw scores"))
        }
        PostTransform::None
        | PostTransform::Logistic
        | PostTransform::Softmax
        | PostTransform::SoftmaxZero => Ok(()),
    }
}
