//! Builds a model node by node: checks, infers shapes and folds constants as it goes.

use std::borrow::Cow;

use anyhow::{Context, Result, bail};

use super::graph::{Model, Node, NodeId, Output};
use super::op::Op;
use crate::tensor::{DType, Field, Tensor};

/// A model under construction.
///
/// Shapes and types are inferred by evaluating each operator once, on zeros where its inputs are
/// not constant, so an operator is described in one place only. A node all of whose inputs are
/// constant becomes a constant. A [`NodeId`] is good only for the builder that gave it.
#[derive(Default)]
pub struct Builder {
    inputs: Vec<Field>,
    nodes: Vec<Node>,
    outputs: Vec<Output>,
}

impl Builder {
    /// An empty model.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an input of the model.
    pub fn input(&mut self, field: Field) -> NodeId {
        let (name, dtype, shape) = (field.name.clone(), field.dtype, field.batch_shape());
        self.inputs.push(field);
        self.insert(Node { name, op: Op::Input(self.inputs.len() - 1), inputs: Vec::new(), dtype, shape })
    }

    /// Adds a constant.
    pub fn constant(&mut self, name: &str, value: Tensor) -> NodeId {
        let (dtype, shape) = (value.dtype(), value.shape().to_vec());
        self.insert(Node { name: name.to_owned(), op: Op::Constant(value), inputs: Vec::new(), dtype, shape })
    }

    /// Adds an operator on earlier results.
    ///
    /// # Errors
    /// If the operator cannot take inputs of these types and shapes.
    pub fn push(&mut self, name: &str, op: Op, inputs: &[NodeId]) -> Result<NodeId> {
        let is_constant = inputs.iter().all(|id| self.as_constant(*id).is_some());
        let samples: Vec<Cow<'_, Tensor>> =
            inputs.iter().map(|id| self.node(*id).sample()).collect::<Result<_>>()?;
        let samples: Vec<&Tensor> = samples.iter().map(Cow::as_ref).collect();
        let result = if is_constant { op.evaluate(&samples) } else { op.probe(&samples) };
        let result =
            result.with_context(|| format!("node '{name}' ({op}) cannot take {}", listed(&samples)))?;
        if is_constant {
            return Ok(self.constant(name, result));
        }
        let (dtype, shape) = (result.dtype(), result.shape().to_vec());
        Ok(self.insert(Node { name: name.to_owned(), op, inputs: inputs.to_vec(), dtype, shape }))
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
        if let Op::Constant(value) = &self.node(id).op { Some(value) } else { None }
    }

    /// The shape of a result, batch axis included.
    pub fn shape(&self, id: NodeId) -> &[usize] {
        &self.node(id).shape
    }

    /// The element type of a result.
    pub fn dtype(&self, id: NodeId) -> DType {
        self.node(id).dtype
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

    fn node(&self, id: NodeId) -> &Node {
        // Only `insert` makes ids, of nodes that are never removed.
        &self.nodes[id.0]
    }

    fn insert(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        NodeId(self.nodes.len() - 1)
    }
}

/// Types and shapes in words, for messages.
fn listed(tensors: &[&Tensor]) -> String {
    let parts: Vec<String> =
        tensors.iter().map(|tensor| format!("{} {:?}", tensor.dtype(), tensor.shape())).collect();
    if parts.is_empty() { "no inputs".to_owned() } else { parts.join(" and ") }
}

/// Drops what no output needs; inputs stay, so that rows keep their layout.
fn prune(model: Model) -> Result<Model> {
    // Ids of the builder are places of nodes, so they index all lists as long as `nodes`.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::op::{Binary, Unary};
    use ndarray::{arr1, arr2};

    fn field(dtype: DType, length: usize) -> Field {
        Field { name: "x".to_owned(), dtype, shape: vec![length], columns: None }
    }

    fn single(values: ndarray::ArrayD<f64>) -> Tensor {
        Tensor::numbers(DType::F32, values).unwrap()
    }

    /// sigmoid(x · w + (b + b)), and a node that nothing needs.
    fn logistic() -> Model {
        let mut builder = Builder::new();
        let x = builder.input(field(DType::F32, 2));
        let w = builder.constant("w", single(arr2(&[[1.0], [-1.0]]).into_dyn()));
        let b = builder.constant("b", single(arr1(&[0.5]).into_dyn()));
        let twice = builder.push("twice", Op::Binary(Binary::Add), &[b, b]).unwrap();
        let product = builder.push("product", Op::MatMul, &[x, w]).unwrap();
        builder.push("unused", Op::Unary(Unary::Exp), &[product]).unwrap();
        let sum = builder.push("sum", Op::Binary(Binary::Add), &[product, twice]).unwrap();
        let result = builder.push("result", Op::Unary(Unary::Sigmoid), &[sum]).unwrap();
        builder.output("p", result, None);
        builder.finish().unwrap()
    }

    #[test]
    fn constants_fold_and_unused_nodes_go() {
        let model = logistic();
        let names: Vec<&str> = model.nodes().iter().map(|node| node.name.as_str()).collect();
        assert_eq!(names, ["x", "w", "twice", "product", "sum", "result"]);
        assert_eq!(model.node(NodeId(2)).op, Op::Constant(single(arr1(&[1.0]).into_dyn())));
        assert_eq!(model.outputs()[0].field.shape, [1]);
    }

    #[test]
    fn a_model_computes_its_outputs() {
        let row = [single(arr2(&[[2.0, 3.0]]).into_dyn())];
        let model = logistic();
        assert_eq!(model.evaluate(&row).unwrap(), [single(arr2(&[[0.5]]).into_dyn())]);
        assert_eq!(model.evaluate_nodes(&row).unwrap().len(), model.nodes().len());
    }

    #[test]
    fn misfits_name_the_node_and_its_inputs() {
        let mut builder = Builder::new();
        let x = builder.input(field(DType::F32, 3));
        let w = builder.constant("w", single(arr2(&[[1.0], [-1.0]]).into_dyn()));
        let message = format!("{:#}", builder.push("fc", Op::MatMul, &[x, w]).unwrap_err());
        let expected = "node 'fc' (MatMul) cannot take float32 [1, 3] and float32 [2, 1]: \
                        the inner lengths of [1, 3] times [2, 1] differ";
        assert_eq!(message, expected);
        let message = format!("{:#}", builder.push("fc", Op::MatMul, &[x]).unwrap_err());
        assert!(message.ends_with("expected 2 inputs, found 1"), "{message}");
    }

    #[test]
    fn shapes_are_inferred_where_zeros_would_be_refused() {
        let mut builder = Builder::new();
        let number = builder.input(field(DType::I64, 2));
        let text = builder.input(field(DType::Text, 2));
        let quotient = builder.push("quotient", Op::Binary(Binary::Div), &[number, number]).unwrap();
        assert_eq!((builder.dtype(quotient), builder.shape(quotient)), (DType::I64, [1, 2].as_slice()));
        let cast = builder.push("cast", Op::Cast(DType::F32), &[text]).unwrap();
        assert_eq!((builder.dtype(cast), builder.shape(cast)), (DType::F32, [1, 2].as_slice()));
    }

    #[test]
    fn a_model_without_outputs_is_refused() {
        assert_eq!(Builder::new().finish().unwrap_err().to_string(), "the model has no outputs");
    }
}
