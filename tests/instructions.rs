//! Small networks, one for each kind of operator between weights: encrypted results are the float model's within
//! the error of rounding and the predicted noise.

use fhe_ml::circuit::{Circuit, LookupCircuit, Sum, Table};
use fhe_ml::client::keys::evaluation_bytes;
use fhe_ml::client::{Decryptor, Encryptor};
use fhe_ml::compile::{self, Compiled, Details, Settings};
use fhe_ml::crypto::Secret;
use fhe_ml::model::Model;
use fhe_ml::onnx::{self, Options};
use fhe_ml::server::{EvaluationKey, Evaluator};
use fhe_ml::tensor::{DType, Row, Tensor};
use ndarray::{ArrayD, IxDyn};
use prost::Message;
use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension::Value as DimValue};
use tract_onnx::pb::type_proto::{Tensor as TensorType, Value as TypeValue};
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, TensorShapeProto,
    TypeProto, ValueInfoProto,
};

/// Rows to calibrate on.
const ROWS: usize = 60;
/// Of them, those that are encrypted.
const ENCRYPTED: usize = 3;
/// Standard deviations that normal noise is beyond with a probability of 2^-49. Every test has some hundred sums.
const DEVIATIONS: f64 = 8.0;

/// Integers without a pattern, from -8 to 8.
fn mixed(place: usize) -> f32 {
    let mixed = (place as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    ((mixed >> 33) % 17) as f32 - 8.0
}

/// A network under construction: what follows each other reads the last value.
struct Network {
    graph: GraphProto,
    shape: Vec<usize>,
    last: String,
}

impl Network {
    /// Of rows of this shape, in batches of one.
    fn new(shape: &[usize]) -> Self {
        let shape = [&[1], shape].concat();
        let graph = GraphProto {
            name: "network".to_owned(),
            input: vec![port("x", &shape)],
            ..GraphProto::default()
        };
        Self { graph, shape, last: "x".to_owned() }
    }

    /// Weights without a pattern, of about the same sum of squares whatever their number.
    fn weights(&mut self, dims: &[i64]) -> String {
        let count = dims.iter().product::<i64>() as usize;
        let start = 31 * self.graph.initializer.len();
        let fan_in = if dims.len() == 4 { dims[1] * dims[2] * dims[3] } else { dims[0] };
        let scale = 5.0 * (fan_in as f32).sqrt();
        self.constant(dims, (start..start + count).map(|place| mixed(place) / scale).collect())
    }

    fn constant(&mut self, dims: &[i64], values: Vec<f32>) -> String {
        self.initializer(TensorProto {
            dims: dims.to_vec(),
            data_type: DataType::Float as i32,
            float_data: values,
            ..TensorProto::default()
        })
    }

    fn initializer(&mut self, tensor: TensorProto) -> String {
        let name = format!("w{}", self.graph.initializer.len());
        self.graph.initializer.push(TensorProto { name: name.clone(), ..tensor });
        name
    }

    /// Adds a node with these inputs; gives its output.
    fn node(&mut self, op: &str, inputs: &[&str], attributes: &[(&str, &[i64])]) -> String {
        let name = format!("v{}", self.graph.node.len());
        let attribute = |(name, ints): &(&str, &[i64])| {
            let mut attribute = AttributeProto { name: (*name).to_owned(), ..AttributeProto::default() };
            match ints {
                // The attributes of these operators that hold a single number are no lists.
                [one] if !["axes", "pads"].contains(name) => {
                    attribute.i = *one;
                    attribute.r#type = AttributeType::Int as i32;
                }
                _ => {
                    attribute.ints = ints.to_vec();
                    attribute.r#type = AttributeType::Ints as i32;
                }
            }
            attribute
        };
        self.graph.node.push(NodeProto {
            input: inputs.iter().map(|input| (*input).to_owned()).collect(),
            output: vec![name.clone()],
            op_type: op.to_owned(),
            attribute: attributes.iter().map(attribute).collect(),
            ..NodeProto::default()
        });
        self.last.clone_from(&name);
        name
    }

    /// The last value times weights, in so many columns; two constants are added.
    fn affine(&mut self, from: &str, columns: [i64; 2]) -> String {
        let (weights, bias) = (self.weights(&columns), self.weights(&columns[1..]));
        let product = self.node("MatMul", &[from, &weights], &[]);
        self.node("Add", &[&product, &bias], &[])
    }

    /// Ends with weights for two outputs.
    fn model(mut self, width: i64) -> Model {
        let last = self.last.clone();
        let flat = self.node("Flatten", &[&last], &[("axis", &[1])]);
        self.affine(&flat, [width, 2]);
        self.graph.output = vec![port(&self.last.clone(), &[1, 2])];
        let version = OperatorSetIdProto { domain: String::new(), version: 13 };
        let proto = ModelProto {
            ir_version: 7,
            opset_import: vec![version],
            graph: Some(self.graph),
            ..ModelProto::default()
        };
        onnx::read_bytes(&proto.encode_to_vec(), None, &Options::default()).unwrap()
    }

    fn rows(&self) -> Vec<Row> {
        let length: usize = self.shape.iter().product();
        let row = |row: usize| {
            let values =
                (0..length).map(|place| f64::from(mixed(1000 + row * length + place)) / 8.0).collect();
            let values = ArrayD::from_shape_vec(IxDyn(&self.shape), values).unwrap();
            vec![Tensor::numbers(DType::F32, values).unwrap()]
        };
        (0..ROWS).map(row).collect()
    }
}

fn port(name: &str, shape: &[usize]) -> ValueInfoProto {
    let dim = |length: &usize| Dimension {
        value: Some(DimValue::DimValue(*length as i64)),
        ..Dimension::default()
    };
    let tensor = TensorType {
        elem_type: DataType::Float as i32,
        shape: Some(TensorShapeProto { dim: shape.iter().map(dim).collect() }),
    };
    let r#type = Some(TypeProto { value: Some(TypeValue::TensorType(tensor)), ..TypeProto::default() });
    ValueInfoProto { name: name.to_owned(), r#type, ..ValueInfoProto::default() }
}

/// Compiles a network that ends in so many values, runs rows encrypted, and holds them against the float model.
fn agrees(network: Network, width: i64) {
    let rows = network.rows();
    let model = network.model(width);
    let compiled = compile::compile(&model, rows.iter().cloned().map(Ok), &Settings::default()).unwrap();
    let Compiled { circuit, client, report } = &compiled;
    let Details::Networks(details) = &report.details else { panic!("no lookups") };
    assert!(details.lookups.lookups > 0);
    let Circuit::Lookups(lookups) = circuit else { panic!("no lookups") };
    let secret = Secret::generate(client.encoding.secret());
    let evaluation = client.encoding.evaluation();
    let key = evaluation_bytes(&secret, &evaluation).unwrap();
    let evaluator = Evaluator::new(circuit, &EvaluationKey::from_bytes(&evaluation, &key).unwrap()).unwrap();
    let encryptor = Encryptor::new(&secret, client.encoding.clone()).unwrap();
    let decryptor = Decryptor::new(&secret, client.encoding.clone()).unwrap();
    let [scores] = report.scores.as_slice() else { panic!("one tensor of scores: {:?}", report.scores) };
    let numbers = |row: &Row| -> Vec<f64> { row[0].as_numbers().unwrap().iter().copied().collect() };
    for row in rows.iter().take(ENCRYPTED) {
        let integers = client.encode(row).unwrap().integers;
        let block = encryptor.encrypt(std::slice::from_ref(&integers)).unwrap();
        let found = decryptor.decrypt(&evaluator.evaluate(&block).unwrap()).unwrap().remove(0);
        let clear = lookups.evaluate(&integers);
        for ((found, clear), most) in found.iter().zip(&clear).zip(noise_reach(lookups, &integers)) {
            let off = ((found - clear) as f64).abs();
            assert!(off <= most, "{found} for {clear}: more than {most} off");
        }
        // The row is one of those that errors of rounding were measured on.
        let clear = numbers(&client.decode(&clear).unwrap());
        let float = numbers(&model.evaluate(row).unwrap());
        for (clear, float) in clear.iter().zip(float) {
            let most = scores.max * (1.0 + 1e-6);
            assert!((clear - float).abs() <= most, "{clear} for {float}: more than {most} off");
        }
    }
}

/// How far noise may move each output of a row, in integers: as far as tables turn it at their steepest within reach.
fn noise_reach(circuit: &LookupCircuit, row: &[i64]) -> Vec<f64> {
    let parts = circuit.layers().parts();
    let encoding = circuit.encoding().parts();
    let unit = 2.0_f64.powi(64);
    let mut wires: Vec<u64> = row.iter().map(|integer| encoding.inputs.encode(*integer)).collect();
    let mut moved = vec![0.0; wires.len()];
    let sum_moved = |sum: &Sum, moved: &[f64], variance: f64| {
        let wires = sum.weights.iter().map(|(wire, weight)| f64::from(weight.abs()) * moved[*wire as usize]);
        wires.sum::<f64>() + DEVIATIONS * variance.sqrt() * unit
    };
    let mut variances = circuit.lookup_variances();
    for layer in &parts.layers {
        let mut results = Vec::new();
        for lookup in &layer.lookups {
            let (x, table) = (lookup.sum.value(&wires), &parts.tables[lookup.table as usize]);
            let reach = sum_moved(&lookup.sum, &moved, variances.next().unwrap());
            results.push((table.value(x), turned(table, x, reach)));
        }
        wires.extend(results.iter().map(|result| result.0));
        moved.extend(results.iter().map(|result| result.1));
    }
    let step = 2.0_f64.powi(64 - encoding.messages.bits() as i32);
    let outputs = parts.outputs.iter().zip(circuit.output_variances());
    // One integer for rounding.
    outputs.map(|(sum, variance)| sum_moved(sum, &moved, variance) / step + 1.0).collect()
}

/// How far the values of a table within reach of x lie from that at x.
fn turned(table: &Table, x: u64, reach: f64) -> f64 {
    let width = 2.0_f64.powi(63) / table.values.len() as f64;
    // Further than half the torus is everywhere.
    let steps = (reach / width + 1.0).ceil().min(table.values.len() as f64) as i64;
    let at = |step: i64| table.value(x.wrapping_add((step as f64 * width) as i64 as u64));
    let differences =
        (-steps..=steps).map(|step| (at(step).wrapping_sub(table.value(x)) as i64 as f64).abs());
    differences.fold(0.0, f64::max)
}

/// A network with an affine map of four numbers to six, read by `middle`.
fn between_weights(middle: impl FnOnce(&mut Network, &str)) -> Network {
    let mut network = Network::new(&[4]);
    let hidden = network.affine("x", [4, 6]);
    middle(&mut network, &hidden);
    network
}

#[test]
fn functions_of_one_number() {
    for op in ["Relu", "Sigmoid", "Tanh", "Abs", "Softplus", "Exp"] {
        agrees(between_weights(|network, hidden| drop(network.node(op, &[hidden], &[]))), 6);
    }
}

#[test]
fn functions_of_one_number_and_a_constant() {
    let network = between_weights(|network, hidden| {
        let limit = network.constant(&[1], vec![0.25]);
        let most = network.node("Min", &[hidden, &limit], &[]);
        let limit = network.constant(&[1], vec![-0.5]);
        network.node("Max", &[&most, &limit], &[]);
    });
    agrees(network, 6);
}

#[test]
fn functions_of_two_numbers() {
    for op in ["Max", "Min", "Mul"] {
        let network = between_weights(|network, hidden| {
            let other = network.affine("x", [4, 6]);
            // A product of affine maps would be one of the client's terms.
            let (one, other) = (network.node("Relu", &[hidden], &[]), network.node("Tanh", &[&other], &[]));
            network.node(op, &[&one, &other], &[]);
        });
        agrees(network, 6);
    }
}

#[test]
fn the_largest_and_the_least_of_many() {
    for op in ["ReduceMax", "ReduceMin"] {
        let network = between_weights(|network, hidden| {
            let shape = TensorProto {
                dims: vec![3],
                data_type: DataType::Int64 as i32,
                int64_data: vec![1, 2, 3],
                ..TensorProto::default()
            };
            let shape = network.initializer(shape);
            let table = network.node("Reshape", &[hidden, &shape], &[]);
            network.node(op, &[&table], &[("axes", &[2]), ("keepdims", &[0])]);
        });
        agrees(network, 2);
    }
}

#[test]
fn quantizers() {
    let network = between_weights(|network, hidden| {
        let scale = network.constant(&[], vec![0.05]);
        let zero =
            TensorProto { data_type: DataType::Int8 as i32, int32_data: vec![3], ..TensorProto::default() };
        let zero = network.initializer(zero);
        let quantized = network.node("QuantizeLinear", &[hidden, &scale, &zero], &[]);
        network.node("DequantizeLinear", &[&quantized, &scale, &zero], &[]);
    });
    agrees(network, 6);
}

#[test]
fn layers_of_layers() {
    let network = between_weights(|network, hidden| {
        let once = network.node("Relu", &[hidden], &[]);
        let hidden = network.affine(&once, [6, 5]);
        let twice = network.node("Tanh", &[&hidden], &[]);
        let hidden = network.affine(&twice, [5, 6]);
        network.node("Sigmoid", &[&hidden], &[]);
    });
    agrees(network, 6);
}

#[test]
fn convolutions_and_pools() {
    for pool in ["MaxPool", "AveragePool"] {
        let mut network = Network::new(&[1, 6, 6]);
        let (weights, bias) = (network.weights(&[2, 1, 3, 3]), network.weights(&[2]));
        let hidden = network.node("Conv", &["x", &weights, &bias], &[("kernel_shape", &[3, 3])]);
        let relu = network.node("Relu", &[&hidden], &[]);
        network.node(pool, &[&relu], &[("kernel_shape", &[2, 2]), ("strides", &[2, 2])]);
        agrees(network, 8);
    }
}
