//! Nodes listed by the ids of their tree and their own, as the operators before `TreeEnsemble` do.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail};

use super::chains;
use super::numbers::Numbers;
use crate::model::op::{Aggregate, Test, TreeNode, TreeParts, Vote};
use crate::onnx::node::NodeView;
use crate::tensor::DType;

/// The nodes of a classifier or regressor, in the order of the file.
pub(super) struct Listed {
    pub(super) nodes: Vec<TreeNode>,
    pub(super) roots: Vec<usize>,
    pub(super) votes: Vec<Vote>,
    /// Whether some of the numbers are in double precision.
    pub(super) is_double: bool,
}

/// What names a node: the ids of its tree and its own.
type Key = (i64, i64);

impl Listed {
    /// Reads the attributes `nodes_*`, and those of leaves, which start with `class` or `target`.
    ///
    /// # Errors
    /// If lists differ in length, or nodes are missing, come twice or form no trees.
    pub(super) fn read(node: &NodeView, side: &str) -> Result<Self> {
        let lists = Lists::read(node)?;
        let places = lists.places()?;
        let (ballots, weights) = ballots(node, side, &places)?;
        let mut votes = Vec::new();
        let mut nodes = Vec::with_capacity(lists.keys.len());
        for place in 0..lists.keys.len() {
            if lists.modes[place] == "LEAF" {
                let start = votes.len();
                votes.extend(ballots.get(&place).into_iter().flatten());
                nodes.push(TreeNode::Leaf { votes: start..votes.len() });
            } else {
                nodes.push(lists.branch(place, &places)?);
            }
        }
        let roots = roots(&lists.keys, &nodes)?;
        let (nodes, roots) = chains::join(nodes, &roots);
        let is_double = lists.values.is_double || weights.is_double;
        Ok(Self { nodes, roots, votes, is_double })
    }

    /// Of each leaf the place of its tree and its votes.
    pub(super) fn leaves(&self) -> impl Iterator<Item = (usize, &[Vote])> {
        let Self { nodes, roots, votes, .. } = self;
        let mut open: Vec<(usize, usize)> = roots.iter().copied().enumerate().collect();
        let mut steps = nodes.len();
        std::iter::from_fn(move || {
            while let Some((tree, place)) = open.pop() {
                // A circle would take more steps than there are nodes; it is refused later.
                steps = steps.checked_sub(1)?;
                match nodes.get(place)? {
                    TreeNode::Branch { passed, failed, .. } => {
                        open.extend([(tree, *passed), (tree, *failed)])
                    }
                    TreeNode::Leaf { votes: range } => {
                        return Some((tree, votes.get(range.clone()).unwrap_or_default()));
                    }
                }
            }
            None
        })
    }

    /// The targets that get votes from every row: all leaves of some tree vote on them.
    pub(super) fn always_voted(&self) -> BTreeSet<usize> {
        let mut leaves = vec![0_usize; self.roots.len()];
        let mut voters: BTreeMap<(usize, usize), usize> = BTreeMap::new();
        for (tree, votes) in self.leaves() {
            leaves[tree] += 1; // trees are counted by their roots
            for vote in votes {
                *voters.entry((tree, vote.target)).or_default() += 1;
            }
        }
        let all = voters.into_iter().filter(|((tree, _), voters)| leaves.get(*tree) == Some(voters));
        all.map(|((_, target), _)| target).collect()
    }

    /// An ensemble of these nodes; the number of features is still open.
    pub(super) fn into_parts(self, dtype: DType, aggregate: Aggregate, base: Vec<f64>) -> TreeParts {
        let Self { nodes, roots, votes, .. } = self;
        TreeParts { dtype, features: 0, targets: base.len(), aggregate, base, nodes, roots, votes }
    }
}

/// The attributes of nodes, all of one length: an index good for one is good for all.
struct Lists<'a> {
    keys: Vec<Key>,
    modes: Vec<String>,
    features: &'a [i64],
    values: Numbers,
    passed: &'a [i64],
    failed: &'a [i64],
    missing: &'a [i64],
}

impl<'a> Lists<'a> {
    fn read(node: &NodeView<'a>) -> Result<Self> {
        let attributes = &node.attributes;
        let ints = |name: &str| Ok::<_, anyhow::Error>(attributes.ints(name)?.unwrap_or_default());
        let (trees, ids) = (ints("nodes_treeids")?, ints("nodes_nodeids")?);
        let lists = Self {
            keys: trees.iter().copied().zip(ids.iter().copied()).collect(),
            modes: attributes.texts("nodes_modes")?.unwrap_or_default(),
            features: ints("nodes_featureids")?,
            values: Numbers::listed(attributes, "nodes_values")?,
            passed: ints("nodes_truenodeids")?,
            failed: ints("nodes_falsenodeids")?,
            missing: ints("nodes_missing_value_tracks_true")?,
        };
        same_length(&[
            ("nodes_treeids", trees.len()),
            ("nodes_nodeids", ids.len()),
            ("nodes_modes", lists.modes.len()),
            ("nodes_featureids", lists.features.len()),
            ("nodes_values", lists.values.values.len()),
            ("nodes_truenodeids", lists.passed.len()),
            ("nodes_falsenodeids", lists.failed.len()),
        ])?;
        if !lists.missing.is_empty() {
            same_length(&[
                ("nodes_treeids", trees.len()),
                ("nodes_missing_value_tracks_true", lists.missing.len()),
            ])?;
        }
        Ok(lists)
    }

    fn places(&self) -> Result<BTreeMap<Key, usize>> {
        let mut places = BTreeMap::new();
        for (place, &key) in self.keys.iter().enumerate() {
            if places.insert(key, place).is_some() {
                bail!("{} comes twice", shown(key));
            }
        }
        Ok(places)
    }

    /// The node at a place that is not a leaf.
    fn branch(&self, place: usize, places: &BTreeMap<Key, usize>) -> Result<TreeNode> {
        let key = self.keys[place];
        let child = |id: i64| {
            let found = places.get(&(key.0, id)).copied();
            found.with_context(|| format!("{} leads to node {id}, which does not exist", shown(key)))
        };
        let feature = self.features[place];
        let Ok(feature) = usize::try_from(feature) else {
            bail!("{} tests feature {feature}", shown(key));
        };
        Ok(TreeNode::Branch {
            feature,
            test: test(&self.modes[place], self.values.values[place])
                .with_context(|| format!("{} cannot be read", shown(key)))?,
            missing_passes: self.missing.get(place) == Some(&1),
            passed: child(self.passed[place])?,
            failed: child(self.failed[place])?,
        })
    }
}

fn shown((tree, id): Key) -> String {
    format!("node {id} of tree {tree}")
}

fn test(mode: &str, value: f64) -> Result<Test> {
    Ok(match mode {
        "BRANCH_LEQ" => Test::AtMost(value),
        "BRANCH_LT" => Test::Below(value),
        "BRANCH_GTE" => Test::AtLeast(value),
        "BRANCH_GT" => Test::Above(value),
        "BRANCH_EQ" => Test::Equal(value),
        "BRANCH_NEQ" => Test::NotEqual(value),
        other => bail!("its mode is '{other}', which is not known"),
    })
}

/// What each node votes, and the weights as they were read.
fn ballots(
    node: &NodeView,
    side: &str,
    places: &BTreeMap<Key, usize>,
) -> Result<(BTreeMap<usize, Vec<Vote>>, Numbers)> {
    let name = |list: &str| format!("{side}_{list}");
    let ints = |list: &str| Ok::<_, anyhow::Error>(node.attributes.ints(&name(list))?.unwrap_or_default());
    let (trees, ids, targets) = (ints("treeids")?, ints("nodeids")?, ints("ids")?);
    let weights = Numbers::listed(&node.attributes, &name("weights"))?;
    same_length(&[
        (&name("treeids"), trees.len()),
        (&name("nodeids"), ids.len()),
        (&name("ids"), targets.len()),
        (&name("weights"), weights.values.len()),
    ])?;
    let mut ballots: BTreeMap<usize, Vec<Vote>> = BTreeMap::new();
    for (((&tree, &id), &target), &weight) in trees.iter().zip(ids).zip(targets).zip(&weights.values) {
        let Some(place) = places.get(&(tree, id)) else {
            bail!("{} votes but does not exist", shown((tree, id)));
        };
        let Ok(target) = usize::try_from(target) else {
            bail!("{} votes on target {target}", shown((tree, id)));
        };
        ballots.entry(*place).or_default().push(Vote { target, weight });
    }
    Ok((ballots, weights))
}

/// In every tree, the one node that no other leads to; trees in the order of their roots.
fn roots(keys: &[Key], nodes: &[TreeNode]) -> Result<Vec<usize>> {
    let mut is_child = vec![false; nodes.len()];
    for node in nodes {
        if let TreeNode::Branch { passed, failed, .. } = node {
            // Children were found among the nodes.
            is_child[*passed] = true;
            is_child[*failed] = true;
        }
    }
    let mut root_of: BTreeMap<i64, Option<i64>> = keys.iter().map(|key| (key.0, None)).collect();
    let mut roots = Vec::with_capacity(root_of.len());
    for (place, &(tree, id)) in keys.iter().enumerate().filter(|(place, _)| !is_child[*place]) {
        if let Some(Some(other)) = root_of.insert(tree, Some(id)) {
            bail!("nothing leads to nodes {other} and {id} of tree {tree}: a tree has one root");
        }
        roots.push(place);
    }
    match root_of.iter().find(|(_, root)| root.is_none()) {
        Some((tree, _)) => bail!("tree {tree} has no root: its nodes lead in a circle"),
        None => Ok(roots),
    }
}

/// Refuses lists that do not belong together.
pub(super) fn same_length(lists: &[(&str, usize)]) -> Result<()> {
    let [(first, expected), ..] = lists else { return Ok(()) };
    match lists.iter().find(|(_, length)| length != expected) {
        Some((name, length)) => bail!("'{first}' has {expected} entries and '{name}' has {length}"),
        None => Ok(()),
    }
}
