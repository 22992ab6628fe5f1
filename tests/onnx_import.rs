//! Real models agree with what onnxruntime computed for the same rows.

use std::path::{Path, PathBuf};

use fhe_ml::model::Model;
use fhe_ml::onnx::{self, Options};
use fhe_ml::tensor::{Field, Source, Tensor, read_rows};
use serde_json::Value;

/// Relative to the larger of the value and the largest value beside it.
const TOLERANCE: f64 = 1e-5;

#[test]
fn the_shipped_models_agree_with_onnxruntime() {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    check_all(&models);
}

/// The same for any folder of cases: `ONNX_CORPUS=/path cargo test --test onnx_import`.
#[test]
fn other_models_agree_with_onnxruntime() {
    if let Ok(corpus) = std::env::var("ONNX_CORPUS") {
        check_all(Path::new(&corpus));
    }
}

fn check_all(folder: &Path) {
    let mut failures = Vec::new();
    let cases = cases(folder);
    assert!(!cases.is_empty(), "no cases in {}", folder.display());
    for case in &cases {
        if let Err(reason) = check(case) {
            failures.push(format!("{}: {reason}", case.display()));
        }
    }
    assert!(
        failures.is_empty(),
        "{} of {} cases failed:\n{}",
        failures.len(),
        cases.len(),
        failures.join("\n")
    );
}

/// Every folder with a model, in order.
fn cases(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut cases: Vec<PathBuf> = entries.filter(|path| path.join("model.onnx").is_file()).collect();
    cases.sort();
    cases
}

fn check(case: &Path) -> Result<(), String> {
    let model = onnx::read(&case.join("model.onnx"), &Options::default());
    if case.join("refused.txt").is_file() {
        return match model {
            Ok(_) => Err("was expected to be refused".to_owned()),
            Err(error) => {
                println!("{}: {error:#}", case.display());
                Ok(())
            }
        };
    }
    let model = model.map_err(|error| format!("{error:#}"))?;
    let expected: Vec<Value> =
        serde_json::from_reader(std::fs::File::open(case.join("expected.json")).unwrap()).unwrap();
    let extensions = ["npy", "csv", "json", "npz"].map(|extension| case.join(format!("x_test.{extension}")));
    let data = extensions.iter().find(|path| path.is_file()).ok_or("has no test data")?;
    let rows = read_rows(&Source::parse(data), model.inputs()).map_err(|error| format!("{error:#}"))?;
    let mut count = 0;
    for (row, expected) in rows.zip(&expected) {
        let row = row.map_err(|error| format!("{error:#}"))?;
        compare_row(&model, &row, expected).map_err(|reason| format!("row {count}: {reason}"))?;
        count += 1;
    }
    if count == expected.len() { Ok(()) } else { Err(format!("{count} rows of {}", expected.len())) }
}

fn compare_row(model: &Model, row: &[Tensor], expected: &Value) -> Result<(), String> {
    let found = model.evaluate(row).map_err(|error| format!("{error:#}"))?;
    for (output, found) in model.outputs().iter().zip(&found) {
        let name = &output.field.name;
        let expected = expected.get(name).ok_or_else(|| format!("no expected value for '{name}'"))?;
        compare(&output.field, found, expected).map_err(|reason| format!("output '{name}': {reason}"))?;
    }
    Ok(())
}

fn compare(field: &Field, found: &Tensor, expected: &Value) -> Result<(), String> {
    let wanted = match expected {
        Value::Object(by_class) => {
            let names: Vec<&String> = by_class.keys().collect();
            let columns = field.columns.iter().flatten().collect::<Vec<_>>();
            if names != columns {
                return Err(format!("expected the columns {names:?}, found {columns:?}"));
            }
            by_class.values().collect()
        }
        other => leaves(other),
    };
    if wanted.len() != found.len() {
        return Err(format!("expected {} values, found {}", wanted.len(), found.len()));
    }
    if let Ok(text) = found.as_text() {
        let equal = text.iter().zip(&wanted).all(|(found, wanted)| wanted.as_str() == Some(found));
        return if equal { Ok(()) } else { Err(format!("expected {wanted:?}, found {text}")) };
    }
    let numbers: Vec<f64> = found.as_numbers().unwrap().iter().copied().collect();
    let scale = numbers
        .iter()
        .filter(|number| number.is_finite())
        .fold(1e-30_f64, |scale, number| scale.max(number.abs()));
    for (found, wanted) in numbers.iter().zip(&wanted) {
        let agree = match number(wanted) {
            Some(wanted) => (found - wanted).abs() <= TOLERANCE * scale.max(wanted.abs()),
            None => !found.is_finite(),
        };
        if !agree {
            return Err(format!("expected {wanted}, found {found}"));
        }
    }
    Ok(())
}

fn leaves(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(values) => values.iter().flat_map(leaves).collect(),
        other => vec![other],
    }
}

fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_bool().map(|value| f64::from(u8::from(value))))
}
