//! A model: operators in evaluation order, each with one result.

use std::borrow::Cow;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::op::Op;
use super::op::shape::element_count;
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

/// A float graph. Made by [`super::Builder`], which checks it; checked again when it is read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Model {
    pub(super) inputs: Vec<Field>,
    pub(super) nodes: Vec<Node>,
    pub(super) outputs: Vec<Output>,
}

impl Node {
    /// A tensor like the result: the value of a constant, or zeros where it depends on the input.
    ///
    /// # Errors
    /// If it is too large.
    pub(super) fn sample(&self) -> Result<Cow<'_, Tensor>> {
        if let Op::Constant(value) = &self.op {
            return Ok(Cow::Borrowed(value));
        }
        element_count(&self.shape).with_context(|| format!("'{}' is too large", self.name))?;
        Ok(Cow::Owned(Tensor::zeros(self.dtype, &self.shape)))
    }
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

    /// The node at `id`, which is of this model.
    pub fn node(&self, id: NodeId) -> &Node {
        // Ids of a model are places of its nodes.
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
        // There is one result for each node.
        Ok(self.outputs.iter().map(|output| results[output.node.0].as_ref().clone()).collect())
    }

    /// The result of every node for one row; constants and inputs are not copied.
    ///
    /// # Errors
    /// As [`Model::evaluate`].
    pub fn evaluate_nodes<'a>(&'a self, row: &'a [Tensor]) -> Result<Vec<Cow<'a, Tensor>>> {
        self.check_row(row)?;
        let mut results: Vec<Cow<'a, Tensor>> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let result = match &node.op {
                // The row has a tensor for each input: it was just checked.
                Op::Input(index) => Cow::Borrowed(&row[*index]),
                Op::Constant(value) => Cow::Borrowed(value),
                op => {
                    // Nodes come after their inputs, so those have results.
                    let inputs: Vec<&Tensor> = node.inputs.iter().map(|id| results[id.0].as_ref()).collect();
                    let result = op.evaluate(&inputs);
                    Cow::Owned(result.with_context(|| format!("cannot compute node '{}' ({op})", node.name))?)
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
            let (name, shape) = (&field.name, field.batch_shape());
            if tensor.shape() != shape {
                bail!("input '{name}' has shape {shape:?}, the row has {:?}", tensor.shape());
            }
            if tensor.dtype() != field.dtype {
                bail!("input '{name}' is {}, the row has {}", field.dtype, tensor.dtype());
            }
        }
        Ok(())
    }
}

/// A model as a file tells it.
#[derive(Deserialize)]
struct Unchecked {
    inputs: Vec<Field>,
    nodes: Vec<Node>,
    outputs: Vec<Output>,
}

impl TryFrom<Unchecked> for Model {
    type Error = anyhow::Error;

    fn try_from(Unchecked { inputs, nodes, outputs }: Unchecked) -> Result<Self> {
        for (index, node) in nodes.iter().enumerate() {
            // `index` is a place of `nodes`.
            let (dtype, shape) = result_type(node, &inputs, &nodes[..index])
                .with_context(|| format!("node '{}' is damaged", node.name))?;
            if (dtype, &shape) != (node.dtype, &node.shape) {
                bail!("node '{}' says {} {:?}, it is {dtype} {shape:?}", node.name, node.dtype, node.shape);
            }
        }
        for Output { field, node } in &outputs {
            let node = nodes.get(node.0).with_context(|| format!("output '{}' has no node", field.name))?;
            if field.dtype != node.dtype || (field.shape != node.shape && field.batch_shape() != node.shape) {
                bail!("output '{}' is not what node '{}' gives", field.name, node.name);
            }
        }
        Ok(Self { inputs, nodes, outputs })
    }
}

/// The element type and shape of a node's result, given the nodes before it.
fn result_type(node: &Node, inputs: &[Field], earlier: &[Node]) -> Result<(DType, Vec<usize>)> {
    if let Op::Input(index) = node.op {
        let field = inputs.get(index).with_context(|| format!("there is no input {index}"))?;
        return Ok((field.dtype, field.batch_shape()));
    }
    let samples: Vec<Cow<'_, Tensor>> = node
        .inputs
        .iter()
        .map(|id| earlier.get(id.0).with_context(|| format!("there is no node {} before it", id.0))?.sample())
        .collect::<Result<_>>()?;
    let result = node.op.probe(&samples.iter().map(Cow::as_ref).collect::<Vec<_>>())?;
    Ok((result.dtype(), result.shape().to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Builder;
    use crate::model::op::Binary;

    fn ratio() -> Model {
        let mut builder = Builder::new();
        let field = Field { name: "x".to_owned(), dtype: DType::I64, shape: vec![2], columns: None };
        let x = builder.input(field);
        let one = builder.constant("one", Tensor::i64s(&[6]));
        let ratio = builder.push("ratio", Op::Binary(Binary::Div), &[one, x]).unwrap();
        builder.output("y", ratio, None);
        builder.finish().unwrap()
    }

    #[test]
    fn rows_that_do_not_fit_are_refused() {
        let message = |row: &[Tensor]| ratio().evaluate(row).unwrap_err().to_string();
        assert_eq!(message(&[]), "the model has 1 inputs, the row has 0");
        assert_eq!(message(&[Tensor::i64s(&[1, 2])]), "input 'x' has shape [1, 2], the row has [2]");
        let floats = Tensor::zeros(DType::F32, &[1, 2]);
        assert_eq!(message(&[floats]), "input 'x' is int64, the row has float32");
    }

    #[test]
    fn a_node_that_fails_is_named() {
        let row = |values: &[i64]| [Tensor::i64s(values).reshape(&[1, 2]).unwrap()];
        assert_eq!(ratio().evaluate(&row(&[2, -4])).unwrap(), row(&[3, -1]));
        let message = format!("{:#}", ratio().evaluate(&row(&[1, 0])).unwrap_err());
        assert_eq!(message, "cannot compute node 'ratio' (Div): division of an integer by zero");
    }

    fn read(text: &str) -> Result<Model, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn a_model_is_read_as_it_was_written() {
        let text = serde_json::to_string(&ratio()).unwrap();
        assert_eq!(read(&text).unwrap(), ratio());
    }

    #[test]
    fn a_damaged_model_is_refused() {
        let text = serde_json::to_string(&ratio()).unwrap();
        for (from, to, message) in [
            (r#""inputs":[1,0]"#, r#""inputs":[1,2]"#, "node 'ratio' is damaged"),
            (r#""Input":0"#, r#""Input":7"#, "node 'x' is damaged"),
            (r#""node":2"#, r#""node":9"#, "output 'y' has no node"),
            (r#""node":2"#, r#""node":1"#, "output 'y' is not what node 'one' gives"),
            (r#""dtype":"I64","shape":[1,2]"#, r#""dtype":"I64","shape":[1,3]"#, "says int64 [1, 3]"),
        ] {
            let damaged = text.replacen(from, to, 1);
            let error = read(&damaged).unwrap_err();
            assert!(error.contains(message), "{from} to {to} gives: {error}");
        }
    }
}
