//! The walk over an ONNX graph: every node in order, every problem noted.

mod calls;
mod scan;

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Result, anyhow};
use tract_onnx::pb::{FunctionProto, GraphProto, ModelProto, NodeProto, ValueInfoProto};

use super::attributes::Attributes;
use super::context::Context;
use super::examination::{Examination, NodeReport};
use super::limits::MAX_NODES;
use super::node::NodeView;
use super::problem::{self, Problem, unsupported};
use super::scope::{Scope, Value};
use super::{Options, ops, ports, tensors};
use crate::model::{Model, NodeId};

/// The oldest default operator set that is read.
const MIN_OPSET: i64 = 5;
/// The newest versions of operator sets whose meaning is known.
const MAX_OPSETS: [(&str, i64); 2] = [("", 28), ("ai.onnx.ml", 5)];

/// What came of a walk.
pub(super) struct Translation {
    examination: Examination,
    model: Result<Model>,
}

impl Translation {
    /// The model.
    ///
    /// # Errors
    /// If there are problems.
    pub(super) fn into_model(self) -> Result<Model> {
        self.model
    }

    /// The report.
    pub(super) fn into_examination(self) -> Examination {
        self.examination
    }
}

/// Walks a whole model.
pub(super) fn translate(proto: &ModelProto, folder: Option<&Path>, options: &Options) -> Translation {
    let mut walk = Walk::new(proto);
    let empty = GraphProto::default();
    let graph = proto.graph.as_ref().unwrap_or(&empty);
    let mut scope = Scope::new(&proto.opset_import, &graph.node);
    walk.check_opsets(&scope);
    walk.constants(graph, folder, &mut scope);
    let inputs: Vec<&ValueInfoProto> =
        graph.input.iter().filter(|info| !scope.values.contains_key(info.name.as_str())).collect();
    walk.inputs(&inputs, options, &mut scope);
    walk.nodes(&graph.node, &mut scope);
    let outputs = walk.outputs(graph, &scope);

    let examination = Examination {
        producer: format!("{} {}", proto.producer_name, proto.producer_version).trim().to_owned(),
        opsets: proto.opset_import.iter().map(|set| (set.domain.clone(), set.version)).collect(),
        inputs: inputs.iter().map(|info| ports::port(info)).collect(),
        outputs: graph.output.iter().map(ports::port).collect(),
        nodes: walk.reports,
        problems: walk.problems,
    };
    let model = match examination.problems.as_slice() {
        [] => walk.context.finish(&outputs),
        problems => Err(problem::error(problems.to_vec())),
    };
    Translation { examination, model }
}

struct Walk<'a> {
    functions: HashMap<(&'a str, &'a str), &'a FunctionProto>,
    context: Context,
    reports: Vec<NodeReport>,
    problems: Vec<Problem>,
    /// There are more nodes than are read.
    full: bool,
}

impl<'a> Walk<'a> {
    fn new(proto: &'a ModelProto) -> Self {
        let key = |function: &'a FunctionProto| {
            let domain = function.domain.as_deref().unwrap_or_default();
            ((ops::domain(domain), function.name.as_deref().unwrap_or_default()), function)
        };
        Self {
            functions: proto.functions.iter().map(key).collect(),
            context: Context::default(),
            reports: Vec::new(),
            problems: Vec::new(),
            full: false,
        }
    }

    fn note(&mut self, place: &str, error: &anyhow::Error) {
        self.problems.push(Problem::new(place, error));
    }

    fn check_opsets(&mut self, scope: &Scope<'a>) {
        let version = scope.opsets.get("").copied().unwrap_or(MIN_OPSET);
        if version < MIN_OPSET {
            let error = unsupported(format!(
                "the model uses opset {version}, the oldest supported is {MIN_OPSET}\nhint: convert it with onnx.version_converter"
            ));
            self.note("", &error);
        }
        for (domain, newest) in MAX_OPSETS {
            let version = scope.opsets.get(domain).copied().unwrap_or(newest);
            if version > newest {
                let name = if domain.is_empty() { "ai.onnx" } else { domain };
                let error = unsupported(format!(
                    "the model uses opset {version} of '{name}', the newest supported is {newest}\nhint: export it with target_opset={newest} or older"
                ));
                self.note("", &error);
            }
        }
    }

    fn constants(&mut self, graph: &'a GraphProto, folder: Option<&Path>, scope: &mut Scope<'a>) {
        for proto in &graph.initializer {
            let place = format!("initializer '{}'", proto.name);
            let read =
                tensors::tensor(proto, folder).and_then(|value| self.context.constant(&proto.name, value));
            let value = read.map_or_else(
                |error| {
                    self.note(&place, &error);
                    Value::Failed
                },
                Value::Known,
            );
            if let Err(error) = scope.define(&proto.name, value) {
                self.note(&place, &error);
            }
        }
        for sparse in &graph.sparse_initializer {
            let name = sparse.values.as_ref().map_or("", |values| values.name.as_str());
            self.note(
                &format!("initializer '{name}'"),
                &unsupported("sparse initializers are not supported"),
            );
            scope.values.insert(name, Value::Failed);
        }
    }

    fn inputs(&mut self, inputs: &[&'a ValueInfoProto], options: &Options, scope: &mut Scope<'a>) {
        if let Err(error) = ports::check_given(&options.input_shapes, inputs) {
            self.note("", &error);
        }
        for info in inputs {
            let read = self.input(info, options);
            let value = read.as_ref().map_or(Value::Failed, |&id| Value::Known(id));
            if let Err(error) = read.map(|_| ()).and(scope.define(&info.name, value)) {
                self.note(&format!("input '{}'", info.name), &error);
            }
        }
    }

    fn input(&mut self, info: &ValueInfoProto, options: &Options) -> Result<NodeId> {
        let row = ports::row_shape(info, &options.input_shapes)?;
        self.context.fixed_batch = self.context.fixed_batch.or(row.fixed_batch);
        let id = self.context.input(row.field)?;
        let view = NodeView {
            name: info.name.clone(),
            op: "Reshape",
            opset: MIN_OPSET,
            inputs: Vec::new(),
            outputs: 1,
            attributes: Attributes::default(),
        };
        self.context.reshape(&view, &row.shape, id)
    }

    fn nodes(&mut self, nodes: &'a [NodeProto], scope: &mut Scope<'a>) {
        for node in nodes {
            if self.reports.len() >= MAX_NODES {
                if !self.full {
                    self.note("", &anyhow!("the model has more than {MAX_NODES} nodes"));
                }
                self.full = true;
                return;
            }
            self.node(node, scope);
        }
    }

    fn node(&mut self, node: &'a NodeProto, scope: &mut Scope<'a>) {
        let name = display_name(node, scope, self.reports.len());
        let domain = ops::domain(&node.domain);
        let report = self.reports.len();
        let (op, domain_text) = (node.op_type.clone(), domain.to_owned());
        self.reports.push(NodeReport { name: name.clone(), op, domain: domain_text, problem: None });

        let outcome = self.results(node, &name, scope);
        let (results, failed) = match outcome {
            Ok(Some(results)) => (results, false),
            Ok(None) => (Vec::new(), true),
            Err(problem) => {
                self.report(report, *problem);
                (Vec::new(), true)
            }
        };
        for (index, output) in node.output.iter().enumerate().filter(|(_, output)| !output.is_empty()) {
            let value = match results.get(index) {
                _ if failed => Value::Failed,
                Some(value) => value.clone(),
                None => Value::NotGiven(name.clone()),
            };
            if let Err(error) = scope.define(output, value) {
                self.report(report, Problem::new(&place(&name, node), &error));
            }
        }
    }

    fn report(&mut self, index: usize, problem: Problem) {
        self.problems.push(problem.clone());
        if let Some(report) = self.reports.get_mut(index) {
            report.problem = Some(problem);
        }
    }

    /// The results of a node; none if it waits for one that failed.
    fn results(
        &mut self,
        node: &'a NodeProto,
        name: &str,
        scope: &Scope<'a>,
    ) -> Result<Option<Vec<Value>>, Box<Problem>> {
        let domain = ops::domain(&node.domain);
        let here = |error: anyhow::Error| Box::new(Problem::new(&place(name, node), &error));
        let pushed = |error: anyhow::Error| {
            let names_itself = error.to_string().starts_with(&format!("node '{name}' ("));
            if names_itself { Box::new(Problem::new("", &error)) } else { here(error) }
        };
        let function = self.functions.get(&(domain, node.op_type.as_str())).copied();
        let reader = ops::reader(domain, &node.op_type);
        let is_branch = (domain, node.op_type.as_str()) == ("", "If");
        let is_scan = (domain, node.op_type.as_str()) == ("", "Scan");
        if function.is_none() && reader.is_none() && !is_branch && !is_scan {
            let hint = ops::hint(&node.op_type);
            return Err(Box::new(Problem::operator(&ops::full_name(domain, &node.op_type), name, hint)));
        }
        let inputs = scope.inputs(node).map_err(here)?;
        let attributes = Attributes::new(node, &scope.attributes).map_err(here)?;
        if let Some(function) = function {
            return self.call(function, node, name, attributes, scope).map(Some).map_err(here);
        }
        if is_branch {
            return self.branch(&inputs, name, &attributes, scope).map_err(here);
        }
        if is_scan {
            return self.scan(&inputs, name, &attributes, scope).map_err(here);
        }
        let (Some(inputs), Some(reader)) = (inputs, reader) else { return Ok(None) };
        let opset = scope.opsets.get(domain).copied().unwrap_or(1);
        let view = NodeView {
            name: name.to_owned(),
            op: &node.op_type,
            opset,
            inputs,
            outputs: node.output.len(),
            attributes,
        };
        let results = reader(&view, &mut self.context).map_err(pushed)?;
        Ok(Some(results.into_iter().map(Value::Known).collect()))
    }

    fn outputs(&mut self, graph: &'a GraphProto, scope: &Scope<'a>) -> Vec<(&'a str, NodeId)> {
        let mut outputs: Vec<(&str, NodeId)> = Vec::new();
        for info in &graph.output {
            let error = match scope.values.get(info.name.as_str()) {
                Some(Value::Known(_)) if outputs.iter().any(|(name, _)| *name == info.name) => {
                    anyhow!("the name is given twice")
                }
                Some(Value::Known(id)) => {
                    outputs.push((&info.name, *id));
                    continue;
                }
                Some(Value::Failed) => continue,
                Some(Value::NotGiven(node)) => {
                    unsupported(format!("node '{node}' does not give this result"))
                }
                None => anyhow!("no node computes it"),
            };
            self.note(&format!("output '{}'", info.name), &error);
        }
        if graph.output.is_empty() {
            self.note("", &anyhow!("the model has no outputs"));
        }
        outputs
    }
}

fn display_name(node: &NodeProto, scope: &Scope, index: usize) -> String {
    let own = [Some(&node.name), node.output.first()].into_iter().flatten().find(|name| !name.is_empty());
    match own {
        Some(name) => format!("{}{name}", scope.prefix),
        None => format!("{}#{index}", scope.prefix),
    }
}

fn place(name: &str, node: &NodeProto) -> String {
    format!("node '{name}' ({})", node.op_type)
}

#[cfg(test)]
mod tests;
