//! A model: operators in evaluation order, each with one result.

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::op::Op;
use crate::tensor::{DType, Field, Row, Tensor};

/// The place of a node, and so of its result, in [`Model::nodes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeId(pub usize);

/// One operator and where its inputs come from. Every node has exactly one result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// The name the ONNX file gives the node (or its result); what messages show.
    pub name: String,
    /// What it computes.
    pub op: Op,
    /// The nodes whose results it reads, all of them earlier.
    pub inputs: Vec<NodeId>,
    /// The element type of the result.
    pub dtype: DType,
    /// The shape of the result for one row.
    pub shape: Vec<usize>,
}

/// One output of the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// Its name, type and shape of one row.
    pub field: Field,
    /// The node whose result it is.
    pub node: NodeId,
}

/// A float graph. Made by [`super::Builder`], which checks it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Model {
    pub(super) inputs: Vec<Field>,
    pub(super) nodes: Vec<Node>,
    pub(super) outputs: Vec<Output>,
}

impl Model {
    /// What one row of input holds.
    pub fn inputs(&self) -> &[Field] {
        &self.inputs
    }

    /// The nodes, in an order in which each comes after its inputs.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The node at `id`.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }

    /// What the model computes.
    pub fn outputs(&self) -> &[Output] {
        &self.outputs
    }

    /// The outputs for one row, one tensor for each of [`Model::outputs`].
    ///
    /// # Errors
    /// If the row does not fit [`Model::inputs`], or a node cannot be computed on these values.
    pub fn evaluate(&self, row: &[Tensor]) -> Result<Row> {
        let results = self.evaluate_nodes(row)?;
        Ok(self.outputs.iter().map(|output| results[output.node.0].clone()).collect())
    }

    /// The result of every node for one row.
    ///
    /// # Errors
    /// As [`Model::evaluate`].
    pub fn evaluate_nodes(&self, row: &[Tensor]) -> Result<Vec<Tensor>> {
        self.check_row(row)?;
        let mut results: Vec<Tensor> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let result = match &node.op {
                Op::Input(index) => row[*index].clone(),
                op => {
                    let inputs: Vec<&Tensor> = node.inputs.iter().map(|id| &results[id.0]).collect();
                    op.evaluate(&inputs).with_context(|| format!("cannot compute node '{}'", node.name))?
                }
            };
            results.push(result);
        }
        Ok(results)
    }

    fn check_row(&self, row: &[Tensor]) -> Result<()> {
        if row.len() != self.inputs.len() {
            bail!("the model has {} inputs, the row has {}", self.inputs.len(), row.len());
        }
        for (field, tensor) in self.inputs.iter().zip(row) {
            if tensor.shape() != field.batch_shape() {
                bail!(
                    "input '{}' has shape {:?}, the row has {:?}",
                    field.name,
                    field.batch_shape(),
                    tensor.shape()
                );
            }
        }
        Ok(())
    }
}
