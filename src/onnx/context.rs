//! The model under construction, as readers see it.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};

use super::labels::{Labels, Passage};
use super::limits::{self, Budget};
use super::node::NodeView;
use super::problem::unsupported;
use super::tensors;
use crate::model::op::{Binary, Move, Unary};
use crate::model::{Builder, Model, NodeId, Op};
use crate::tensor::{DType, Field, Tensor};

/// What readers add to.
#[derive(Default)]
pub(super) struct Context {
    builder: Builder,
    labels: Labels,
    budget: Budget,
    /// Constants that hold NaN or infinity, with the names they had in the file.
    not_finite: BTreeMap<NodeId, String>,
    /// The batch length that the inputs declare, if it is fixed and not 1.
    pub(super) fixed_batch: Option<usize>,
}

impl Context {
    /// Adds an input.
    ///
    /// # Errors
    /// If it is too large.
    pub(super) fn input(&mut self, field: Field) -> Result<NodeId> {
        self.budget.hold(limits::count(&field.shape)?)?;
        Ok(self.builder.input(field))
    }

    /// Adds a constant.
    ///
    /// # Errors
    /// If the model becomes too large.
    pub(super) fn constant(&mut self, name: &str, value: Tensor) -> Result<NodeId> {
        self.budget.hold(value.len())?;
        let finite = is_finite(&value);
        let id = self.builder.constant(name, value);
        if !finite {
            self.not_finite.insert(id, name.to_owned());
        }
        Ok(id)
    }

    /// Takes so many elements off what the model may hold.
    ///
    /// # Errors
    /// If there are not so many left.
    pub(super) fn hold(&mut self, elements: usize) -> Result<()> {
        self.budget.hold(elements)
    }

    /// Adds an operator on earlier results.
    ///
    /// # Errors
    /// If the operator cannot take these inputs.
    pub(super) fn push(&mut self, node: &NodeView, op: Op, inputs: &[NodeId]) -> Result<NodeId> {
        self.refuse_not_finite(&op, inputs)?;
        let shapes: Vec<&[usize]> = inputs.iter().map(|&id| self.builder.shape(id)).collect();
        self.budget.charge(&op, &shapes)?;
        let passage = Passage::of(&op);
        let id = self.builder.push(&node.name, op, inputs)?;
        self.budget.hold(limits::count(self.builder.shape(id))?)?;
        self.labels.follow(passage, id, inputs);
        if self.builder.as_constant(id).is_some_and(|value| !is_finite(value)) {
            let origin = inputs.iter().find_map(|input| self.not_finite.get(input));
            self.not_finite.insert(id, origin.unwrap_or(&node.name).clone());
        }
        Ok(id)
    }

    /// Adds a function of single elements.
    ///
    /// # Errors
    /// As [`Context::push`].
    pub(super) fn unary(&mut self, node: &NodeView, function: Unary, x: NodeId) -> Result<NodeId> {
        self.push(node, Op::Unary(function), &[x])
    }

    /// Adds a function of pairs of elements.
    ///
    /// # Errors
    /// As [`Context::push`].
    pub(super) fn binary(
        &mut self,
        node: &NodeView,
        function: Binary,
        a: NodeId,
        b: NodeId,
    ) -> Result<NodeId> {
        self.push(node, Op::Binary(function), &[a, b])
    }

    /// Adds a rearrangement of elements.
    ///
    /// # Errors
    /// As [`Context::push`].
    pub(super) fn rearrange(&mut self, node: &NodeView, rule: Move, x: NodeId) -> Result<NodeId> {
        self.push(node, Op::Move(rule), &[x])
    }

    /// The same elements under another shape; nothing if it is the shape they have.
    ///
    /// # Errors
    /// As [`Context::push`].
    pub(super) fn reshape(&mut self, node: &NodeView, shape: &[usize], x: NodeId) -> Result<NodeId> {
        if self.shape(x) == shape {
            return Ok(x);
        }
        self.rearrange(node, Move::Reshape { shape: shape.to_vec() }, x)
    }

    /// The elements as another type; nothing if it is the type they have.
    ///
    /// # Errors
    /// As [`Context::push`].
    pub(super) fn cast(&mut self, node: &NodeView, dtype: DType, x: NodeId) -> Result<NodeId> {
        if self.dtype(x) == dtype {
            return Ok(x);
        }
        self.push(node, Op::Cast(dtype), &[x])
    }

    /// A number of the same type as `like`.
    ///
    /// # Errors
    /// If `like` is text.
    pub(super) fn scalar(&mut self, node: &NodeView, value: f64, like: NodeId) -> Result<NodeId> {
        let dtype = self.dtype(like);
        self.constant(&node.name, tensors::scalar(dtype, value)?)
    }

    /// A one-dimensional constant of numbers.
    ///
    /// # Errors
    /// If `dtype` is text.
    pub(super) fn vector(&mut self, node: &NodeView, dtype: DType, values: Vec<f64>) -> Result<NodeId> {
        self.constant(&node.name, tensors::vector(dtype, values)?)
    }

    /// The shape of a result, batch axis included.
    pub(super) fn shape(&self, id: NodeId) -> &[usize] {
        self.builder.shape(id)
    }

    /// The element type of a result.
    pub(super) fn dtype(&self, id: NodeId) -> DType {
        self.builder.dtype(id)
    }

    /// The value of a result that does not depend on the model's inputs.
    pub(super) fn as_constant(&self, id: NodeId) -> Option<&Tensor> {
        self.builder.as_constant(id)
    }

    /// The integers of an input that must be constant: a shape, axes, bounds.
    ///
    /// # Errors
    /// If it depends on the model's inputs, or does not hold integers.
    pub(super) fn ints(&self, id: NodeId, what: &str) -> Result<Vec<i64>> {
        let Some(value) = self.as_constant(id) else {
            return Err(unsupported(format!("its {what} depend on the data\nhint: they must be constants")));
        };
        let numbers = value.as_numbers().with_context(|| format!("its {what} are text"))?;
        if let Some(number) = numbers.iter().find(|number| number.fract() != 0.0 || number.is_nan()) {
            bail!("its {what} hold {number}, not an integer");
        }
        Ok(numbers.iter().map(|&number| number as i64).collect())
    }

    /// Names the classes whose scores a result holds.
    pub(super) fn name_scores(&mut self, scores: NodeId, names: Vec<String>) {
        self.labels.name(scores, names);
    }

    /// Names the classes of the scores whose largest picks one of `names` by its index.
    pub(super) fn name_picked(&mut self, index: NodeId, names: Vec<String>) {
        self.labels.name_by_pick(index, names);
    }

    /// The finished model with these outputs.
    ///
    /// # Errors
    /// If there is none.
    pub(super) fn finish(mut self, outputs: &[(&str, NodeId)]) -> Result<Model> {
        let last = |id: NodeId| self.builder.shape(id).last().copied().unwrap_or(1);
        let names = self.labels.resolve(last);
        for &(name, id) in outputs {
            let shape = self.builder.shape(id);
            let columns = names.get(&id).filter(|names| names.len() == shape.iter().product::<usize>());
            self.builder.output(name, id, columns.cloned());
        }
        self.builder.finish()
    }

    /// Weights must be finite; NaN and infinity may only be compared with, picked and clipped to.
    fn refuse_not_finite(&self, op: &Op, inputs: &[NodeId]) -> Result<()> {
        let computes = match op {
            Op::MatMul | Op::Reduce { .. } | Op::Normalize { .. } => true,
            Op::Conv { .. } | Op::Pool { .. } | Op::Quantize(_) => true,
            Op::Softmax { .. } | Op::LogSoftmax { .. } | Op::PairProbabilities(_) => true,
            Op::Binary(function) => {
                matches!(
                    function,
                    Binary::Add | Binary::Sub | Binary::Mul | Binary::Div | Binary::Pow | Binary::PRelu
                )
            }
            Op::Input(_) | Op::Constant(_) | Op::Unary(_) | Op::Where | Op::Cast(_) | Op::Move(_) => false,
            Op::Concat { .. } | Op::Gather { .. } | Op::ArgExtreme { .. } | Op::Hardmax { .. } => false,
            Op::OneHot(_) | Op::Map(_) | Op::Trees(_) | Op::TopK { .. } => false,
        };
        if computes && let Some(name) = inputs.iter().find_map(|id| self.not_finite.get(id)) {
            bail!("it computes with '{name}', which holds NaN or infinity");
        }
        Ok(())
    }
}

fn is_finite(value: &Tensor) -> bool {
    value.as_numbers().is_ok_and(|numbers| numbers.iter().all(|number| number.is_finite()))
        || value.dtype() == DType::Text
}
