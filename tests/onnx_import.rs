//! Real models agree with what onnxruntime computed for the same rows.

use std::path::{Path, PathBuf};

use fhe_ml::model::Model;
use fhe_ml::onnx::{self, Options};
use fhe_ml::tensor::{DType, Field, Source, Tensor, read_rows};
use serde_json::Value;

/// How many places of each model are damaged.
const DAMAGES: usize = 500;

/// How near values must be, relative to the largest in their output.
#[derive(Clone, Copy)]
struct Tolerance {
    single: f64,
    half: f64,
    absolute: f64,
    /// Whether class names must be those of the file that holds the expected values.
    names: bool,
}

#[test]
fn the_shipped_models_agree_with_onnxruntime() {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    check_all(&models, Tolerance { single: 1e-5, half: 0.0, absolute: 1e-6, names: true });
}

#[test]
fn the_shipped_networks_agree_with_onnxruntime() {
    let networks = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/networks");
    check_all(&networks, Tolerance { single: 1e-5, half: 0.0, absolute: 1e-6, names: true });
}

#[test]
fn the_shipped_neighbours_agree_with_onnxruntime() {
    let neighbors = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/neighbors");
    check_all(&neighbors, Tolerance { single: 1e-5, half: 0.0, absolute: 1e-6, names: true });
}

#[test]
fn the_shipped_kernels_agree_with_onnxruntime() {
    let kernels = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/kernels");
    check_all(&kernels, Tolerance { single: 1e-5, half: 0.0, absolute: 1e-5, names: true });
}

/// The same for any folder of cases: `ONNX_CORPUS=/path cargo test --test onnx_import`. Cases with
/// a `refused.txt` may be refused here or only when they are compiled.
#[test]
fn other_models_agree_with_onnxruntime() {
    if let Ok(corpus) = std::env::var("ONNX_CORPUS") {
        check_all(Path::new(&corpus), Tolerance { single: 1e-4, half: 4e-3, absolute: 1e-6, names: false });
    }
}

fn check_all(folder: &Path, tolerance: Tolerance) {
    let cases = cases(folder);
    assert!(!cases.is_empty(), "no cases in {}", folder.display());
    let failures: Vec<String> = cases
        .iter()
        .filter_map(|case| check(case, tolerance).err().map(|reason| format!("{}: {reason}", case.display())))
        .collect();
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

fn check(case: &Path, tolerance: Tolerance) -> Result<(), String> {
    let model = onnx::read(&case.join("model.onnx"), &Options::default());
    if case.join("refused.txt").is_file() {
        match model {
            Ok(_) => println!("{}: read", case.display()),
            Err(error) => println!("{error:#}"),
        }
        return Ok(());
    }
    let model = model.map_err(|error| format!("{error:#}"))?;
    let expected = std::fs::File::open(case.join("expected.json")).unwrap();
    let expected: Vec<Value> = serde_json::from_reader(expected).unwrap();
    let data = ["npy", "csv", "json", "npz"].map(|extension| case.join(format!("x_test.{extension}")));
    let data = data.iter().find(|path| path.is_file()).ok_or("has no test data")?;
    let rows = read_rows(&Source::parse(data), model.inputs()).map_err(|error| format!("{error:#}"))?;
    let rows = rows.collect::<Result<Vec<_>, _>>().map_err(|error| format!("{error:#}"))?;
    if rows.len() != expected.len() {
        return Err(format!("{} rows, expected {}", rows.len(), expected.len()));
    }
    for (number, (row, expected)) in rows.iter().zip(&expected).enumerate() {
        compare_row(&model, row, expected, tolerance).map_err(|reason| format!("row {number}: {reason}"))?;
    }
    Ok(())
}

fn compare_row(model: &Model, row: &[Tensor], expected: &Value, tolerance: Tolerance) -> Result<(), String> {
    let found = model.evaluate(row).map_err(|error| format!("{error:#}"))?;
    let is_half = model.nodes().iter().any(|node| node.dtype == DType::F16);
    let relative = if is_half { tolerance.half } else { tolerance.single };
    for (output, found) in model.outputs().iter().zip(&found) {
        // What does not depend on the row is not in the rows.
        let Some(expected) = expected.get(&output.field.name) else { continue };
        if tolerance.names {
            compare_names(&output.field, expected)?;
        }
        compare(found, expected, relative, tolerance.absolute)
            .map_err(|reason| format!("output '{}': {reason}", output.field.name))?;
    }
    Ok(())
}

fn compare_names(field: &Field, expected: &Value) -> Result<(), String> {
    let wanted = expected.as_object().map(|by_class| by_class.keys().cloned().collect::<Vec<String>>());
    if wanted == field.columns {
        return Ok(());
    }
    Err(format!("output '{}': expected the columns {wanted:?}, found {:?}", field.name, field.columns))
}

fn compare(found: &Tensor, expected: &Value, relative: f64, absolute: f64) -> Result<(), String> {
    let wanted = leaves(expected);
    if wanted.len() != found.len() {
        return Err(format!("expected {} values, found {}", wanted.len(), found.len()));
    }
    if let Ok(text) = found.as_text() {
        let equal = text.iter().zip(&wanted).all(|(found, wanted)| wanted.as_str() == Some(found));
        return if equal { Ok(()) } else { Err(format!("expected {wanted:?}, found {text}")) };
    }
    let numbers: Vec<f64> = found.as_numbers().unwrap().iter().copied().collect();
    let largest = numbers
        .iter()
        .filter(|number| number.is_finite())
        .fold(0.0_f64, |size, number| size.max(number.abs()));
    let agree = |(found, wanted): (&f64, &&Value)| match number(wanted) {
        Some(wanted) => (found - wanted).abs() <= absolute + relative * largest.max(wanted.abs()),
        None => !found.is_finite(),
    };
    let misfit = numbers.iter().zip(&wanted).find(|pair| !agree(*pair));
    misfit.map_or(Ok(()), |(found, wanted)| Err(format!("expected {wanted}, found {found}")))
}

fn leaves(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(values) => values.iter().flat_map(leaves).collect(),
        Value::Object(by_class) => by_class.values().collect(),
        other => vec![other],
    }
}

fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_bool().map(|value| f64::from(u8::from(value))))
}

/// Damaged files give errors, never a panic.
#[test]
fn damaged_models_are_refused_in_order() {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    for case in cases(&models).into_iter().chain(cases(&models.join("networks"))) {
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
