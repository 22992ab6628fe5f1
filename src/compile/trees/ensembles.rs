//! The ensembles of a model's core, and what their nodes ask.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};

use super::question::Question;
use crate::compile::split::Split;
use crate::model::op::{Aggregate, TreeNode, TreeParts};
use crate::model::{Model, NodeId, Op};
use crate::tensor::DType;

/// One ensemble of the model, its features as variables.
pub(super) struct Ensemble<'a> {
    /// The name of its node.
    pub name: &'a str,
    /// What it is made of.
    pub parts: &'a TreeParts,
    /// The variable that its first feature is.
    pub first_variable: u32,
}

impl Ensemble<'_> {
    /// Whether the largest vote counts, or the least; `None` if votes are added up.
    pub fn largest(&self) -> Option<bool> {
        match self.parts.aggregate {
            Aggregate::Sum | Aggregate::Average => None,
            Aggregate::Min => Some(false),
            Aggregate::Max => Some(true),
        }
    }
}

/// A node's question, and where the node is.
pub(super) struct Asked<'a> {
    /// The number of the ensemble and the place in it.
    pub node: (usize, usize),
    /// The type of the ensemble.
    pub dtype: DType,
    /// The question.
    pub question: Question<'a>,
}

/// The core's ensembles in the order in which their scores are decrypted.
///
/// # Errors
/// If something else than trees is decrypted.
pub(super) fn ensembles<'a>(model: &'a Model, split: &Split) -> Result<Vec<Ensemble<'a>>> {
    let width = |id: &NodeId| model.node(*id).shape.iter().product::<usize>();
    let mut ensembles = Vec::new();
    for id in split.decrypted() {
        let node = model.node(*id);
        let Op::Trees(ensemble) = &node.op else {
            bail!("'{}' ({}) is decrypted and no tree", node.name, node.op)
        };
        let source = node.inputs.first().context("trees without features")?;
        let before = split.encrypted().iter().take_while(|id| *id != source);
        let first_variable = before.map(width).sum::<usize>() as u32;
        ensembles.push(Ensemble { name: &node.name, parts: ensemble.parts(), first_variable });
    }
    Ok(ensembles)
}

/// What is asked of each variable.
pub(super) fn questions<'a>(ensembles: &[Ensemble<'a>]) -> BTreeMap<u32, Vec<Asked<'a>>> {
    let mut questions: BTreeMap<u32, Vec<Asked<'a>>> = BTreeMap::new();
    for (number, ensemble) in ensembles.iter().enumerate() {
        for (place, node) in ensemble.parts.nodes.iter().enumerate() {
            let TreeNode::Branch { feature, test, missing_passes, .. } = node else { continue };
            let question = Question { test, missing_passes: *missing_passes };
            let asked = Asked { node: (number, place), dtype: ensemble.parts.dtype, question };
            questions.entry(ensemble.first_variable + *feature as u32).or_default().push(asked);
        }
    }
    questions
}
