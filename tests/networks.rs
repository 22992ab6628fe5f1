//! Small networks in the spellings of several exporters, from ONNX files to decrypted results.

mod shell;

use std::path::{Path, PathBuf};

use fhe_ml::circuit::{Circuit, ClientSpec, Encoding, LookupCircuit};
use fhe_ml::client::keys::evaluation_bytes;
use fhe_ml::client::{Decryptor, Encryptor};
use fhe_ml::compile::{self, Compiled, Details, Settings};
use fhe_ml::crypto::Secret;
use fhe_ml::model::Model;
use fhe_ml::onnx::{self, Options};
use fhe_ml::server::{EvaluationKey, Evaluator, Parts, Simulation};
use fhe_ml::tensor::{Row, Source, Tensor, read_rows};
use ndarray::ArrayD;

fn networks() -> Vec<PathBuf> {
    cases("networks")
}

fn cases(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(folder);
    let mut cases: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    cases
}

fn read(case: &Path) -> Model {
    onnx::read(&case.join("model.onnx"), &Options::default()).unwrap()
}

fn rows(case: &Path, model: &Model, file: &str) -> Vec<Row> {
    let source = Source::parse(case.join(file).to_str().unwrap());
    read_rows(&source, model.inputs()).unwrap().map(Result::unwrap).collect()
}

fn compiled(case: &Path, model: &Model) -> Compiled {
    let calibration = rows(case, model, "x_calib.npy").into_iter().map(Ok);
    compile::compile(model, calibration, &Settings::default()).unwrap()
}

/// The values of the last output.
fn scores(row: &Row) -> Vec<f64> {
    row.last().unwrap().as_numbers().unwrap().iter().copied().collect()
}

fn largest(scores: &[f64]) -> usize {
    (0..scores.len()).max_by(|a, b| scores[*a].total_cmp(&scores[*b])).unwrap()
}

#[test]
fn every_spelling_classifies_as_its_model() {
    for case in networks() {
        let model = read(&case);
        let compiled = compiled(&case, &model);
        let Details::Networks(report) = &compiled.report.details else { panic!("{}", case.display()) };
        assert!(report.lookups.lookups > 0 && report.lookups.layers > 0, "{report:?}");
        assert!(compiled.report.key_bytes.unwrap() <= 40_000_000);
        let parts = Parts { client: &compiled.client, circuit: &compiled.circuit, model: &model };
        let test = rows(&case, &model, "x_test.npy");
        let simulation = Simulation::run(parts, test.iter().cloned().map(Ok), 1).unwrap();
        let pairs = simulation.rows().iter().zip(&test);
        let agreed = pairs.filter(|(found, row)| {
            largest(&scores(found)) == largest(&scores(&model.evaluate(row).unwrap()))
        });
        let share = agreed.count() as f64 / test.len() as f64;
        assert!(share >= 0.75, "{}: {share}", case.display());
    }
}

/// The integers of rows, and what they give when they are encrypted.
fn encrypted(circuit: &Circuit, client: &ClientSpec, rows: &[Row]) -> Vec<(Vec<i64>, Vec<i64>)> {
    let (secret, evaluation) = (Secret::generate(client.encoding.secret()), client.encoding.evaluation());
    let bytes = evaluation_bytes(&secret, &evaluation).unwrap();
    let key = EvaluationKey::from_bytes(&evaluation, &bytes).unwrap();
    let evaluator = Evaluator::new(circuit, &key).unwrap();
    let encryptor = Encryptor::new(&secret, client.encoding.clone()).unwrap();
    let decryptor = Decryptor::new(&secret, client.encoding.clone()).unwrap();
    let run = |row: &Row| {
        let integers = client.encode(row).unwrap().integers;
        let block = encryptor.encrypt(std::slice::from_ref(&integers)).unwrap();
        let found = decryptor.decrypt(&evaluator.evaluate(&block).unwrap()).unwrap().remove(0);
        (integers, found)
    };
    rows.iter().map(run).collect()
}

#[test]
fn encrypted_results_are_the_clear_ones_but_for_noise() {
    let case = &networks()[0];
    let model = read(case);
    let Compiled { circuit, client, .. } = compiled(case, &model);
    let Circuit::Lookups(lookups) = &circuit else { panic!("no lookups") };
    let Encoding::Values(encoding) = &client.encoding else { panic!("no values") };
    let steps = f64::from(encoding.parts().messages.bits()).exp2();
    // How much further than the noise of outputs themselves what lookups add may lie: a network is no linear map.
    let most = 0.1 * steps;
    let test = rows(case, &model, "x_test.npy");
    for (integers, found) in encrypted(&circuit, &client, &test[..3]) {
        let clear = lookups.evaluate(&integers);
        for (found, clear) in found.iter().zip(&clear) {
            assert!(((found - clear) as f64).abs() < most, "{found} for {clear}");
        }
    }
}

#[test]
fn networks_pass_through_files() {
    let shell = shell::Shell::new();
    let case = networks()[0].clone();
    for file in ["model.onnx", "x_calib.npy", "x_test.npy", "y_test.npy"] {
        shell.write(file, std::fs::read(case.join(file)).unwrap());
    }
    shell.fhe_ml("compile model.onnx --calibration x_calib.npy -o build").done();
    shell.fhe_ml("keygen build -o keys").done();
    let report = shell.fhe_ml("simulate build --input x_test.npy --labels y_test.npy --json").json();
    assert_eq!(report["score"]["measure"], "accuracy", "{report}");
    shell.fhe_ml("inspect keys/evaluation.key").done();
    shell.fhe_ml("inspect build/server.fhe").done();
    shell.fhe_ml("estimate build --json").done();
    shell.fhe_ml("encrypt build --key keys --input x_test.npy -o x.ct").done();
}

#[test]
fn precision_is_searched_for_and_kept_in_a_file() {
    let shell = shell::Shell::new();
    let case = networks()[0].clone();
    for file in ["model.onnx", "x_calib.npy", "x_test.npy", "y_test.npy"] {
        shell.write(file, std::fs::read(case.join(file)).unwrap());
    }
    let compile = "compile model.onnx --calibration x_calib.npy --settings precision.json";
    let tuned = shell.fhe_ml(&format!("{compile} --bits auto --max-drop 0.2 -o tuned --json")).json();
    let trials = tuned["trials"].as_array().unwrap();
    let seconds = |trial: &serde_json::Value| trial["seconds"].as_f64().unwrap();
    assert!(trials.len() > 3 && trials.is_sorted_by(|a, b| seconds(a) <= seconds(b)), "{tuned}");
    // The cheapest of those that are good enough was taken.
    let cheapest = trials.iter().find(|trial| trial["drop"].as_f64().unwrap() <= 0.2).unwrap();
    assert_eq!(tuned["precision"]["bits"], cheapest["bits"], "{tuned}");
    // The file leads to the same circuit, and changed to another one.
    let again = shell.fhe_ml(&format!("{compile} -o again --json")).json();
    assert_eq!(again["parameters"], tuned["parameters"]);
    let file: serde_json::Value = serde_json::from_slice(&shell.read("precision.json")).unwrap();
    let node = file["nodes"].as_object().unwrap().keys().next().unwrap().clone();
    let own = serde_json::json!({ "bits": 5, "nodes": { node: { "bits": 5, "noise": 0.2 } } });
    shell.write("own.json", own.to_string());
    let finer = "compile model.onnx --calibration x_calib.npy --settings own.json -o finer --json";
    let finer = shell.fhe_ml(finer).json();
    assert!(finer["lookup_seconds"].as_f64() > tuned["lookup_seconds"].as_f64(), "{finer}");
}

#[test]
fn a_precision_that_nothing_takes_is_refused() {
    let shell = shell::Shell::new();
    let case = networks()[0].clone();
    for file in ["model.onnx", "x_calib.npy"] {
        shell.write(file, std::fs::read(case.join(file)).unwrap());
    }
    let compile = "compile model.onnx --calibration x_calib.npy -o out";
    for (settings, sentence) in [
        (r#"{"nodes": {"nobody": {"bits": 4}}}"#, "no lookup belongs to node 'nobody'"),
        (r#"{"bits": 12}"#, "12 bits of what lookups tell apart: networks take 2 to 8"),
        (r#"{"bit": 5}"#, "'own.json' is no file of settings"),
        (r#"{"range": "wide"}"#, "'own.json' is no file of settings"),
    ] {
        shell.write("own.json", settings);
        shell.refuses(&format!("{compile} --settings own.json"), 1, &[sentence]);
    }
    shell.refuses(&format!("{compile} --max-drop 0.1"), 1, &["add --bits auto"]);
    shell.refuses(&format!("{compile} --bits auto --max-drop 0"), 1, &["no precision loses as little as 0"]);
    shell.refuses(&format!("{compile} --bits 21"), 2, &["expected 2 to 20, or auto"]);
    assert!(!shell.path("out").exists());
}

/// With few bits noise is worth narrower ranges.
#[test]
fn ranges_chosen_by_error_are_narrower_where_bits_are_few() {
    let case = &networks()[0];
    let model = read(case);
    let ranges = |settings: &str| {
        let precision = serde_json::from_str(settings).unwrap();
        let settings = Settings { precision, ..Settings::default() };
        let calibration = rows(case, &model, "x_calib.npy").into_iter().map(Ok);
        let details = compile::compile(&model, calibration, &settings).unwrap().report.details;
        let Details::Networks(report) = details else { panic!("{details:?}") };
        report.groups
    };
    let calibrated = ranges(r#"{"bits": 2}"#);
    let chosen = ranges(r#"{"bits": 2, "range": "error"}"#);
    for (chosen, calibrated) in chosen.iter().zip(&calibrated) {
        let width = |range: [f64; 2]| range[1] - range[0];
        assert!(width(chosen.range) < 0.95 * width(calibrated.range), "{chosen:?} {calibrated:?}");
    }
    let own = format!(r#"{{"bits": 2, "nodes": {{"{}": {{"range": "error"}}}}}}"#, chosen[0].node);
    assert_eq!(ranges(&own)[0].range, chosen[0].range);
}

#[test]
fn support_vector_machines_decide_as_their_models() {
    for case in cases("kernels") {
        let model = read(&case);
        let Compiled { circuit, client, .. } = compiled(&case, &model);
        let parts = Parts { client: &client, circuit: &circuit, model: &model };
        let test = rows(&case, &model, "x_test.npy").into_iter().map(Ok);
        let accuracy = Simulation::run(parts, test, 1).unwrap().accuracy(None).unwrap();
        assert!(accuracy.agreement >= 0.85, "{}: {accuracy:?}", case.display());
    }
}

/// Pairwise decisions are encrypted; probabilities are made of them after decryption.
#[test]
fn probabilities_of_support_vector_machines_follow_decryption() {
    for case in cases("kernels").iter().filter(|case| case.to_str().unwrap().ends_with("_probability")) {
        let model = read(case);
        let Compiled { circuit, client, report } = compiled(case, &model);
        let is =
            |operators: &[String]| operators.iter().any(|operator| operator.starts_with("SVMClassifier"));
        let parts = &report.parts;
        assert!(is(&parts.epilogue) && !is(&parts.core) && !is(&parts.prologue), "{parts:?}");
        let calibration = rows(case, &model, "x_calib.npy");
        for (integers, found) in encrypted(&circuit, &client, &calibration[..2]) {
            let clear = circuit.evaluate(&integers);
            let most = if let Circuit::Lookups(lookups) = &circuit { farthest(lookups) } else { 0.0 };
            for (found, clear) in found.iter().zip(&clear) {
                assert!(((found - clear) as f64).abs() <= most, "{found} for {clear}: {}", case.display());
            }
            let probabilities = scores(&client.decode(&found).unwrap());
            assert!((probabilities.iter().sum::<f64>() - 1.0).abs() < 1e-6, "{probabilities:?}");
        }
    }
}

/// How far results of one layer of smooth functions may be off: eight standard deviations of noise, and a place of
/// each table, in integers.
fn farthest(circuit: &LookupCircuit) -> f64 {
    let parts = circuit.layers().parts();
    let slopes: Vec<f64> = parts
        .tables
        .iter()
        .map(|table| {
            let steps = table.values.windows(2).map(|pair| pair[1].wrapping_sub(pair[0]) as i64);
            steps.map(|step| (step as f64).abs()).fold(0.0, f64::max) * (2 * table.values.len()) as f64
        })
        .collect();
    // By what each lookup may be off for a noise of 1 of what it reads, and in a place of its table, in torus values.
    let slope = |wire: u32| {
        let lookup = circuit.layers().lookups().nth(wire as usize - parts.inputs).unwrap();
        (slopes[lookup.table as usize], 2 * parts.tables[lookup.table as usize].values.len())
    };
    let variances: Vec<f64> = circuit.lookup_variances().collect();
    let off = parts.outputs.iter().zip(circuit.output_variances()).map(|(sum, own)| {
        let (mut variance, mut places) = (own, 0.0);
        for (wire, weight) in &sum.weights {
            let (slope, steps) = slope(*wire);
            let slope = slope * f64::from(*weight) / 2.0_f64.powi(64);
            variance += slope.powi(2) * variances[*wire as usize - parts.inputs];
            places += slope.abs() / steps as f64;
        }
        8.0 * variance.sqrt() + places
    });
    let bits = circuit.encoding().parts().messages.bits();
    off.fold(0.0, f64::max) * f64::from(bits).exp2() + 1.0
}

#[test]
fn lookups_that_leave_their_range_are_counted() {
    let case = &networks()[0];
    let model = read(case);
    let Compiled { circuit, client, .. } = compiled(case, &model);
    let parts = Parts { client: &client, circuit: &circuit, model: &model };
    let beyond = |rows: Vec<Row>| {
        let simulation = Simulation::run(parts, rows.into_iter().map(Ok), 1).unwrap();
        simulation.accuracy(None).unwrap().lookups_beyond_range
    };
    assert_eq!(beyond(rows(case, &model, "x_calib.npy")), Some(0));
    // Images that no camera takes: every other row of pixels is as bright as can be encrypted.
    let field = &model.inputs()[0];
    let bright = |at: usize| if (at / 8).is_multiple_of(2) { 24.0 } else { -8.0 };
    let pixels = (0..field.len()).map(bright).collect();
    let shape = std::iter::once(1).chain(field.shape.iter().copied()).collect::<Vec<_>>();
    let image = Tensor::numbers(field.dtype, ArrayD::from_shape_vec(shape, pixels).unwrap()).unwrap();
    assert!(beyond(vec![vec![image]]) > Some(0));
}
