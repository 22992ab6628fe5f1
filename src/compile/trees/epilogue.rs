//! What follows trees, in the clear, where several scores stand for one.

use anyhow::Result;

use super::forest::Extremes;
use crate::compile::split::Split;
use crate::compile::subgraph;
use crate::model::op::{Move, Reduction, SliceRange};
use crate::model::{Builder, Model, NodeId, Op};
use crate::tensor::Field;

/// From the scores of a forest to the model's outputs.
///
/// # Errors
/// If a node cannot be copied.
pub fn epilogue(model: &Model, split: &Split, extremes: &[Option<Extremes>]) -> Result<Model> {
    subgraph::epilogue_after(model, split, |builder| {
        let ensembles = split.decrypted().iter().zip(extremes);
        let scores = ensembles.map(|(id, extremes)| {
            let node = model.node(*id);
            let targets: usize = node.shape.iter().product();
            let count = extremes.as_ref().map_or(targets, |extremes| extremes.counts.iter().sum());
            let shape = vec![count];
            let field = Field { name: node.name.clone(), dtype: node.dtype, shape, columns: None };
            let scores = builder.input(field);
            extremes.iter().try_fold(scores, |scores, extremes| extremes.of(builder, &node.name, scores))
        });
        scores.collect()
    })
}

impl Extremes {
    /// The extreme of each target's scores.
    fn of(&self, builder: &mut Builder, name: &str, scores: NodeId) -> Result<NodeId> {
        let reduction = if self.largest { Reduction::Max } else { Reduction::Min };
        let mut start = 0;
        let mut joined = Vec::with_capacity(self.counts.len());
        for count in &self.counts {
            let ranges = [(0, 1), (start, *count)].map(|(start, count)| SliceRange { start, step: 1, count });
            let own = Op::Move(Move::Slice { ranges: ranges.to_vec() });
            let own = builder.push(name, own, &[scores])?;
            let extreme = Op::Reduce { reduction, axes: vec![1], keep_dims: true };
            joined.push(builder.push(name, extreme, &[own])?);
            start += count;
        }
        builder.push(name, Op::Concat { axis: 1 }, &joined)
    }
}
