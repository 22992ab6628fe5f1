//! Nodes that stand for other nodes: calls of functions, and branches that are decided by constants.

use anyhow::{Context as _, Result, bail};
use tract_onnx::pb::{FunctionProto, NodeProto};

use super::Walk;
use crate::model::NodeId;
use crate::onnx::attributes::Attributes;
use crate::onnx::limits::MAX_DEPTH;
use crate::onnx::ops;
use crate::onnx::problem::unsupported;
use crate::onnx::scope::{Scope, Value};
use crate::tensor::Tensor;

impl<'a> Walk<'a> {
    /// Walks the nodes of a function in the place of its call.
    ///
    /// # Errors
    /// If functions are nested too deep, or one does not compute its results.
    pub(super) fn call(
        &mut self,
        function: &'a FunctionProto,
        node: &'a NodeProto,
        name: &str,
        attributes: Attributes<'a>,
        caller: &Scope<'a>,
    ) -> Result<Vec<Value>> {
        if caller.depth >= MAX_DEPTH {
            bail!("functions call each other more than {MAX_DEPTH} deep");
        }
        let mut scope = Scope::new(&function.opset_import, &function.node).within(caller, name);
        scope.attributes = attributes;
        for (index, input) in function.input.iter().enumerate() {
            let argument = node.input.get(index).filter(|name| !name.is_empty());
            if let Some(value) = argument.and_then(|name| caller.values.get(name.as_str())) {
                scope.define(input, value.clone())?;
            }
        }
        self.nodes(&function.node, &mut scope);
        let result = |output: &String| {
            let value = scope.values.get(output.as_str()).cloned();
            value.with_context(|| format!("function '{}' does not compute '{output}'", node.op_type))
        };
        function.output.iter().map(result).collect()
    }

    /// Walks the nodes of the branch that a constant chooses; none if the condition could not be read.
    ///
    /// # Errors
    /// If the condition depends on the data, or the branch does not compute its results.
    pub(super) fn branch(
        &mut self,
        inputs: &Option<Vec<Option<NodeId>>>,
        name: &str,
        attributes: &Attributes<'a>,
        around: &Scope<'a>,
    ) -> Result<Option<Vec<Value>>> {
        let Some(inputs) = inputs else { return Ok(None) };
        let Some(condition) = inputs.first().copied().flatten() else { bail!("its condition is missing") };
        let Some(condition) = self.context.as_constant(condition).map(Tensor::as_numbers).transpose()? else {
            let hint = ops::hint("If").map_or_else(String::new, |hint| format!("\nhint: {hint}"));
            return Err(unsupported(format!("its condition depends on the data{hint}")));
        };
        let chosen = condition.first().copied().context("its condition is empty")? != 0.0;
        let graph = attributes.graph(if chosen { "then_branch" } else { "else_branch" })?;
        let graph = graph.context("it lacks a branch")?;
        if around.depth >= MAX_DEPTH {
            bail!("branches are nested more than {MAX_DEPTH} deep");
        }
        // Copies of names are memory too.
        self.context.hold(around.values.len())?;
        let mut scope = Scope::new(&[], &graph.node).within(around, name);
        (scope.values, scope.attributes) = (around.values.clone(), around.attributes.clone());
        self.constants(graph, None, &mut scope);
        self.nodes(&graph.node, &mut scope);
        let result = |output: &String| {
            let value = scope.values.get(output.as_str()).cloned();
            value.with_context(|| format!("its branch does not compute '{output}'"))
        };
        graph.output.iter().map(|info| result(&info.name)).collect::<Result<_>>().map(Some)
    }
}
