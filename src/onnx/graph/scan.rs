//! Scans over constant points that measure distances: the way in which skl2onnx writes nearest neighbours.

use anyhow::{Context as _, Result, bail};
use tract_onnx::pb::NodeProto;

use super::Walk;
use crate::model::NodeId;
use crate::model::op::Move;
use crate::onnx::attributes::Attributes;
use crate::onnx::limits::MAX_DEPTH;
use crate::onnx::node::NodeView;
use crate::onnx::ops;
use crate::onnx::problem::unsupported;
use crate::onnx::scope::{Scope, Value};

/// What a body may do with the difference of a row and a point, so that it may do it with all points at once.
const BODY: [&str; 7] = ["Identity", "Abs", "Pow", "Sqrt", "ReduceSum", "ReduceSumSquare", "Constant"];

impl<'a> Walk<'a> {
    /// Walks the body once, for all points: the row is the state and never changes, each point gives a number. None
    /// if an input could not be read.
    ///
    /// # Errors
    /// If it is any other scan.
    pub(super) fn scan(
        &mut self,
        inputs: &Option<Vec<Option<NodeId>>>,
        name: &str,
        attributes: &Attributes<'a>,
        around: &Scope<'a>,
    ) -> Result<Option<Vec<Value>>> {
        let Some(inputs) = inputs else { return Ok(None) };
        let refused = || {
            let hint = ops::hint("Scan").map_or_else(String::new, |hint| format!("\nhint: {hint}"));
            unsupported(format!("it does more than measure distances{hint}"))
        };
        let (&[Some(row), Some(points)], 1) = (inputs.as_slice(), attributes.int("num_scan_inputs", 1)?)
        else {
            return Err(refused());
        };
        let body = attributes.graph("body")?.context("it lacks a body")?;
        let ([state, point], [next, result]) = (body.input.as_slice(), body.output.as_slice()) else {
            return Err(refused());
        };
        let (&[1, features], &[count, columns]) = (self.context.shape(row), self.context.shape(points))
        else {
            return Err(refused());
        };
        let moved =
            ["scan_input_axes", "scan_input_directions", "scan_output_axes", "scan_output_directions"];
        let opset = around.opsets.get("").copied().unwrap_or(1);
        if features != columns
            || opset < 9
            || self.context.as_constant(points).is_none()
            || moved.iter().any(|name| attributes.ints(name).is_ok_and(|list| list.is_some_and(|l| l != [0])))
            || !body.node.iter().all(|node| is_known(node, &state.name, &point.name))
        {
            return Err(refused());
        }
        if around.depth >= MAX_DEPTH {
            bail!("scans are nested more than {MAX_DEPTH} deep");
        }
        // Copies of names are memory too.
        self.context.hold(around.values.len())?;
        let mut scope = Scope::new(&[], &body.node).within(around, name);
        scope.values = around.values.clone();
        scope.values.insert(&state.name, Value::Known(row));
        scope.values.insert(&point.name, Value::Known(points));
        self.constants(body, None, &mut scope);
        self.nodes(&body.node, &mut scope);
        let known = |name: &str| match scope.values.get(name) {
            Some(Value::Known(id)) => Some(*id),
            Some(Value::Failed | Value::NotGiven(_)) | None => None,
        };
        let (Some(next), Some(numbers)) = (known(&next.name), known(&result.name)) else { return Ok(None) };
        let reduces = |node: &NodeProto| {
            let axes = node.input.get(1).and_then(|name| known(name));
            let axes = axes.and_then(|id| self.context.ints(id, "axes").ok());
            let attribute = node.attribute.iter().find(|attribute| attribute.name == "axes");
            attribute.map(|attribute| attribute.ints.clone()).or(axes) == Some(vec![1])
        };
        let along_features = body.node.iter().filter(|node| node.op_type.starts_with("Reduce")).all(reduces);
        if next != row || !along_features || self.context.shape(numbers) != [count] {
            return Err(refused());
        }
        let view = NodeView {
            name: name.to_owned(),
            op: "Scan",
            opset,
            inputs: Vec::new(),
            outputs: 2,
            attributes: Attributes::default(),
        };
        let column = self.context.rearrange(&view, Move::Reshape { shape: vec![count, 1] }, numbers)?;
        Ok(Some(vec![Value::Known(row), Value::Known(column)]))
    }
}

/// Whether a node of a body subtracts the point and the row, or goes on from there.
fn is_known(node: &NodeProto, state: &str, point: &str) -> bool {
    let reads = |name: &str| node.input.iter().any(|input| input == name);
    let goes_on = match node.op_type.as_str() {
        "Sub" => reads(state) && reads(point),
        "Identity" => !reads(point),
        op => BODY.contains(&op) && !reads(state) && !reads(point),
    };
    goes_on && node.domain.is_empty()
}
