//! What a reader sees of the node it reads.

use anyhow::{Result, bail};

use super::attributes::Attributes;
use crate::model::NodeId;

/// One ONNX node whose inputs are known.
pub(super) struct NodeView<'a> {
    /// What messages call it.
    pub(super) name: String,
    /// The operator.
    pub(super) op: &'a str,
    /// The version of the operator set that defines it.
    pub(super) opset: i64,
    /// The results it reads; none where an optional input is left out.
    pub(super) inputs: Vec<Option<NodeId>>,
    /// How many results it has.
    pub(super) outputs: usize,
    /// Its attributes.
    pub(super) attributes: Attributes<'a>,
}

impl NodeView<'_> {
    /// An input that must be there.
    ///
    /// # Errors
    /// If it is not.
    pub(super) fn input(&self, index: usize) -> Result<NodeId> {
        match self.optional(index) {
            Some(id) => Ok(id),
            None => bail!("input {index} is missing: the node has {}", self.inputs.len()),
        }
    }

    /// An input that may be left out.
    pub(super) fn optional(&self, index: usize) -> Option<NodeId> {
        self.inputs.get(index).copied().flatten()
    }

    /// All inputs of an operator that takes any number, but at least one.
    ///
    /// # Errors
    /// If one is left out, or there is none.
    pub(super) fn all_inputs(&self) -> Result<Vec<NodeId>> {
        (0..self.inputs.len().max(1)).map(|index| self.input(index)).collect()
    }
}

/// An axis counted from the start; ONNX counts from the end with negative numbers.
///
/// # Errors
/// If there is no such axis.
pub(super) fn axis(axis: i64, rank: usize) -> Result<usize> {
    let signed = i64::try_from(rank)?;
    let from_start = if axis < 0 { axis.checked_add(signed) } else { Some(axis) };
    match from_start.map(usize::try_from) {
        Some(Ok(index)) if index < rank => Ok(index),
        _ => bail!("axis {axis} does not exist: the tensor has {rank} axes"),
    }
}

/// Several axes, in the order given.
///
/// # Errors
/// If one does not exist, or comes twice.
pub(super) fn axes(axes: &[i64], rank: usize) -> Result<Vec<usize>> {
    let mut found = Vec::with_capacity(axes.len().min(rank));
    for &number in axes {
        let index = axis(number, rank)?;
        if found.contains(&index) {
            bail!("axis {number} comes twice in {axes:?}");
        }
        found.push(index);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn negative_axes_count_from_the_end() {
        assert_eq!(axis(-1, 3).unwrap(), 2);
        assert_eq!(axes(&[0, -1], 2).unwrap(), [0, 1]);
        assert!(axis(2, 2).is_err());
        assert!(axis(i64::MIN, 2).is_err());
        assert!(axes(&[1, -1], 2).is_err());
    }
}
