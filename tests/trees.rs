//! Tree ensembles of every exporter agree with onnxruntime, and are refused where they cannot run encrypted.

use std::path::{Path, PathBuf};
use std::process::Command;

use fhe_ml::model::Model;
use fhe_ml::onnx::{self, Options};
use fhe_ml::tensor::{Source, Tensor, read_rows};
use serde_json::Value;

/// How near scores must be, relative to the largest of their row.
const TOLERANCE: f64 = 1e-5;
/// How many places of each model are damaged.
const DAMAGES: usize = 300;

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/trees");
    let mut cases: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|case| case.unwrap().path()).collect();
    cases.sort();
    assert!(!cases.is_empty());
    cases
}

fn read(case: &Path) -> Model {
    onnx::read(&case.join("model.onnx"), &Options::default())
        .unwrap_or_else(|error| panic!("{}: {error:#}", case.display()))
}

#[test]
fn labels_are_equal_and_scores_near_on_every_row() {
    for case in cases() {
        let model = read(&case);
        let expected = std::fs::read(case.join("expected.json")).unwrap();
        let expected: Vec<Value> = serde_json::from_slice(&expected).unwrap();
        let rows = read_rows(&Source::parse(case.join("x_test.npy")), model.inputs()).unwrap();
        let rows: Vec<_> = rows.collect::<Result<_, _>>().unwrap();
        assert_eq!(rows.len(), expected.len());
        for (number, (row, expected)) in rows.iter().zip(&expected).enumerate() {
            let found = model.evaluate(row).unwrap();
            for (output, found) in model.outputs().iter().zip(&found) {
                let place = format!("{} row {number} '{}'", case.display(), output.field.name);
                compare(found, &expected[&output.field.name], &place);
            }
        }
    }
}

/// Integers and text exactly, other numbers within the tolerance.
fn compare(found: &Tensor, expected: &Value, place: &str) {
    let wanted: Vec<&Value> = match expected {
        Value::Array(values) => values.iter().collect(),
        Value::Object(by_class) => by_class.values().collect(),
        single => vec![single],
    };
    assert_eq!(wanted.len(), found.len(), "{place}");
    if let Ok(text) = found.as_text() {
        assert!(text.iter().zip(&wanted).all(|(found, wanted)| wanted.as_str() == Some(found)), "{place}");
        return;
    }
    let wanted: Vec<f64> = wanted.iter().map(|value| value.as_f64().unwrap()).collect();
    let largest = wanted.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    let tolerance = if found.dtype().is_float() { TOLERANCE * largest } else { 0.0 };
    for (found, wanted) in found.as_numbers().unwrap().iter().zip(&wanted) {
        assert!((found - wanted).abs() <= tolerance, "{place}: expected {wanted}, found {found}");
    }
}

#[test]
fn a_model_is_read_as_it_was_written() {
    for case in cases() {
        let model = read(&case);
        let copy: Model = serde_json::from_str(&serde_json::to_string(&model).unwrap()).unwrap();
        assert!(copy == model, "{}", case.display());
    }
}

#[test]
fn damaged_models_are_refused_in_order() {
    for case in cases() {
        let bytes = std::fs::read(case.join("model.onnx")).unwrap();
        for step in 0..DAMAGES {
            let place = step * bytes.len() / DAMAGES;
            let mut flipped = bytes.clone();
            flipped[place] ^= 1 << (step % 8);
            let _ = onnx::read_bytes(&flipped, None, &Options::default());
            let _ = onnx::read_bytes(&bytes[..place], None, &Options::default());
        }
    }
}

#[test]
fn trees_can_be_read_but_not_yet_compiled() {
    let folder = tempfile::tempdir().unwrap();
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/trees/rf_breast_cancer");
    let fhe_ml = |args: &[&str]| {
        let output =
            Command::new(env!("CARGO_BIN_EXE_fhe-ml")).current_dir(&case).args(args).output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap(),
        )
    };
    let out = folder.path().join("out");
    let out = out.to_str().unwrap();
    let sentence = "(TreeEnsemble) cannot be evaluated encrypted by this version";
    let (code, text) = fhe_ml(&["compile", "model.onnx", "--calibration", "x_calib.npy", "-o", out]);
    assert!(code == Some(3) && text.contains(sentence), "{text}");
    assert!(!Path::new(out).exists());
    let (code, text) = fhe_ml(&["check", "model.onnx"]);
    assert!(code == Some(3) && text.contains(sentence), "{text}");
    assert!(text.contains("ok             TreeEnsembleClassifier"), "{text}");
}
