//! TreeEnsembleClassifier, whose label depends on how many classes its leaves vote on.

use std::collections::BTreeSet;

use anyhow::{Result, bail};

use super::listed::Listed;
use super::numbers::Numbers;
use super::{columns, precision, refuse_probit, scores, single};
use crate::model::op::{Aggregate, Binary, TreeNode, Unary, Vote};
use crate::model::{NodeId, Op};
use crate::onnx::context::Context;
use crate::onnx::node::NodeView;
use crate::onnx::ops::ml_linear::{by_index, class_labels};
use crate::onnx::ops::post_transform::PostTransform;
use crate::onnx::problem::unsupported;
use crate::onnx::tensors;
use crate::tensor::{DType, Tensor};

/// The label and the scores by class. The standard leaves open what two classes mean; this is what
/// onnxruntime makes of them.
pub(super) fn read(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let transform = PostTransform::of(node)?;
    refuse_probit(transform)?;
    let labels = class_labels(node, "classlabels_int64s")?;
    let listed = Listed::read(node, "class")?;
    let base = Numbers::listed(&node.attributes, "base_values")?;
    let dtype = precision(node, context, listed.is_double || base.is_double)?;
    let trees = Trees { dtype, listed, base: base.values };
    let voted: BTreeSet<usize> = trees.listed.votes.iter().map(|vote| vote.target).collect();
    let voted: Vec<usize> = voted.into_iter().collect();
    if let Some(class) = voted.iter().find(|&&class| class >= labels.len()) {
        bail!("its leaves vote on class {class}, there are {}", labels.len());
    }
    let (class, shown) = match (labels.len(), voted.as_slice()) {
        (1, _) => return Err(unsupported("a classifier with a single class label is not supported")),
        (2, [0]) => one_score(node, context, trees, transform)?,
        (2, _) => two_scores(node, context, trees, transform, &labels)?,
        (classes, _) => many_scores(node, context, trees, transform, classes)?,
    };
    context.name_scores(shown, tensors::labels(&labels));
    let label = context.push(node, Op::Map(Box::new(by_index(labels)?)), &[class])?;
    Ok(vec![label, shown])
}

struct Trees {
    listed: Listed,
    dtype: DType,
    /// As the file gives them.
    base: Vec<f64>,
}

impl Trees {
    /// Adds them, with these base values: as many as there are scores.
    fn scores(self, node: &NodeView, context: &mut Context, base: Vec<f64>) -> Result<NodeId> {
        let parts = self.listed.into_parts(self.dtype, Aggregate::Sum, base);
        scores(node, context, parts)
    }

    fn weights_are_positive(&self) -> bool {
        self.listed.votes.iter().all(|vote| vote.weight >= 0.0)
    }

    /// Whether some tree adds something positive for every row, and nothing is ever negative.
    fn largest_is_positive(&self) -> bool {
        let mut gives = vec![true; self.listed.roots.len()];
        for (tree, votes) in self.listed.leaves() {
            gives[tree] &= votes.iter().any(|vote| vote.weight > 0.0); // as above
        }
        self.weights_are_positive() && gives.contains(&true)
    }
}

/// Two classes, all votes on the first: the score is that of the second, against one half if no
/// weight is negative, else against zero.
fn one_score(
    node: &NodeView,
    context: &mut Context,
    trees: Trees,
    transform: PostTransform,
) -> Result<(NodeId, NodeId)> {
    let base = match trees.base.as_slice() {
        [] => 0.0,
        [base] => *base,
        more => {
            return Err(unsupported(format!("{} base values for one score are not supported", more.len())));
        }
    };
    let is_probability = trees.weights_are_positive();
    let score = trees.scores(node, context, vec![base])?;
    let threshold = context.scalar(node, if is_probability { 0.5 } else { 0.0 }, score)?;
    let class = above(node, context, score, threshold)?;
    let score = single(node, context, score)?;
    let shown = if is_probability || transform == PostTransform::Logistic {
        transform.add_first_class(node, context, score)?
    } else {
        let negative = context.unary(node, Unary::Neg, score)?;
        context.push(node, Op::Concat { axis: 1 }, &[negative, score])?
    };
    Ok((class, shown))
}

/// Two classes with votes on the second: it wins if its score is above zero, or above one half if
/// it has all votes and no weight is negative, whatever the score of the first is.
fn two_scores(
    node: &NodeView,
    context: &mut Context,
    trees: Trees,
    transform: PostTransform,
    labels: &Tensor,
) -> Result<(NodeId, NodeId)> {
    let always = trees.listed.always_voted();
    if !always.contains(&1) {
        return Err(unsupported(
            "which of its two classes get votes depends on the row, which is not supported",
        ));
    }
    let only_second = trees.listed.votes.iter().all(|vote| vote.target == 1);
    let base = match trees.base.as_slice() {
        [] => vec![0.0; 2],
        [base] if always.contains(&0) => vec![*base, 0.0],
        more => {
            return Err(unsupported(format!("{} base values for two scores are not supported", more.len())));
        }
    };
    let are_indices = labels.dtype() == DType::Text || labels == &Tensor::i64s(&[0, 1]);
    if !only_second && !are_indices {
        return Err(unsupported(
            "two classes with votes on both have the labels 0 and 1 in onnxruntime, whatever the file says\n\
             hint: train with the class labels 0 and 1, or text",
        ));
    }
    let half = only_second && trees.weights_are_positive();
    let both = trees.scores(node, context, base)?;
    let second = columns(node, context, both, 1, 1)?;
    let threshold = context.scalar(node, if half { 0.5 } else { 0.0 }, both)?;
    let class = above(node, context, second, threshold)?;
    let both = single(node, context, both)?;
    Ok((class, transform.apply(node, context, both)?))
}

/// More classes: the largest score wins, the first of equals, among classes that have votes.
fn many_scores(
    node: &NodeView,
    context: &mut Context,
    mut trees: Trees,
    transform: PostTransform,
    classes: usize,
) -> Result<(NodeId, NodeId)> {
    let base = match trees.base.len() {
        0 => vec![0.0; classes],
        length if length == classes => trees.base.clone(),
        length => bail!("it has {length} base values and {classes} classes"),
    };
    let is_plain =
        !trees.base.is_empty() || trees.listed.always_voted().len() == classes || trees.largest_is_positive();
    let (scores, candidates) = if is_plain {
        let scores = trees.scores(node, context, base)?;
        (scores, scores)
    } else {
        count_votes(&mut trees.listed, classes);
        let all = trees.scores(node, context, vec![0.0; 2 * classes])?;
        let scores = columns(node, context, all, 0, classes)?;
        (scores, voted_for(node, context, all, scores)?)
    };
    let best = Op::ArgExtreme { largest: true, last: false, axis: 1, keep_dims: false };
    let class = context.push(node, best, &[candidates])?;
    let scores = single(node, context, scores)?;
    Ok((class, transform.apply(node, context, scores)?))
}

/// Gives every vote a second one, of weight 1, on a target that counts the votes on its class.
fn count_votes(listed: &mut Listed, classes: usize) {
    let doubled = listed
        .votes
        .iter()
        .flat_map(|&vote| [vote, Vote { target: vote.target.saturating_add(classes), weight: 1.0 }]);
    listed.votes = doubled.collect();
    for node in &mut listed.nodes {
        if let TreeNode::Leaf { votes } = node {
            *votes = 2 * votes.start..2 * votes.end;
        }
    }
}

/// The scores of classes with votes, and minus infinity; the counts follow the scores in `all`.
fn voted_for(node: &NodeView, context: &mut Context, all: NodeId, scores: NodeId) -> Result<NodeId> {
    let classes = context.shape(scores).iter().product();
    let counts = columns(node, context, all, classes, classes)?;
    let (zero, never) = (context.scalar(node, 0.0, all)?, context.scalar(node, f64::NEG_INFINITY, all)?);
    let has_votes = context.binary(node, Binary::Greater, counts, zero)?;
    context.push(node, Op::Where, &[has_votes, scores, never])
}

/// 1 where the one score is above the threshold, as a class index.
fn above(node: &NodeView, context: &mut Context, score: NodeId, threshold: NodeId) -> Result<NodeId> {
    let above = context.binary(node, Binary::Greater, score, threshold)?;
    let class = context.cast(node, DType::I64, above)?;
    context.reshape(node, &[1], class)
}
