//! Ensembles of trees in every operator: a sound one gives what its trees give, a damaged one is
//! refused or can be evaluated and written.
#![no_main]

use fhe_ml::artifact::{from_bytes, to_bytes};
use fhe_ml::compile;
use fhe_ml::model::Model;
use fhe_ml::onnx::{Options, read_bytes};
use fhe_ml::tensor::{DType, Tensor};
use fhe_ml_fuzz::onnx::{Given, damage, file, with};
use fhe_ml_fuzz::trees::{FEATURES, Tree, draw, listed, number, split};
use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use tract_onnx::pb::NodeProto;

fuzz_target!(|bytes: &[u8]| {
    // Bytes that end too early are no ensemble.
    let _ = run(&mut Unstructured::new(bytes));
});

fn run(from: &mut Unstructured) -> Result<()> {
    let row: Vec<f32> = (0..FEATURES).map(|_| number(from)).collect::<Result<_>>()?;
    match from.int_in_range(0..=3)? {
        0 => {
            let trees = draw(from, listed::MODES, 1)?;
            let (name, _, join) = *from.choose(&JOINS)?;
            let node = listed::write("TreeEnsembleRegressor", &["y"], "target", &trees);
            sound(with(node, "aggregate_function", Given::Text(name)), &trees, join, &row);
        }
        1 => {
            let trees = draw(from, split::MODES, 1)?;
            let (_, number, join) = *from.choose(&JOINS)?;
            let node = split::write(&["y"], &trees);
            sound(with(node, "aggregate_function", Given::Int(number)), &trees, join, &row);
        }
        2 => {
            let node = classifier(from)?;
            damaged(from, node, &row)?;
        }
        _ => {
            let node = regressor(from)?;
            damaged(from, node, &row)?;
        }
    }
    Ok(())
}

/// How the weights of trees become a score: the name in one operator, the number in the other, what it does.
const JOINS: [(&str, i64, fn(f32, f32) -> f32); 3] =
    [("SUM", 1, |sum, weight| sum + weight), ("MIN", 2, f32::min), ("MAX", 3, f32::max)];

/// A regressor's one score is what its trees' weights are joined to, rounded after each.
fn sound(node: NodeProto, trees: &[Tree], join: fn(f32, f32) -> f32, row: &[f32]) {
    let Ok(model) = read_bytes(&file(node, FEATURES), None, &Options::default()) else { return };
    let expected = trees.iter().map(|tree| tree.evaluate(row)).reduce(join);
    let found = model.evaluate(&[tensor(row)]).expect("the row fits");
    let found = found[0].as_numbers().expect("a score").iter().copied().next();
    let expected = expected.map(|score| f64::from(score + 0.0));
    assert!(found == expected || expected.is_some_and(f64::is_nan), "{found:?}, not {expected:?}");
}

fn classifier(from: &mut Unstructured) -> Result<NodeProto> {
    let classes = from.int_in_range(1..=4)?;
    let trees = draw(from, listed::MODES, classes)?;
    let node = listed::write("TreeEnsembleClassifier", &["label", "scores"], "class", &trees);
    let labels = if from.arbitrary()? {
        with(node, "classlabels_int64s", Given::Ints((0..classes).collect()))
    } else {
        let names = ["a", "b", "c", "d"].into_iter().take(classes as usize);
        with(node, "classlabels_strings", Given::Texts(names.collect()))
    };
    more(from, labels, classes)
}

fn regressor(from: &mut Unstructured) -> Result<NodeProto> {
    let targets = from.int_in_range(1..=3)?;
    if from.arbitrary()? {
        let trees = draw(from, split::MODES, targets)?;
        let node = with(split::write(&["y"], &trees), "n_targets", Given::Int(targets));
        let node = with(node, "aggregate_function", Given::Int(from.int_in_range(0..=4)?));
        return Ok(with(node, "post_transform", Given::Int(from.int_in_range(0..=5)?)));
    }
    let trees = draw(from, listed::MODES, targets)?;
    let node = listed::write("TreeEnsembleRegressor", &["y"], "target", &trees);
    let node = with(node, "n_targets", Given::Int(targets));
    let function = *from.choose(&["SUM", "AVERAGE", "MIN", "MAX"])?;
    more(from, with(node, "aggregate_function", Given::Text(function)), targets)
}

/// Attributes of classifiers and regressors alike.
fn more(from: &mut Unstructured, node: NodeProto, scores: i64) -> Result<NodeProto> {
    let transform = *from.choose(&["NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO", "PROBIT"])?;
    let node = with(node, "post_transform", Given::Text(transform));
    let count = *from.choose(&[0, 1, scores])?;
    let base = (0..count).map(|_| number(from)).collect::<Result<_>>()?;
    Ok(with(node, "base_values", Given::Floats(base)))
}

fn damaged(from: &mut Unstructured, mut node: NodeProto, row: &[f32]) -> Result<()> {
    for _ in 0..from.int_in_range(0..=3)? {
        damage(from, &mut node)?;
    }
    let Ok(model) = read_bytes(&file(node, FEATURES), None, &Options::default()) else { return Ok(()) };
    let _ = model.evaluate(&[tensor(row)]);
    let _ = compile::parts(&model);
    let written = to_bytes(&model).expect("models can be written");
    assert!(from_bytes::<Model>(&written).is_ok_and(|read| read == model));
    Ok(())
}

fn tensor(row: &[f32]) -> Tensor {
    let values = row.iter().map(|&x| f64::from(x)).collect();
    let values = ndarray::ArrayD::from_shape_vec(vec![1, FEATURES], values).expect("as many as features");
    Tensor::numbers(DType::F32, values).expect("numbers")
}
