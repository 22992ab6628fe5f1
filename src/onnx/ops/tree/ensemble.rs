//! TreeEnsemble, which lists branches and leaves apart.

use anyhow::{Context as _, Result, bail};

use super::listed::same_length;
use super::numbers::Numbers;
use super::{precision, refuse_probit, scores, targets};
use crate::model::NodeId;
use crate::model::op::{Aggregate, Test, TreeNode, TreeParts, Vote};
use crate::onnx::context::Context;
use crate::onnx::node::NodeView;
use crate::onnx::ops::post_transform::PostTransform;
use crate::onnx::problem::unsupported;

/// A score a target, in the precision that the trees compute in.
pub(super) fn read(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let count = targets(node.attributes.int("n_targets", 1)?)?;
    let transform = transform(node.attributes.int("post_transform", 0)?, count)?;
    let lists = Lists::read(node)?;
    let is_double = [&lists.splits, &lists.members, &lists.weights].iter().any(|numbers| numbers.is_double);
    let dtype = precision(node, context, is_double)?;
    let (nodes, roots) = (lists.nodes()?, lists.roots()?);
    let votes = lists.votes()?;
    let aggregate = aggregate(node.attributes.int("aggregate_function", 1)?)?;
    let base = vec![0.0; count];
    let parts = TreeParts { dtype, features: 0, targets: count, aggregate, base, nodes, roots, votes };
    let scores = scores(node, context, parts)?;
    Ok(vec![transform.apply(node, context, scores)?])
}

fn aggregate(number: i64) -> Result<Aggregate> {
    Ok(match number {
        0 => Aggregate::Average,
        1 => Aggregate::Sum,
        2 => Aggregate::Min,
        3 => Aggregate::Max,
        other => bail!("its aggregate function is {other}, which is not known"),
    })
}

/// A single score is not transformed. Of several, softmax and logistic have each other's number in
/// onnxruntime, so neither can be taken at its word.
fn transform(number: i64, targets: usize) -> Result<PostTransform> {
    Ok(match number {
        4 => {
            refuse_probit(PostTransform::Probit)?;
            PostTransform::Probit
        }
        0 => PostTransform::None,
        1..=3 if targets == 1 => PostTransform::None,
        1 | 2 => {
            return Err(unsupported(format!(
                "post transform {number} is softmax to one runtime and logistic to another\n\
                 hint: export raw scores, followed by a Softmax or Sigmoid node"
            )));
        }
        3 => PostTransform::SoftmaxZero,
        other => bail!("its post transform is {other}, which is not known"),
    })
}

/// The attributes: those of branches have one length, those of leaves another.
struct Lists<'a> {
    modes: Vec<f64>,
    features: &'a [i64],
    splits: Numbers,
    /// The sets of membership tests, NaN after each but perhaps the last.
    members: Numbers,
    passed: Children<'a>,
    failed: Children<'a>,
    missing: &'a [i64],
    roots: &'a [i64],
    targets: &'a [i64],
    weights: Numbers,
}

/// Where branches lead: to branches or to leaves.
struct Children<'a> {
    ids: &'a [i64],
    are_leaves: &'a [i64],
}

impl<'a> Lists<'a> {
    fn read(node: &NodeView<'a>) -> Result<Self> {
        let attributes = &node.attributes;
        let ints = |name: &str| Ok::<_, anyhow::Error>(attributes.ints(name)?.unwrap_or_default());
        let modes = attributes.tensor("nodes_modes")?.context("its 'nodes_modes' are missing")?;
        let children = |side: &str| {
            let ids = ints(&format!("nodes_{side}nodeids"))?;
            let are_leaves = ints(&format!("nodes_{side}leafs"))?;
            Ok::<_, anyhow::Error>(Children { ids, are_leaves })
        };
        let lists = Self {
            modes: modes.as_numbers()?.iter().copied().collect(),
            features: ints("nodes_featureids")?,
            splits: Numbers::tensor(attributes, "nodes_splits")?,
            members: Numbers::tensor(attributes, "membership_values")?,
            passed: children("true")?,
            failed: children("false")?,
            missing: ints("nodes_missing_value_tracks_true")?,
            roots: ints("tree_roots")?,
            targets: ints("leaf_targetids")?,
            weights: Numbers::tensor(attributes, "leaf_weights")?,
        };
        lists.check_lengths()?;
        Ok(lists)
    }

    fn check_lengths(&self) -> Result<()> {
        let branches = self.modes.len();
        same_length(&[
            ("nodes_modes", branches),
            ("nodes_featureids", self.features.len()),
            ("nodes_splits", self.splits.values.len()),
            ("nodes_truenodeids", self.passed.ids.len()),
            ("nodes_trueleafs", self.passed.are_leaves.len()),
            ("nodes_falsenodeids", self.failed.ids.len()),
            ("nodes_falseleafs", self.failed.are_leaves.len()),
        ])?;
        if !self.missing.is_empty() {
            let missing = ("nodes_missing_value_tracks_true", self.missing.len());
            same_length(&[("nodes_modes", branches), missing])?;
        }
        same_length(&[("leaf_targetids", self.targets.len()), ("leaf_weights", self.weights.values.len())])
    }

    /// The branches in their order, then a leaf of its own for each way to one. Several ways may
    /// lead to the same vote: so a tree of one leaf is written, as a branch that leads there twice.
    fn nodes(&self) -> Result<Vec<TreeNode>> {
        let mut sets = self.members.values.split(|value| value.is_nan());
        let mut leaves = Vec::new();
        let mut nodes = Vec::with_capacity(self.modes.len());
        for place in 0..self.modes.len() {
            let mut child = |children: &Children| self.child(children, place, &mut leaves);
            let (passed, failed) = (child(&self.passed)?, child(&self.failed)?);
            let feature = self.features[place]; // all lists are as long as `modes`
            let Ok(feature) = usize::try_from(feature) else {
                bail!("the node at [{place}] tests feature {feature}");
            };
            let test = test(self.modes[place], self.splits.values[place], &mut sets)
                .with_context(|| format!("the node at [{place}] cannot be read"))?;
            let missing_passes = self.missing.get(place) == Some(&1);
            nodes.push(TreeNode::Branch { feature, test, missing_passes, passed, failed });
        }
        nodes.append(&mut leaves);
        Ok(nodes)
    }

    /// The place of a child; a leaf is made for it.
    fn child(&self, children: &Children, place: usize, leaves: &mut Vec<TreeNode>) -> Result<usize> {
        let (id, is_leaf) = (children.ids[place], children.are_leaves[place] != 0);
        let limit = if is_leaf { self.targets.len() } else { self.modes.len() };
        let Some(child) = usize::try_from(id).ok().filter(|&child| child < limit) else {
            let kind = if is_leaf { "leaf" } else { "node" };
            bail!("the node at [{place}] leads to {kind} {id}, there are {limit}");
        };
        if !is_leaf {
            return Ok(child);
        }
        leaves.push(TreeNode::Leaf { votes: child..child + 1 });
        Ok(self.modes.len() + leaves.len() - 1)
    }

    fn roots(&self) -> Result<Vec<usize>> {
        let root = |&root: &i64| match usize::try_from(root) {
            Ok(place) if place < self.modes.len() => Ok(place),
            _ => bail!("a tree starts at node {root}, there are {}", self.modes.len()),
        };
        self.roots.iter().map(root).collect()
    }

    fn votes(&self) -> Result<Vec<Vote>> {
        let pairs = self.targets.iter().zip(&self.weights.values);
        let vote = |(&target, &weight): (&i64, &f64)| match usize::try_from(target) {
            Ok(target) => Ok(Vote { target, weight }),
            Err(_) => bail!("a leaf votes on target {target}"),
        };
        pairs.map(vote).collect()
    }
}

fn test<'m>(mode: f64, split: f64, sets: &mut impl Iterator<Item = &'m [f64]>) -> Result<Test> {
    Ok(match mode {
        0.0 => Test::AtMost(split),
        1.0 => Test::Below(split),
        2.0 => Test::AtLeast(split),
        3.0 => Test::Above(split),
        4.0 => Test::Equal(split),
        5.0 => Test::NotEqual(split),
        6.0 => {
            let set = sets.next().filter(|set| !set.is_empty());
            Test::Member(set.context("its 'membership_values' are missing")?.to_vec())
        }
        other => bail!("its mode is {other}, which is not known"),
    })
}
