//! The walk over graphs of a few nodes.

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
        refusal(&model(&[0, 2], mask, vec![])).contains("'mask', a result of node 'a' that is not supported")
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
    inner.attribute[0] = AttributeProto { ref_attr_name: "slope".to_owned(), ..inner.attribute[0].clone() };
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
