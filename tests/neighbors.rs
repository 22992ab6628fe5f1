//! Nearest neighbours, from ONNX files to decrypted results.

mod shell;

use std::path::{Path, PathBuf};

use fhe_ml::circuit::Circuit;
use fhe_ml::client::keys::evaluation_bytes;
use fhe_ml::client::{Decryptor, Encryptor};
use fhe_ml::compile::{self, Compiled, Settings};
use fhe_ml::crypto::Secret;
use fhe_ml::model::op::{Binary, Reduction};
use fhe_ml::model::{Builder, Model, Op};
use fhe_ml::onnx::{self, Options};
use fhe_ml::server::{EvaluationKey, Evaluator, Parts, Simulation};
use fhe_ml::tensor::{DType, Field, Row, Source, Tensor, read_column, read_rows};
use ndarray::ArrayD;
use shell::Shell;

fn case(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models/neighbors").join(name)
}

fn read(name: &str) -> Model {
    onnx::read(&case(name).join("model.onnx"), &Options::default()).unwrap()
}

fn rows(name: &str, model: &Model, file: &str) -> Vec<Row> {
    let source = Source::parse(case(name).join(file).to_str().unwrap());
    read_rows(&source, model.inputs()).unwrap().map(Result::unwrap).collect()
}

fn compiled(name: &str, model: &Model, settings: &Settings) -> anyhow::Result<Compiled> {
    compile::compile(model, rows(name, model, "x_calib.npy").into_iter().map(Ok), settings)
}

/// What the circuit and its model score on known answers.
fn scores(name: &str, settings: &Settings, seed: u64) -> (f64, f64) {
    let model = read(name);
    let Compiled { circuit, client, report } = compiled(name, &model, settings).unwrap();
    assert!(report.key_bytes.unwrap_or(0) <= 40_000_000);
    let parts = Parts { client: &client, circuit: &circuit, model: &model };
    let test = rows(name, &model, "x_test.npy").into_iter().map(Ok);
    let labels = read_column(&Source::parse(case(name).join("y_test.npy").to_str().unwrap())).unwrap();
    let simulation = Simulation::run(parts, test, seed).unwrap();
    let labels = labels.for_rows(simulation.rows().len()).unwrap();
    let score = simulation.accuracy(Some(&labels)).unwrap().score.unwrap();
    eprintln!("{name}: {} of {}, {:?}", score.circuit, score.float, report.details);
    (score.circuit, score.float)
}

#[test]
fn votes_decide_as_the_model_does() {
    for seed in 0..5 {
        let (circuit, float) = scores("knn_iris", &Settings::default(), seed);
        // Of 38 rows; the seed repeats the noise.
        assert!(float > 0.97 && circuit >= 0.92, "{circuit} of {float}");
    }
    let (circuit, float) = scores("knn_diabetes", &Settings::default(), 1);
    assert!(circuit > float - 0.15, "{circuit} of {float}");
}

#[test]
fn distances_are_revealed_only_where_that_was_chosen() {
    let revealed = Settings { reveal_distances: true, ..Settings::default() };
    let refused = |model: &Model, reason: &str| {
        let message = compile::parts(model).unwrap_err().to_string();
        assert!(message.contains(reason) && message.contains("--reveal-distances"), "{message}");
        assert!(compile::compile(model, [], &Settings::default()).is_err());
    };
    refused(&read("knn_manhattan"), "are not Euclidean");
    let (circuit, float) = scores("knn_manhattan", &revealed, 1);
    assert!(circuit > float - 0.03, "{circuit} of {float}");
    let points = [[0.0, 1.0], [2.0, 3.0], [5.0, 4.0]];
    refused(&search(&points, &points, 2, true), "weighs neighbours by distances");
    let model = read("knn_iris");
    let Compiled { circuit, report, .. } = compiled("knn_iris", &model, &revealed).unwrap();
    assert!(matches!(circuit, Circuit::Product(_)) && report.key_bytes.is_none());
    assert!(report.client_reveals[0].contains("the distances to all points"), "{:?}", report.client_reveals);
    let report = compiled("knn_iris", &model, &Settings::default()).unwrap().report;
    assert!(
        report.client_reveals.iter().any(|fact| fact.contains("no point")),
        "{:?}",
        report.client_reveals
    );
}

/// Two numbers are summed up over the `k` nearest of `points`; their distances may be given too.
fn search(points: &[[f64; 2]], values: &[[f64; 2]], k: usize, gives_distances: bool) -> Model {
    let mut builder = Builder::new();
    let matrix = |rows: &[[f64; 2]]| {
        let numbers = rows.iter().flatten().copied().collect();
        Tensor::f64s(ArrayD::from_shape_vec(vec![rows.len(), 2], numbers).unwrap())
    };
    let x = builder.input(Field { name: "x".to_owned(), dtype: DType::F64, shape: vec![2], columns: None });
    let (points, values) =
        (builder.constant("points", matrix(points)), builder.constant("values", matrix(values)));
    let x = builder.push("difference", Op::Binary(Binary::Sub), &[points, x]).unwrap();
    let sum = |reduction, axis| Op::Reduce { reduction, axes: vec![axis], keep_dims: false };
    let x = builder.push("squares", sum(Reduction::SumSquare, 1), &[x]).unwrap();
    let top = |values| Op::TopK { count: k, largest: false, axis: 0, values };
    if gives_distances {
        let distances = builder.push("distances", top(true), &[x]).unwrap();
        builder.output("distances", distances, None);
    }
    let x = builder.push("nearest", top(false), &[x]).unwrap();
    let x = builder.push("values of neighbours", Op::Gather { axis: 0 }, &[values, x]).unwrap();
    let x = builder.push("sum", sum(Reduction::Sum, 0), &[x]).unwrap();
    builder.output("y", x, None);
    builder.finish().unwrap()
}

/// Clusters of three points far from each other: rows near a cluster have it for their neighbours, and no other point
/// is nearly as close.
#[test]
fn clear_cut_neighbours_are_found_exactly() {
    let centers = [[0.0, 0.0], [8.0, 1.0], [2.0, 9.0], [-7.0, 5.0], [-3.0, -8.0]];
    let corners = [[0.1, 0.0], [-0.1, 0.1], [0.0, -0.1]];
    let moved = |center: &[f64; 2], by: &[f64; 2]| [center[0] + by[0], center[1] + by[1]];
    let points: Vec<[f64; 2]> =
        centers.iter().flat_map(|center| corners.iter().map(|corner| moved(center, corner))).collect();
    let values: Vec<[f64; 2]> =
        (0..15).map(|point| [f64::from(point / 3 % 2), f64::from((point / 6) % 2)]).collect();
    let model = search(&points, &values, 3, false);
    let row = |center: &[f64; 2], scale: f64| {
        let [a, b] = moved(center, &[scale, -scale]);
        vec![Tensor::f64s(ArrayD::from_shape_vec(vec![1, 2], vec![a, b]).unwrap())]
    };
    let calibration: Vec<Row> =
        [0.5, -0.5, 1.0].iter().flat_map(|scale| centers.iter().map(|center| row(center, *scale))).collect();
    let compiled = compile::compile(&model, calibration.into_iter().map(Ok), &Settings::default()).unwrap();
    let Compiled { circuit, client, .. } = &compiled;
    let (secret, evaluation) = (Secret::generate(client.encoding.secret()), client.encoding.evaluation());
    let key =
        EvaluationKey::from_bytes(&evaluation, &evaluation_bytes(&secret, &evaluation).unwrap()).unwrap();
    let evaluator = Evaluator::new(circuit, &key).unwrap();
    let encryptor = Encryptor::new(&secret, client.encoding.clone()).unwrap();
    let decryptor = Decryptor::new(&secret, client.encoding.clone()).unwrap();
    for center in &centers {
        let row = row(center, 0.2);
        let integers = client.encode(&row).unwrap().integers;
        let block = encryptor.encrypt(std::slice::from_ref(&integers)).unwrap();
        let found = decryptor.decrypt(&evaluator.evaluate(&block).unwrap()).unwrap().remove(0);
        assert_eq!(found, circuit.evaluate(&integers), "{center:?}");
        let decoded = client.decode(&found).unwrap();
        let expected = model.evaluate(&row).unwrap();
        assert_eq!(decoded[0].as_numbers().unwrap(), expected[0].as_numbers().unwrap(), "{center:?}");
    }
}

#[test]
fn neighbours_pass_through_files() {
    let shell = Shell::new();
    for file in ["model.onnx", "x_calib.npy", "x_test.npy", "y_test.npy"] {
        shell.write(file, std::fs::read(case("knn_iris").join(file)).unwrap());
    }
    let report = shell.fhe_ml("compile model.onnx --calibration x_calib.npy -o build --json").done().stdout;
    for part in ["\"kind\":\"neighbors\"", "\"neighbors\":3", "\"points\":112"] {
        assert!(report.replace(": ", ":").contains(part), "no {part} in {report}");
    }
    shell.fhe_ml("keygen build -o keys").done();
    shell.fhe_ml("inspect build/server.fhe").done();
    shell.fhe_ml("estimate build --json").done();
    shell.fhe_ml("encrypt build --key keys --input x_test.npy -o x.ct").done();
    let line = "compile model.onnx --calibration x_calib.npy --reveal-distances -o open";
    assert!(shell.fhe_ml(line).done().stdout.contains("the distances to all points"));
}
