//! Small models made in tests.

use anyhow::Result;
use prost::Message;
use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension::Value as DimValue};
use tract_onnx::pb::type_proto::{Tensor as TensorType, Value as TypeValue};
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, TensorShapeProto,
    TypeProto, ValueInfoProto,
};

use super::{Options, read_bytes};
use crate::model::Model;
use crate::tensor::{DType, Tensor};

/// The value of an attribute.
pub(super) enum Given<'a> {
    Int(i64),
    Float(f32),
    Text(&'a str),
    Ints(&'a [i64]),
    Floats(&'a [f32]),
    Texts(&'a [&'a str]),
    Tensor(&'a TensorProto),
    Graph(&'a GraphProto),
}

/// A node of the domain of classical machine learning if `op` is in it, with `x` as its first
/// input; more inputs are named by the caller.
pub(super) fn node(domain: &str, op: &str, inputs: &[&str], outputs: &[&str]) -> NodeProto {
    let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    NodeProto {
        input: owned(inputs),
        output: owned(outputs),
        op_type: op.to_owned(),
        domain: domain.to_owned(),
        ..NodeProto::default()
    }
}

/// The node with one more attribute.
pub(super) fn with(mut node: NodeProto, name: &str, value: Given) -> NodeProto {
    let mut attribute = AttributeProto { name: name.to_owned(), ..AttributeProto::default() };
    let kind = match value {
        Given::Int(i) => {
            attribute.i = i;
            AttributeType::Int
        }
        Given::Float(f) => {
            attribute.f = f;
            AttributeType::Float
        }
        Given::Text(text) => {
            attribute.s = text.as_bytes().to_vec();
            AttributeType::String
        }
        Given::Ints(ints) => {
            attribute.ints = ints.to_vec();
            AttributeType::Ints
        }
        Given::Floats(floats) => {
            attribute.floats = floats.to_vec();
            AttributeType::Floats
        }
        Given::Texts(texts) => {
            attribute.strings = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
            AttributeType::Strings
        }
        Given::Tensor(tensor) => {
            attribute.t = Some(tensor.clone());
            AttributeType::Tensor
        }
        Given::Graph(graph) => {
            attribute.g = Some(graph.clone());
            AttributeType::Graph
        }
    };
    attribute.r#type = kind as i32;
    node.attribute.push(attribute);
    node
}

/// A float32 initializer.
pub(super) fn floats(name: &str, dims: &[i64], values: &[f32]) -> TensorProto {
    TensorProto {
        name: name.to_owned(),
        dims: dims.to_vec(),
        data_type: DataType::Float as i32,
        float_data: values.to_vec(),
        ..TensorProto::default()
    }
}

/// An int64 initializer of rank 1.
pub(super) fn ints(name: &str, values: &[i64]) -> TensorProto {
    TensorProto {
        name: name.to_owned(),
        dims: vec![values.len() as i64],
        data_type: DataType::Int64 as i32,
        int64_data: values.to_vec(),
        ..TensorProto::default()
    }
}

/// A model with the input `x`, float32 of this declared shape, where 0 is a dynamic axis. All
/// results of the last node are outputs.
pub(super) fn model(shape: &[i64], nodes: Vec<NodeProto>, initializer: Vec<TensorProto>) -> ModelProto {
    let outputs = nodes.last().map_or(&[][..], |node| node.output.as_slice());
    let output = outputs
        .iter()
        .map(|name| ValueInfoProto { name: name.clone(), ..ValueInfoProto::default() })
        .collect();
    let graph = GraphProto {
        input: vec![input("x", shape)],
        output,
        node: nodes,
        initializer,
        ..GraphProto::default()
    };
    let opset = |domain: &str, version| OperatorSetIdProto { domain: domain.to_owned(), version };
    ModelProto {
        ir_version: 8,
        opset_import: vec![opset("", 17), opset("ai.onnx.ml", 3)],
        graph: Some(graph),
        ..ModelProto::default()
    }
}

/// A float32 input.
pub(super) fn input(name: &str, shape: &[i64]) -> ValueInfoProto {
    let axis = |&length: &i64| Dimension {
        value: (length > 0).then_some(DimValue::DimValue(length)),
        ..Dimension::default()
    };
    let shape = TensorShapeProto { dim: shape.iter().map(axis).collect() };
    let kind = TensorType { elem_type: DataType::Float as i32, shape: Some(shape) };
    let kind = TypeProto { value: Some(TypeValue::TensorType(kind)), ..TypeProto::default() };
    ValueInfoProto { name: name.to_owned(), r#type: Some(kind), ..ValueInfoProto::default() }
}

/// The model as the importer reads it from bytes.
pub(super) fn read(proto: &ModelProto) -> Result<Model> {
    read_bytes(&proto.encode_to_vec(), None, &Options::default())
}

/// Why the model is refused.
pub(super) fn refusal(proto: &ModelProto) -> String {
    format!("{:#}", read(proto).unwrap_err())
}

/// The outputs of a model for one row of `x`.
pub(super) fn evaluate(proto: &ModelProto, row: &[f64]) -> Vec<Tensor> {
    let model = read(proto).unwrap();
    let shape = model.inputs()[0].batch_shape();
    let values = ndarray::ArrayD::from_shape_vec(shape, row.to_vec()).unwrap();
    model.evaluate(&[Tensor::numbers(DType::F32, values).unwrap()]).unwrap()
}

/// The outputs of a model of a single node for one row of `x`, numbers only.
pub(super) fn apply(node: NodeProto, initializers: Vec<TensorProto>, row: &[f64]) -> Vec<Vec<f64>> {
    let shape = [0, row.len() as i64];
    let results = evaluate(&model(&shape, vec![node], initializers), row);
    results.iter().map(|result| result.as_numbers().unwrap().iter().copied().collect()).collect()
}

/// That numbers agree in single precision.
#[track_caller]
pub(super) fn assert_near(found: &[f64], expected: &[f64]) {
    let near = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-6 * (1.0 + b.abs());
    assert!(
        found.len() == expected.len() && found.iter().zip(expected).all(near),
        "{found:?}, not {expected:?}"
    );
}
