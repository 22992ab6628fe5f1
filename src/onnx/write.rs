//! Linear models as ONNX files, for this program and any other.

use prost::Message;
use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension::Value as DimValue};
use tract_onnx::pb::type_proto::{Tensor as TensorType, Value as TypeValue};
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorShapeProto, TypeProto,
    ValueInfoProto,
};

/// The domain of classical machine learning.
const ML: &str = "ai.onnx.ml";

/// A linear model: for each output coefficients of the features, and an intercept.
#[derive(Clone, Copy, Debug)]
pub struct LinearModel<'a> {
    /// A row for each output.
    pub coefficients: &'a [Vec<f64>],
    /// One for each output.
    pub intercepts: &'a [f64],
    /// Whether they are classes 0, 1 …, with the logistic function over each; a single row is that of class 1
    /// against class 0.
    pub classifies: bool,
}

/// The bytes of an ONNX file of the model: input `x` of any number of rows; outputs `label` and `probabilities`, or
/// `y`.
pub fn write_linear(model: &LinearModel<'_>) -> Vec<u8> {
    let features = model.coefficients.first().map_or(0, Vec::len) as i64;
    let input = port("x", DataType::Float, Some(features));
    let (nodes, outputs) = if model.classifies { classifier(model) } else { regressor(model) };
    let graph = GraphProto {
        name: "trained".to_owned(),
        node: nodes,
        input: vec![input],
        output: outputs,
        ..GraphProto::default()
    };
    let opset = |domain: &str, version| OperatorSetIdProto { domain: domain.to_owned(), version };
    let proto = ModelProto {
        ir_version: 8,
        producer_name: "fhe-ml".to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        opset_import: vec![opset("", 17), opset(ML, 3)],
        graph: Some(graph),
        ..ModelProto::default()
    };
    proto.encode_to_vec()
}

fn classifier(model: &LinearModel<'_>) -> (Vec<NodeProto>, Vec<ValueInfoProto>) {
    // Of two classes the first one's score is that of the second, negated.
    let both = model.coefficients.len() == 1;
    let with_first = |rows: Vec<f64>| -> Vec<f64> {
        let first = rows.iter().map(|value| -value).filter(|_| both);
        first.chain(rows.iter().copied()).collect()
    };
    let classes = model.intercepts.len() as i64 + i64::from(both);
    let mut scores = node("LinearClassifier", &["x"], &["label", "scores"]);
    scores.attribute = vec![
        floats("coefficients", with_first(model.coefficients.concat())),
        floats("intercepts", with_first(model.intercepts.to_vec())),
        AttributeProto {
            name: "classlabels_ints".to_owned(),
            r#type: AttributeType::Ints as i32,
            ints: (0..classes).collect(),
            ..AttributeProto::default()
        },
        text("post_transform", "LOGISTIC"),
    ];
    let mut norm = node("Normalizer", &["scores"], &["probabilities"]);
    norm.attribute = vec![text("norm", "L1")];
    let outputs =
        vec![port("label", DataType::Int64, None), port("probabilities", DataType::Float, Some(classes))];
    (vec![scores, norm], outputs)
}

fn regressor(model: &LinearModel<'_>) -> (Vec<NodeProto>, Vec<ValueInfoProto>) {
    let outputs = model.intercepts.len() as i64;
    let mut scores = node("LinearRegressor", &["x"], &["y"]);
    scores.attribute = vec![
        floats("coefficients", model.coefficients.concat()),
        floats("intercepts", model.intercepts.to_vec()),
        AttributeProto {
            name: "targets".to_owned(),
            r#type: AttributeType::Int as i32,
            i: outputs,
            ..AttributeProto::default()
        },
    ];
    (vec![scores], vec![port("y", DataType::Float, Some(outputs))])
}

fn node(op: &str, inputs: &[&str], outputs: &[&str]) -> NodeProto {
    let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    NodeProto {
        name: op.to_owned(),
        op_type: op.to_owned(),
        domain: ML.to_owned(),
        input: owned(inputs),
        output: owned(outputs),
        ..NodeProto::default()
    }
}

fn floats(name: &str, values: Vec<f64>) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        r#type: AttributeType::Floats as i32,
        floats: values.into_iter().map(|value| value as f32).collect(),
        ..AttributeProto::default()
    }
}

fn text(name: &str, value: &str) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        r#type: AttributeType::String as i32,
        s: value.as_bytes().to_vec(),
        ..AttributeProto::default()
    }
}

/// A value of any number of rows, with so many columns if it has any.
fn port(name: &str, kind: DataType, columns: Option<i64>) -> ValueInfoProto {
    let axis = |value| Dimension { value: Some(value), ..Dimension::default() };
    let rows = axis(DimValue::DimParam("rows".to_owned()));
    let dim = std::iter::once(rows).chain(columns.map(|columns| axis(DimValue::DimValue(columns)))).collect();
    let tensor = TensorType { elem_type: kind as i32, shape: Some(TensorShapeProto { dim }) };
    let kind = TypeProto { value: Some(TypeValue::TensorType(tensor)), ..TypeProto::default() };
    ValueInfoProto { name: name.to_owned(), r#type: Some(kind), ..ValueInfoProto::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::{Options, read_bytes};
    use crate::tensor::{DType, Tensor};

    fn outputs(model: &LinearModel<'_>, row: &[f64]) -> Vec<Vec<f64>> {
        let model = read_bytes(&write_linear(model), None, &Options::default()).unwrap();
        let row = ndarray::Array2::from_shape_vec((1, row.len()), row.to_vec()).unwrap().into_dyn();
        let outputs = model.evaluate(&[Tensor::numbers(DType::F32, row).unwrap()]).unwrap();
        outputs.iter().map(|output| output.as_numbers().unwrap().iter().copied().collect()).collect()
    }

    #[test]
    fn written_models_are_read_again() {
        let (two, three) = (vec![vec![1.0, -2.0]], vec![vec![1.0, 0.0], vec![0.0, 1.0], vec![0.5, 0.5]]);
        let model = LinearModel { coefficients: &two, intercepts: &[0.5], classifies: true };
        let found = outputs(&model, &[2.0, 0.25]);
        let expected = 1.0 / (1.0 + (-2.0_f64).exp());
        assert_eq!(found[0], [1.0]);
        assert!((found[1][1] - expected).abs() < 1e-6 && (found[1][0] + found[1][1] - 1.0).abs() < 1e-6);
        assert_eq!(outputs(&model, &[-2.0, 0.25])[0], [0.0]);
        let model = LinearModel { coefficients: &three, intercepts: &[0.0, 0.0, 3.0], classifies: true };
        let found = outputs(&model, &[1.0, 1.0]);
        assert_eq!(found[0], [2.0]);
        assert!((found[1].iter().sum::<f64>() - 1.0).abs() < 1e-6);
        let model = LinearModel { coefficients: &two, intercepts: &[0.5], classifies: false };
        assert_eq!(outputs(&model, &[2.0, 0.25]), [[2.0]]);
    }
}
