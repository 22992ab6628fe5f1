//! Builds a model node by node: checks, infers shapes and folds constants as it goes.

use anyhow::{Context, Result, bail};

use super::graph::{Model, Node, NodeId, Output};
use super::op::Op;
use crate::tensor::{DType, Field, Tensor};

/// A model under construction.
///
/// Shapes and types are inferred by evaluating each operator once on zeros, so an operator is
/// described in one place only. A node all of whose inputs are constant becomes a constant.
#[derive(Default)]
pub struct Builder {
    inputs: Vec<Field>,
    nodes: Vec<Node>,
    probes: Vec<Tensor>,
    outputs: Vec<Output>,
}

impl Builder {
    /// An empty model.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an input of the model.
    pub fn input(&mut self, field: Field) -> NodeId {
        let probe = Tensor::zeros(field.dtype, &field.batch_shape());
        let name = field.name.clone();
        self.inputs.push(field);
        self.insert(name, Op::Input(self.inputs.len() - 1), Vec::new(), probe)
    }

    /// Adds a constant.
    pub fn constant(&mut self, name: &str, value: Tensor) -> NodeId {
        self.insert(name.to_owned(), Op::Constant(value.clone()), Vec::new(), value)
    }

    /// Adds an operator on earlier results.
    ///
    /// # Errors
    /// If the operator cannot take inputs of these types and shapes.
    pub fn push(&mut self, name: &str, op: Op, inputs: &[NodeId]) -> Result<NodeId> {
        let probes: Vec<&Tensor> = inputs.iter().map(|id| &self.probes[id.0]).collect();
        let probe = op.evaluate(&probes)?;
        if inputs.iter().all(|id| self.as_constant(*id).is_some()) {
            return Ok(self.constant(name, probe));
        }
        Ok(self.insert(name.to_owned(), op, inputs.to_vec(), probe))
    }

    /// Declares a result to be an output of the model. A leading batch axis of 1 is left out of
    /// its row shape.
    pub fn output(&mut self, name: &str, node: NodeId, columns: Option<Vec<String>>) {
        let shape = self.shape(node);
        let shape = shape.strip_prefix(&[1]).unwrap_or(shape).to_vec();
        let field = Field { name: name.to_owned(), dtype: self.dtype(node), shape, columns };
        self.outputs.push(Output { field, node });
    }

    /// The value of a result that does not depend on the input.
    pub fn as_constant(&self, id: NodeId) -> Option<&Tensor> {
        match &self.nodes[id.0].op {
            Op::Constant(value) => Some(value),
            _ => None,
        }
    }

    /// The shape of a result, batch axis included.
    pub fn shape(&self, id: NodeId) -> &[usize] {
        &self.nodes[id.0].shape
    }

    /// The element type of a result.
    pub fn dtype(&self, id: NodeId) -> DType {
        self.nodes[id.0].dtype
    }

    /// The finished model, without the nodes that no output depends on.
    ///
    /// # Errors
    /// If there is no output.
    pub fn finish(self) -> Result<Model> {
        if self.outputs.is_empty() {
            bail!("the model has no outputs");
        }
        let model = Model { inputs: self.inputs, nodes: self.nodes, outputs: self.outputs };
        prune(model).context("the model's nodes are out of order")
    }

    fn insert(&mut self, name: String, op: Op, inputs: Vec<NodeId>, probe: Tensor) -> NodeId {
        self.nodes.push(Node { name, op, inputs, dtype: probe.dtype(), shape: probe.shape().to_vec() });
        self.probes.push(probe);
        NodeId(self.nodes.len() - 1)
    }
}

/// Drops what no output needs; inputs stay, so that rows keep their layout.
fn prune(model: Model) -> Result<Model> {
    let mut needed = vec![false; model.nodes.len()];
    for output in &model.outputs {
        needed[output.node.0] = true;
    }
    for (index, node) in model.nodes.iter().enumerate().rev() {
        if matches!(node.op, Op::Input(_)) {
            needed[index] = true;
        }
        if needed[index] {
            node.inputs.iter().for_each(|id| needed[id.0] = true);
        }
    }
    let mut moved = vec![None; model.nodes.len()];
    let mut nodes = Vec::new();
    for (index, mut node) in model.nodes.into_iter().enumerate() {
        if !needed[index] {
            continue;
        }
        for id in &mut node.inputs {
            *id = moved[id.0].with_context(|| format!("node '{}' reads a later one", node.name))?;
        }
        moved[index] = Some(NodeId(nodes.len()));
        nodes.push(node);
    }
    let mut outputs = model.outputs;
    for output in &mut outputs {
        output.node = moved[output.node.0].context("an output is missing")?;
    }
    Ok(Model { inputs: model.inputs, nodes, outputs })
}
