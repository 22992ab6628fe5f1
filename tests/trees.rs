//! Ensembles of trees: written and read again, at quantiles and at their own thresholds, packed and sent.

mod shell;

use std::path::{Path, PathBuf};

use fhe_ml::model::{Model, Op};
use fhe_ml::onnx::{self, Options};
use serde_json::Value;

use shell::Shell;

/// The shipped models with trees, in order.
fn models() -> Vec<(PathBuf, Model)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let mut cases: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|case| case.unwrap().path()).collect();
    cases.retain(|case| case.join("model.onnx").is_file());
    cases.sort();
    let models = cases.into_iter().map(|case| {
        let model = onnx::read(&case.join("model.onnx"), &Options::default());
        let model = model.unwrap_or_else(|error| panic!("{}: {error:#}", case.display()));
        (case, model)
    });
    let models: Vec<_> = models.filter(|(_, model)| has_trees(model)).collect();
    assert!(!models.is_empty());
    models
}

fn has_trees(model: &Model) -> bool {
    model.nodes().iter().any(|node| matches!(node.op, Op::Trees(_)))
}

#[test]
fn a_model_is_read_as_it_was_written() {
    for (case, model) in models() {
        let copy: Model = serde_json::from_str(&serde_json::to_string(&model).unwrap()).unwrap();
        assert!(copy == model, "{}", case.display());
    }
}

fn cases() -> impl Iterator<Item = String> {
    shell::cases().into_iter().filter(|case| shell::has_trees(case))
}

/// What a simulation of all test rows says.
fn simulated(shell: &Shell) -> Value {
    let rows = shell.data("x_test");
    shell.fhe_ml(&format!("simulate build --input {rows} --json")).done().json()
}

#[test]
fn at_the_models_thresholds_every_decision_is_the_models() {
    for case in cases() {
        let report = simulated(&Shell::compiled(&case));
        assert_eq!(report["agreement"], 1.0, "{case}: {report}");
    }
}

#[test]
fn at_quantiles_most_decisions_are_the_models() {
    let mut agreements = Vec::new();
    for case in cases() {
        let report = simulated(&Shell::compiled_with(&case, ""));
        let agreement = report["agreement"].as_f64().unwrap();
        assert!(agreement >= 0.7, "{case}: {report}");
        agreements.push(agreement);
    }
    let mean = agreements.iter().sum::<f64>() / agreements.len() as f64;
    assert!(mean > 0.95, "{agreements:?}");
}

#[test]
fn the_report_says_what_was_chosen_and_what_it_reveals() {
    let shell = Shell::in_case("xgb_breast_cancer");
    let compile = |flags: &str| {
        let line = format!("compile model.onnx --calibration x_calib.npy --json {flags}");
        shell.fhe_ml(&line).done().json()
    };
    for (flags, binning, reveals) in [
        ("-o a", "quantile", "no threshold"),
        ("-o b --exact-thresholds", "exact", "every threshold of the model"),
    ] {
        let report = compile(flags);
        assert_eq!(report["kind"], "trees");
        assert_eq!(report["binning"], binning);
        let told = report["client_reveals"].to_string();
        assert!(told.contains(reveals), "{told}");
        let number = |name: &str| report[name].as_f64().unwrap_or_else(|| panic!("no {name} in {report}"));
        assert!(number("log2_p_error") < -128.0);
        assert!(number("score_bits") > 12.0 && number("predicted_seconds") > 0.0);
        assert!(number("key_bytes") < 8e6 && number("input_row_bytes") < 65536.0);
        assert!(number("output_row_bytes") < 20e3);
    }
}

#[test]
fn bits_that_are_sent_need_no_evaluation_key() {
    let shell = Shell::compiled_with("dt_breast_cancer", "--exact-thresholds --lan");
    assert!(shell.read("keys/evaluation.key").len() < 1000);
    shell.fhe_ml("encrypt build --input x_test.npy -o x.ct").done();
    shell.fhe_ml("run build --input x.ct -o y.ct").done();
    shell.fhe_ml("decrypt build --input y.ct -o y.json").done();
    let rows = |name: &str| -> Vec<Value> { serde_json::from_slice(&shell.read(name)).unwrap() };
    for (found, expected) in rows("y.json").iter().zip(&rows("expected.json")) {
        assert_eq!(found["label"], expected["label"]);
    }
}

#[test]
fn keys_serve_other_trees_of_the_same_parameters() {
    // A key of many items serves models of fewer.
    let shell = Shell::compiled_with("extra_trees_wine", "");
    let other = Shell::in_case("xgb_iris");
    std::fs::copy(other.path("model.onnx"), shell.path("other.onnx")).unwrap();
    for name in ["x_calib.npy", "x_test.npy"] {
        std::fs::copy(other.path(name), shell.path(&format!("other_{name}"))).unwrap();
    }
    let line = "compile other.onnx --calibration other_x_calib.npy --same-parameters-as build --exact-thresholds -o other";
    shell.fhe_ml(line).done();
    shell.fhe_ml("encrypt other --input other_x_test.npy -o x.ct").done();
    shell.fhe_ml("run other --input x.ct -o y.ct").done();
    shell.fhe_ml("decrypt other --input y.ct -o y.csv").done();
}

#[test]
fn damaged_evaluation_keys_are_refused() {
    let shell = Shell::compiled("xgb_iris");
    shell.fhe_ml("encrypt build --input x_test.npy -o x.ct").done();
    let key = shell.read("keys/evaluation.key");
    shell.write("short.key", &key[..key.len() / 2]);
    let mut flipped = key.clone();
    flipped[key.len() / 2] ^= 1;
    shell.write("flipped.key", &flipped);
    let run = |key: &str| format!("run build --key {key} --input x.ct -o y.ct");
    shell.refuses(&run("short.key"), 1, &["short.key"]);
    shell.refuses(&run("flipped.key"), 1, &["'flipped.key' is damaged"]);
    let linear = Shell::compiled("linreg_diabetes");
    std::fs::copy(linear.path("keys/evaluation.key"), shell.path("linear.key")).unwrap();
    shell.refuses(&run("linear.key"), 1, &["'linear.key' was made for other parameters", "hint: "]);
}

#[test]
fn a_missing_value_needs_no_imputer() {
    let shell = Shell::compiled("xgb_missing");
    shell.fhe_ml("encrypt build --input x_test.npy -o x.ct").done();
}
