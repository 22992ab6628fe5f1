//! Ensembles of trees drawn from bytes, and as what ONNX node each is written.

use libfuzzer_sys::arbitrary::{Result, Unstructured};
use tract_onnx::pb::NodeProto;

use crate::onnx::{Given, node, with};

/// The features of a row.
pub const FEATURES: usize = 3;
const MODES: [&str; 6] = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"];
/// The mode that asks for membership, which only `TreeEnsemble` has.
const MEMBER: usize = MODES.len();
const MAX_DEPTH: usize = 4;
const MAX_TREES: usize = 3;

/// A tree with one vote at each leaf.
pub enum Tree {
    Leaf {
        target: i64,
        weight: f32,
    },
    Branch {
        mode: usize,
        feature: usize,
        values: Vec<f32>,
        missing: bool,
        passed: Box<Tree>,
        failed: Box<Tree>,
    },
}

/// The ensemble's trees.
pub fn draw(from: &mut Unstructured, modes: usize, targets: i64) -> Result<Vec<Tree>> {
    let count = from.int_in_range(1..=MAX_TREES)?;
    (0..count).map(|_| Tree::branch(from, modes, targets, MAX_DEPTH)).collect()
}

/// A number that others are likely to be equal to.
pub fn number(from: &mut Unstructured) -> Result<f32> {
    Ok(match from.int_in_range(0..=9)? {
        9 => from.arbitrary()?,
        small => small as f32,
    })
}

impl Tree {
    fn draw(from: &mut Unstructured, modes: usize, targets: i64, depth: usize) -> Result<Self> {
        if depth > 0 && from.arbitrary()? {
            return Self::branch(from, modes, targets, depth);
        }
        Ok(Self::Leaf { target: from.int_in_range(0..=targets - 1)?, weight: number(from)? })
    }

    fn branch(from: &mut Unstructured, modes: usize, targets: i64, depth: usize) -> Result<Self> {
        let mode = from.int_in_range(0..=modes - 1)?;
        let values = if mode == MEMBER { from.int_in_range(1..=3)? } else { 1 };
        Ok(Self::Branch {
            mode,
            feature: from.int_in_range(0..=FEATURES - 1)?,
            values: (0..values).map(|_| number(from)).collect::<Result<_>>()?,
            missing: from.arbitrary()?,
            passed: Box::new(Self::draw(from, modes, targets, depth - 1)?),
            failed: Box::new(Self::draw(from, modes, targets, depth - 1)?),
        })
    }

    /// The weight of the leaf that a row comes to.
    pub fn evaluate(&self, row: &[f32]) -> f32 {
        match self {
            Self::Leaf { weight, .. } => *weight,
            Self::Branch { mode, feature, values, missing, passed, failed } => {
                let (x, value) = (row[*feature], values[0]);
                let passes = match mode {
                    0 => x <= value,
                    1 => x < value,
                    2 => x >= value,
                    3 => x > value,
                    4 => x == value,
                    5 => x != value,
                    _ => values.contains(&x),
                };
                if passes || (*missing && x.is_nan()) { passed.evaluate(row) } else { failed.evaluate(row) }
            }
        }
    }
}

/// As TreeEnsembleClassifier or TreeEnsembleRegressor.
pub mod listed {
    use super::*;

    pub const MODES: usize = super::MODES.len();

    #[derive(Default)]
    struct Lists {
        trees: Vec<i64>,
        ids: Vec<i64>,
        modes: Vec<&'static str>,
        features: Vec<i64>,
        values: Vec<f32>,
        missing: Vec<i64>,
        passed: Vec<i64>,
        failed: Vec<i64>,
        votes: Vec<(i64, i64, i64, f32)>,
    }

    /// The node; the attributes of its leaves start with `side`.
    pub fn write(op: &str, outputs: &[&str], side: &str, trees: &[Tree]) -> NodeProto {
        let mut lists = Lists::default();
        for (number, tree) in trees.iter().enumerate() {
            let first = lists.ids.len();
            lists.add(tree, number as i64, first);
        }
        let vote = |pick: fn(&(i64, i64, i64, f32)) -> i64| lists.votes.iter().map(pick).collect::<Vec<_>>();
        let weights = lists.votes.iter().map(|vote| vote.3).collect();
        [
            ("nodes_treeids".to_owned(), Given::Ints(lists.trees.clone())),
            ("nodes_nodeids".to_owned(), Given::Ints(lists.ids.clone())),
            ("nodes_modes".to_owned(), Given::Texts(lists.modes.clone())),
            ("nodes_featureids".to_owned(), Given::Ints(lists.features.clone())),
            ("nodes_values".to_owned(), Given::Floats(lists.values.clone())),
            ("nodes_missing_value_tracks_true".to_owned(), Given::Ints(lists.missing.clone())),
            ("nodes_truenodeids".to_owned(), Given::Ints(lists.passed.clone())),
            ("nodes_falsenodeids".to_owned(), Given::Ints(lists.failed.clone())),
            (format!("{side}_treeids"), Given::Ints(vote(|vote| vote.0))),
            (format!("{side}_nodeids"), Given::Ints(vote(|vote| vote.1))),
            (format!("{side}_ids"), Given::Ints(vote(|vote| vote.2))),
            (format!("{side}_weights"), Given::Floats(weights)),
        ]
        .into_iter()
        .fold(node(op, outputs), |node, (name, given)| with(node, &name, given))
    }

    impl Lists {
        /// The id of the tree's first node, counted from the one at `first`.
        fn add(&mut self, tree: &Tree, number: i64, first: usize) -> i64 {
            let place = self.ids.len();
            let id = (place - first) as i64;
            self.trees.push(number);
            self.ids.push(id);
            self.modes.push("LEAF");
            self.features.push(0);
            self.values.push(0.0);
            self.missing.push(0);
            self.passed.push(0);
            self.failed.push(0);
            match tree {
                Tree::Leaf { target, weight } => self.votes.push((number, id, *target, *weight)),
                Tree::Branch { mode, feature, values, missing, passed, failed } => {
                    self.modes[place] = super::MODES[*mode];
                    self.features[place] = *feature as i64;
                    self.values[place] = values[0];
                    self.missing[place] = i64::from(*missing);
                    self.passed[place] = self.add(passed, number, first);
                    self.failed[place] = self.add(failed, number, first);
                }
            }
            id
        }
    }
}

/// As TreeEnsemble.
pub mod split {
    use super::*;

    pub const MODES: usize = MEMBER + 1;

    #[derive(Default)]
    struct Lists {
        modes: Vec<u8>,
        features: Vec<i64>,
        splits: Vec<f32>,
        members: Vec<f32>,
        missing: Vec<i64>,
        passed: Vec<(i64, i64)>,
        failed: Vec<(i64, i64)>,
        targets: Vec<i64>,
        weights: Vec<f32>,
    }

    pub fn write(outputs: &[&str], trees: &[Tree]) -> NodeProto {
        let mut lists = Lists::default();
        let roots = trees.iter().map(|tree| lists.add(tree).0).collect();
        let (passed, passed_leaves) = lists.passed.iter().copied().unzip();
        let (failed, failed_leaves) = lists.failed.iter().copied().unzip();
        [
            ("tree_roots", Given::Ints(roots)),
            ("nodes_modes", Given::Bytes(lists.modes)),
            ("nodes_featureids", Given::Ints(lists.features)),
            ("nodes_splits", Given::FloatTensor(lists.splits)),
            ("membership_values", Given::FloatTensor(lists.members)),
            ("nodes_missing_value_tracks_true", Given::Ints(lists.missing)),
            ("nodes_truenodeids", Given::Ints(passed)),
            ("nodes_trueleafs", Given::Ints(passed_leaves)),
            ("nodes_falsenodeids", Given::Ints(failed)),
            ("nodes_falseleafs", Given::Ints(failed_leaves)),
            ("leaf_targetids", Given::Ints(lists.targets)),
            ("leaf_weights", Given::FloatTensor(lists.weights)),
        ]
        .into_iter()
        .fold(node("TreeEnsemble", outputs), |node, (name, given)| with(node, name, given))
    }

    impl Lists {
        /// The place of the tree's first node, and 1 if that is a leaf.
        fn add(&mut self, tree: &Tree) -> (i64, i64) {
            match tree {
                Tree::Leaf { target, weight } => {
                    self.targets.push(*target);
                    self.weights.push(*weight);
                    (self.targets.len() as i64 - 1, 1)
                }
                Tree::Branch { mode, feature, values, missing, passed, failed } => {
                    let place = self.modes.len();
                    self.modes.push(*mode as u8);
                    self.features.push(*feature as i64);
                    self.splits.push(values[0]);
                    if *mode == MEMBER {
                        self.members.extend(values);
                        self.members.push(f32::NAN);
                    }
                    self.missing.push(i64::from(*missing));
                    self.passed.push((0, 0));
                    self.failed.push((0, 0));
                    self.passed[place] = self.add(passed);
                    self.failed[place] = self.add(failed);
                    (place as i64, 0)
                }
            }
        }
    }
}
