//! Every model in `models/` through the whole pipeline: decrypted results are what the model itself gives.

mod shell;

use std::fs;
use std::path::Path;

use fhe_ml::artifact::Reader;
use fhe_ml::circuit::files::{open_client, open_server};
use fhe_ml::circuit::{Blocks, ClientSpec, OutputBlock};
use fhe_ml::client::Decryptor;
use fhe_ml::client::keys::open_secret_key;
use fhe_ml::server::{self, Simulator};
use fhe_ml::tensor::{DType, Field, Row, Source, read_rows};
use serde_json::Value;

use shell::Shell;

/// How far a probability or score may be from the float model's.
const TOLERANCE: f64 = 1e-3;
/// How far the sum of rounded votes of trees may be, in units of a score.
const UNITS: f64 = 8.0;

#[test]
fn every_model_decrypts_to_what_it_gives_in_the_clear() {
    for case in shell::cases() {
        let shell = Shell::evaluated(&case);
        for format in ["json", "csv", "npy"] {
            shell.fhe_ml(&format!("decrypt build --input y.ct -o y.{format}")).done();
        }
        let expected = rows_of(&shell, "expected.json");
        let found = rows_of(&shell, "y.json");
        assert_rows_agree(&case, &expected, &found, rounding(&shell, &case));
        assert_csv_holds(&case, &String::from_utf8(shell.read("y.csv")).unwrap(), &found);
        assert_npy_holds(&case, &shell, &found);
        assert_r2_is_kept(&case, &shell, &expected, &found);
    }
}

#[test]
fn encrypted_is_clear_is_simulated_bit_for_bit() {
    for case in shell::cases() {
        let shell = Shell::evaluated(&case);
        let client = open_client(&shell.path("build/client.fhe")).unwrap().value;
        let circuit = open_server(&shell.path("build/server.fhe")).unwrap().value;
        let source = Source::File(shell.path(&shell.data("x_test")));
        let rows = read_rows(&source, client.prologue.inputs()).unwrap().map(Result::unwrap);
        let encoded: Vec<_> = rows.map(|row| client.encode(&row).unwrap().integers).collect();
        let clear: Vec<_> = encoded.iter().map(|row| server::evaluate(&circuit, row)).collect();
        let mut simulator = Simulator::new(&circuit, 1);
        let simulated: Vec<_> = encoded.iter().map(|row| simulator.evaluate(row)).collect();
        assert!(decrypted_integers(&shell, &client) == clear, "{case}: encrypted differs from clear");
        assert!(simulated == clear, "{case}: simulated differs from clear");
    }
}

/// The integers in `y.ct`, before the epilogue.
fn decrypted_integers(shell: &Shell, client: &ClientSpec) -> Vec<Vec<i64>> {
    let key = open_secret_key(&shell.path("keys/secret.key"), None).unwrap();
    let decryptor = Decryptor::new(&key.secret, client.encoding.clone()).unwrap();
    let blocks = Blocks::of_outputs(client.encoding.clone());
    let mut reader = Reader::open(&shell.path("y.ct")).unwrap();
    let mut payload = reader.payload().unwrap();
    let mut rows = Vec::new();
    for bytes in blocks.batch(&mut payload, usize::MAX >> 32).unwrap() {
        rows.extend(decryptor.decrypt(&OutputBlock::read(&client.encoding, &bytes).unwrap()).unwrap());
    }
    rows
}

fn rows_of(shell: &Shell, name: &str) -> Vec<Value> {
    serde_json::from_slice(&shell.read(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Same rows in the same order, same outputs by the same names, equal labels, numbers that are close.
fn assert_rows_agree(case: &str, expected: &[Value], found: &[Value], rounding: f64) {
    assert_eq!(expected.len(), found.len(), "{case}: rows");
    let tolerances: Vec<f64> = tolerances(expected).into_iter().map(|own| own.max(rounding)).collect();
    for (row, (expected, found)) in expected.iter().zip(found).enumerate() {
        assert_eq!(without_numbers(expected), without_numbers(found), "{case}, row {row}");
        for ((a, b), tolerance) in numbers_in(expected).iter().zip(numbers_in(found)).zip(&tolerances) {
            assert!((a - b).abs() <= *tolerance, "{case}, row {row}: expected {expected}, found {found}");
        }
    }
}

/// What rounded votes may do to a score of trees; probabilities change no faster than their scores.
fn rounding(shell: &Shell, case: &str) -> f64 {
    let client = open_client(&shell.path("build/client.fhe")).unwrap().value;
    let units =
        client.outputs.iter().map(|output| output.steps().map(|step| step * step).sum::<f64>().sqrt());
    if shell::has_trees(case) { UNITS * units.fold(0.0, f64::max) } else { 0.0 }
}

/// For each number of a row: relative to its spread over all rows if the model is a regression.
fn tolerances(rows: &[Value]) -> Vec<f64> {
    let numbers: Vec<Vec<f64>> = rows.iter().map(numbers_in).collect();
    let spread = |place: usize| {
        let column = || numbers.iter().map(|row| row[place]);
        column().fold(f64::NEG_INFINITY, f64::max) - column().fold(f64::INFINITY, f64::min)
    };
    let is_regression = rows.iter().all(is_regression);
    let tolerance = |place| if is_regression { TOLERANCE * spread(place) } else { TOLERANCE };
    (0..numbers[0].len()).map(tolerance).collect()
}

/// The text of a row, in which every floating-point number stands as `0.0`.
fn without_numbers(row: &Value) -> String {
    fn blank(value: &mut Value) {
        match value {
            Value::Object(members) => members.values_mut().for_each(blank),
            Value::Array(values) => values.iter_mut().for_each(blank),
            Value::Number(number) if number.is_f64() => *value = Value::from(0.0),
            Value::Number(_) | Value::String(_) | Value::Bool(_) | Value::Null => {}
        }
    }
    let mut row = row.clone();
    blank(&mut row);
    row.to_string()
}

fn is_regression(row: &Value) -> bool {
    match row {
        Value::Object(members) => members.values().all(is_regression),
        Value::Array(values) => values.iter().all(is_regression),
        Value::Number(number) => number.is_f64(),
        Value::String(_) | Value::Bool(_) | Value::Null => false,
    }
}

/// The floating-point numbers of a row, in order.
fn numbers_in(value: &Value) -> Vec<f64> {
    leaves(value).into_iter().filter(|leaf| leaf.is_f64()).filter_map(Value::as_f64).collect()
}

fn leaves(value: &Value) -> Vec<&Value> {
    match value {
        Value::Object(members) => members.values().flat_map(leaves).collect(),
        Value::Array(values) => values.iter().flat_map(leaves).collect(),
        leaf => vec![leaf],
    }
}

/// A csv file of the same rows: a header, then every value as it stands in the JSON.
fn assert_csv_holds(case: &str, csv: &str, rows: &[Value]) {
    let mut lines = csv.lines();
    let header: Vec<&str> = lines.next().unwrap().split(',').collect();
    let Value::Object(first) = &rows[0] else { panic!("{case}: a row is no object") };
    for name in first.keys() {
        let named = |column: &&str| *column == name || column.starts_with(&format!("{name}."));
        assert!(header.iter().any(named), "{case}: no column '{name}' in {header:?}");
    }
    let lines: Vec<&str> = lines.collect();
    assert_eq!(lines.len(), rows.len(), "{case}: csv rows");
    for (line, row) in lines.iter().zip(rows) {
        let expected: Vec<String> =
            leaves(row).iter().map(|leaf| leaf.as_str().map_or(leaf.to_string(), str::to_owned)).collect();
        let cells: Vec<&str> = line.split(',').collect();
        assert_eq!(cells.len(), expected.len(), "{case}: {line}");
        for (cell, expected) in cells.iter().zip(&expected) {
            let same_number = || cell.parse::<f64>().ok() == expected.parse().ok();
            assert!(cell == expected || same_number(), "{case}: csv has {cell}, JSON {expected}");
        }
    }
}

/// The npy file holds the last output of floating-point numbers.
fn assert_npy_holds(case: &str, shell: &Shell, rows: &[Value]) {
    let client = open_client(&shell.path("build/client.fhe")).unwrap().value;
    let mut fields = client.epilogue.outputs().iter().map(|output| &output.field);
    let field = fields.rfind(|field| field.dtype.is_float()).unwrap_or_else(|| panic!("{case}: no numbers"));
    let arrays = numbers_of_file(&shell.path("y.npy"), std::slice::from_ref(field));
    assert_eq!(arrays.len(), rows.len(), "{case}: npy rows");
    for (array, row) in arrays.iter().zip(rows) {
        let printed: Vec<f64> = leaves(&row[&field.name]).iter().filter_map(|leaf| leaf.as_f64()).collect();
        let rounded: Vec<f64> = printed.iter().map(|number| field.dtype.round(*number)).collect();
        assert_eq!(array, &rounded, "{case}: npy and JSON");
    }
}

/// A regression explains the truth as well as the float model does, to three decimals.
fn assert_r2_is_kept(case: &str, shell: &Shell, expected: &[Value], found: &[Value]) {
    let is_known = fs::exists(shell.path("y_test.npy")).unwrap();
    if !is_known || !expected.iter().all(is_regression) {
        return;
    }
    let width = numbers_in(&expected[0]).len();
    let shape = if width == 1 { Vec::new() } else { vec![width] };
    let field = Field { name: "y".to_owned(), dtype: DType::F64, shape, columns: None };
    let truth = numbers_of_file(&shell.path("y_test.npy"), &[field]);
    for place in 0..width {
        let truth: Vec<f64> = truth.iter().map(|row| row[place]).collect();
        let column = |rows: &[Value]| rows.iter().map(|row| numbers_in(row)[place]).collect::<Vec<_>>();
        let (float, encrypted) = (r2(&column(expected), &truth), r2(&column(found), &truth));
        assert!((float - encrypted).abs() < 5e-4, "{case}: R² {float} in the clear, {encrypted} encrypted");
    }
}

fn r2(values: &[f64], truth: &[f64]) -> f64 {
    let mean = truth.iter().sum::<f64>() / truth.len() as f64;
    let total: f64 = truth.iter().map(|target| (target - mean).powi(2)).sum();
    let residual: f64 = values.iter().zip(truth).map(|(value, target)| (value - target).powi(2)).sum();
    1.0 - residual / total
}

fn numbers_of_file(path: &Path, fields: &[Field]) -> Vec<Vec<f64>> {
    let numbers = |row: Row| row[0].as_numbers().unwrap().iter().copied().collect();
    read_rows(&Source::File(path.to_owned()), fields).unwrap().map(|row| numbers(row.unwrap())).collect()
}
