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
mod tests {
    use super::*;
    use crate::onnx::Unsupported;
    use crate::onnx::trial::{Given, evaluate, floats, input, ints, model, node, read, refusal, with};
    use tract_onnx::pb::AttributeProto;

    #[test]
    fn all_problems_come_at_once() {
        let nodes = vec![
            node("", "Einsum", &["x"], &["a"]),
            node("acme", "Magic", &["a"], &["b"]),
            node("", "Exp", &["b"], &["y"]),
        ];
        let proto = model(&[0, 2], nodes, vec![]);
        let error = read(&proto).unwrap_err();
        assert_eq!(error.downcast_ref::<Unsupported>().unwrap().problems().len(), 2);
        let message = format!("{error:#}");
        assert!(message.contains("operator 'Einsum' at node 'a'"), "{message}");
        assert!(message.contains("operator 'acme.Magic' at node 'b'"), "{message}");
        let examination = translate(&proto, None, &Options::default()).into_examination();
        let supported: Vec<bool> = examination.nodes.iter().map(|node| node.problem.is_none()).collect();
        assert_eq!(supported, [false, false, true]);
    }

    #[test]
    fn names_that_do_not_fit_are_told_apart() {
        let add = |inputs: [&str; 2], output: &str| node("", "Add", &inputs, &[output]);
        let cyclic = model(&[0, 2], vec![add(["x", "b"], "a"), add(["a", "a"], "b")], vec![]);
        assert!(refusal(&cyclic).contains("reads 'b' before it is computed"));
        let unknown = model(&[0, 2], vec![add(["x", "nowhere"], "y")], vec![]);
        assert!(refusal(&unknown).contains("'nowhere', which is neither"));
        let twice = model(&[0, 2], vec![add(["x", "x"], "y"), add(["x", "x"], "y")], vec![]);
        assert!(refusal(&twice).contains("'y' is given twice"));
        assert!(read(&unknown).unwrap_err().downcast_ref::<Unsupported>().is_none());
        let missing = model(&[0, 2], vec![node("", "Add", &["x"], &["y"])], vec![]);
        assert!(refusal(&missing).contains("input 1 is missing"));
        let mask = vec![node("", "Dropout", &["x"], &["a", "mask"]), node("", "Not", &["mask"], &["y"])];
        assert!(
            refusal(&model(&[0, 2], mask, vec![]))
                .contains("'mask', a result of node 'a' that is not supported")
        );
    }

    #[test]
    fn an_input_with_a_value_is_a_constant() {
        let mut proto =
            model(&[0, 2], vec![node("", "Add", &["x", "b"], &["y"])], vec![floats("b", &[1], &[1.0])]);
        if let Some(graph) = &mut proto.graph {
            graph.input.push(input("b", &[1]));
        }
        assert_eq!(read(&proto).unwrap().inputs().len(), 1);
    }

    #[test]
    fn functions_are_inlined_with_their_attributes() {
        let mut inner = with(node("", "LeakyRelu", &["a"], &["b"]), "alpha", Given::Float(0.0));
        inner.attribute[0] =
            AttributeProto { ref_attr_name: "slope".to_owned(), ..inner.attribute[0].clone() };
        let function = FunctionProto {
            name: Some("Bent".to_owned()),
            domain: Some("own".to_owned()),
            input: vec!["a".to_owned()],
            output: vec!["b".to_owned()],
            attribute: vec!["slope".to_owned()],
            node: vec![inner],
            ..FunctionProto::default()
        };
        let call = with(node("own", "Bent", &["x"], &["y"]), "slope", Given::Float(0.5));
        let mut proto = model(&[0, 1], vec![call], vec![]);
        proto.functions.push(function);
        assert_eq!(evaluate(&proto, &[-4.0])[0].as_numbers().unwrap()[[0, 0]], -2.0);
    }

    #[test]
    fn a_function_that_calls_itself_is_refused() {
        let function = FunctionProto {
            name: Some("Loop".to_owned()),
            domain: Some("own".to_owned()),
            input: vec!["a".to_owned()],
            output: vec!["b".to_owned()],
            node: vec![node("own", "Loop", &["a"], &["b"])],
            ..FunctionProto::default()
        };
        let mut proto = model(&[0, 1], vec![node("own", "Loop", &["x"], &["y"])], vec![]);
        proto.functions.push(function);
        assert!(refusal(&proto).contains("more than 16 deep"));
    }

    /// `x * 2` where the first length of x is 1, else `x` and an operator that nobody knows.
    fn branching(condition: &str) -> ModelProto {
        let twice = vec![node("", "Mul", &["x", "two"], &["then"])];
        let otherwise = vec![node("", "Einsum", &["x"], &["else"])];
        let branch = |nodes: Vec<NodeProto>, name: &str| {
            let output = ValueInfoProto { name: name.to_owned(), ..ValueInfoProto::default() };
            let initializer = vec![floats("two", &[], &[2.0])];
            GraphProto { node: nodes, output: vec![output], initializer, ..GraphProto::default() }
        };
        let choose = node("", "If", &[condition], &["y"]);
        let choose = with(choose, "then_branch", Given::Graph(&branch(twice, "then")));
        let choose = with(choose, "else_branch", Given::Graph(&branch(otherwise, "else")));
        let nodes = vec![
            node("", "Size", &["x"], &["size"]),
            node("", "Equal", &["size", "three"], &["is_three"]),
            node("", "ReduceMax", &["x"], &["largest"]),
            choose,
        ];
        model(&[0, 3], nodes, vec![ints("three", &[3])])
    }

    #[test]
    fn branches_are_chosen_by_constants_only() {
        let result = evaluate(&branching("is_three"), &[1.0, 2.0, 3.0]).remove(0);
        assert_eq!(result.as_numbers().unwrap().as_slice().unwrap(), [2.0, 4.0, 6.0]);
        let message = refusal(&branching("largest"));
        assert!(message.contains("(If): its condition depends on the data\nhint: control flow"), "{message}");
    }

    #[test]
    fn a_fixed_batch_is_one_row_unless_a_shape_says_otherwise() {
        let exp = model(&[8, 2], vec![node("", "Exp", &["x"], &["y"])], vec![]);
        assert_eq!(read(&exp).unwrap().outputs()[0].field.shape, [2]);
        let reshape = node("", "Reshape", &["x", "shape"], &["y"]);
        let reshape = model(&[8, 2], vec![reshape], vec![ints("shape", &[8, -1])]);
        let message = refusal(&reshape);
        assert!(message.contains("batch of 8 rows") && message.contains("hint:"), "{message}");
    }

    #[test]
    fn unknown_opsets_are_refused() {
        for (version, expected) in [(99, "newest supported"), (3, "oldest supported")] {
            let mut proto = model(&[0, 2], vec![node("", "Exp", &["x"], &["y"])], vec![]);
            proto.opset_import[0].version = version;
            assert!(refusal(&proto).contains(expected));
        }
    }

    #[test]
    fn shapes_fold() {
        let nodes = vec![
            node("", "Shape", &["x"], &["shape"]),
            node("", "Gather", &["shape", "first"], &["batch"]),
            with(node("", "Concat", &["batch", "rest"], &["target"]), "axis", Given::Int(0)),
            node("", "Reshape", &["x", "target"], &["y"]),
        ];
        let initializers = vec![ints("first", &[0]), ints("rest", &[-1])];
        let read = read(&model(&[0, 2, 3], nodes, initializers)).unwrap();
        assert_eq!((read.outputs()[0].field.shape.as_slice(), read.nodes().len()), ([6].as_slice(), 2));
    }
}
