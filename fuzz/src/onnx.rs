//! ONNX files of one node, and damage to it.

use libfuzzer_sys::arbitrary::{Result, Unstructured};
use prost::Message;
use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension::Value as Length};
use tract_onnx::pb::type_proto::{Tensor as TensorType, Value as Kind};
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, TensorShapeProto,
    TypeProto, ValueInfoProto,
};

/// The value of an attribute.
pub enum Given {
    Int(i64),
    Text(&'static str),
    Ints(Vec<i64>),
    Floats(Vec<f32>),
    Texts(Vec<&'static str>),
    Bytes(Vec<u8>),
    FloatTensor(Vec<f32>),
}

/// A node on the input `x`.
pub fn node(op: &str, outputs: &[&str]) -> NodeProto {
    NodeProto {
        op_type: op.to_owned(),
        domain: "ai.onnx.ml".to_owned(),
        input: vec!["x".to_owned()],
        output: outputs.iter().map(|&name| name.to_owned()).collect(),
        ..NodeProto::default()
    }
}

/// The node with one more attribute.
pub fn with(mut node: NodeProto, name: &str, given: Given) -> NodeProto {
    let named = AttributeProto { name: name.to_owned(), ..AttributeProto::default() };
    let (kind, attribute) = match given {
        Given::Int(i) => (AttributeType::Int, AttributeProto { i, ..named }),
        Given::Text(text) => (AttributeType::String, AttributeProto { s: text.into(), ..named }),
        Given::Ints(ints) => (AttributeType::Ints, AttributeProto { ints, ..named }),
        Given::Floats(floats) => (AttributeType::Floats, AttributeProto { floats, ..named }),
        Given::Texts(texts) => {
            let strings = texts.into_iter().map(Into::into).collect();
            (AttributeType::Strings, AttributeProto { strings, ..named })
        }
        Given::Bytes(bytes) => {
            let int32_data: Vec<i32> = bytes.into_iter().map(i32::from).collect();
            let data = TensorProto { int32_data, ..TensorProto::default() };
            (AttributeType::Tensor, AttributeProto { t: Some(vector(DataType::Uint8, data)), ..named })
        }
        Given::FloatTensor(float_data) => {
            let data = TensorProto { float_data, ..TensorProto::default() };
            (AttributeType::Tensor, AttributeProto { t: Some(vector(DataType::Float, data)), ..named })
        }
    };
    node.attribute.push(AttributeProto { r#type: kind as i32, ..attribute });
    node
}

fn vector(kind: DataType, data: TensorProto) -> TensorProto {
    let length = data.int32_data.len() + data.float_data.len();
    TensorProto { data_type: kind as i32, dims: vec![length as i64], ..data }
}

/// The bytes of a file with this node alone, on a row of `features` numbers.
pub fn file(node: NodeProto, features: usize) -> Vec<u8> {
    let length = Dimension { value: Some(Length::DimValue(features as i64)), ..Dimension::default() };
    let shape = TensorShapeProto { dim: vec![Dimension::default(), length] };
    let kind = Kind::TensorType(TensorType { elem_type: DataType::Float as i32, shape: Some(shape) });
    let kind = TypeProto { value: Some(kind), ..TypeProto::default() };
    let value = |name: &String| ValueInfoProto { name: name.clone(), ..ValueInfoProto::default() };
    let graph = GraphProto {
        input: vec![ValueInfoProto { r#type: Some(kind), ..value(&node.input[0]) }],
        output: node.output.iter().map(value).collect(),
        node: vec![node],
        ..GraphProto::default()
    };
    let opset = |domain: &str, version| OperatorSetIdProto { domain: domain.to_owned(), version };
    let model = ModelProto {
        ir_version: 8,
        opset_import: vec![opset("", 17), opset("ai.onnx.ml", 5)],
        graph: Some(graph),
        ..ModelProto::default()
    };
    model.encode_to_vec()
}

/// Changes one attribute: takes it away, makes its lists shorter or longer, or writes into them.
pub fn damage(from: &mut Unstructured, node: &mut NodeProto) -> Result<()> {
    let Some(last) = node.attribute.len().checked_sub(1) else { return Ok(()) };
    let place = from.int_in_range(0..=last)?;
    if from.ratio(1, 8)? {
        node.attribute.remove(place);
        return Ok(());
    }
    let attribute = &mut node.attribute[place];
    attribute.i = from.arbitrary()?;
    damage_list(from, &mut attribute.ints, |from| {
        if from.arbitrary()? { from.int_in_range(-1..=9) } else { from.arbitrary() }
    })?;
    damage_list(from, &mut attribute.floats, |from| from.arbitrary())?;
    let texts: &[&[u8]] = &[b"LEAF", b"BRANCH_LEQ", b"BRANCH_EQ", b"b", b""];
    damage_list(from, &mut attribute.strings, |from| Ok(from.choose(texts)?.to_vec()))?;
    if let Some(tensor) = &mut attribute.t {
        damage_list(from, &mut tensor.int32_data, |from| from.int_in_range(-1..=9))?;
        damage_list(from, &mut tensor.float_data, |from| from.arbitrary())?;
        if from.arbitrary()? {
            tensor.dims = vec![(tensor.int32_data.len() + tensor.float_data.len()) as i64];
        }
    }
    Ok(())
}

fn damage_list<T: Clone>(
    from: &mut Unstructured,
    list: &mut Vec<T>,
    value: impl Fn(&mut Unstructured) -> Result<T>,
) -> Result<()> {
    let Some(last) = list.len().checked_sub(1) else { return Ok(()) };
    let place = from.int_in_range(0..=last)?;
    match from.int_in_range(0..=4)? {
        0 => drop(list.remove(place)),
        1 => list.push(list[place].clone()),
        _ => list[place] = value(from)?,
    }
    Ok(())
}
