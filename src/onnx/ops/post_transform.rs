//! What classifiers and regressors do to their scores.

use anyhow::{Result, bail};

use crate::model::op::{Binary, Reduction, Unary};
use crate::model::{NodeId, Op};
use crate::onnx::context::Context;
use crate::onnx::node::NodeView;
use crate::onnx::problem::unsupported;

/// Scores nearer to zero than this count as zero for [`PostTransform::SoftmaxZero`].
const ZERO: f64 = 1e-7;

/// The attribute `post_transform`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PostTransform {
    None,
    Logistic,
    Softmax,
    /// Softmax over the scores that are not zero.
    SoftmaxZero,
    Probit,
}

impl PostTransform {
    /// That of a node.
    ///
    /// # Errors
    /// If there is no such transform.
    pub(super) fn of(node: &NodeView) -> Result<Self> {
        Ok(match node.attributes.text("post_transform", "NONE")?.as_str() {
            "NONE" => Self::None,
            "LOGISTIC" => Self::Logistic,
            "SOFTMAX" => Self::Softmax,
            "SOFTMAX_ZERO" => Self::SoftmaxZero,
            "PROBIT" => Self::Probit,
            other => bail!("its post transform is '{other}', which is not known"),
        })
    }

    /// The scores of two classes or more, or targets, of shape `[1, n]`.
    ///
    /// # Errors
    /// If an operator cannot be added.
    pub(super) fn apply(self, node: &NodeView, context: &mut Context, scores: NodeId) -> Result<NodeId> {
        match self {
            Self::None => Ok(scores),
            Self::Logistic => context.unary(node, Unary::Sigmoid, scores),
            Self::Softmax => context.push(node, Op::Softmax { axis: 1 }, &[scores]),
            Self::SoftmaxZero => softmax_zero(node, context, scores),
            Self::Probit => context.unary(node, Unary::Probit, scores),
        }
    }

    /// A single target: onnxruntime transforms it with probit only.
    ///
    /// # Errors
    /// If an operator cannot be added.
    pub(super) fn apply_to_one(
        self,
        node: &NodeView,
        context: &mut Context,
        score: NodeId,
    ) -> Result<NodeId> {
        match self {
            Self::Probit => context.unary(node, Unary::Probit, score),
            Self::None | Self::Logistic | Self::Softmax | Self::SoftmaxZero => Ok(score),
        }
    }

    /// The scores of two classes from the one score of the second.
    ///
    /// # Errors
    /// If the transform is probit, for which this is not defined.
    pub(super) fn add_first_class(
        self,
        node: &NodeView,
        context: &mut Context,
        score: NodeId,
    ) -> Result<NodeId> {
        let (first, second) = match self {
            Self::Logistic => {
                let negative = context.unary(node, Unary::Neg, score)?;
                (context.unary(node, Unary::Sigmoid, negative)?, context.unary(node, Unary::Sigmoid, score)?)
            }
            Self::None | Self::Softmax | Self::SoftmaxZero => {
                let one = context.scalar(node, 1.0, score)?;
                (context.binary(node, Binary::Sub, one, score)?, score)
            }
            Self::Probit => {
                return Err(unsupported("probit of a single score for two classes is not defined"));
            }
        };
        context.push(node, Op::Concat { axis: 1 }, &[first, second])
    }
}

fn softmax_zero(node: &NodeView, context: &mut Context, scores: NodeId) -> Result<NodeId> {
    let reduce = |reduction| Op::Reduce { reduction, axes: vec![1], keep_dims: true };
    let largest = context.push(node, reduce(Reduction::Max), &[scores])?;
    let shifted = context.binary(node, Binary::Sub, scores, largest)?;
    let powers = context.unary(node, Unary::Exp, shifted)?;
    let size = context.unary(node, Unary::Abs, scores)?;
    let (limit, zero) = (context.scalar(node, ZERO, scores)?, context.scalar(node, 0.0, scores)?);
    let counts = context.binary(node, Binary::Greater, size, limit)?;
    let powers = context.push(node, Op::Where, &[counts, powers, zero])?;
    let sum = context.push(node, reduce(Reduction::Sum), &[powers])?;
    context.binary(node, Binary::Div, powers, sum)
}
