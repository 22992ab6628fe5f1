//! Compiled ensembles of trees vote in the clear as the model does: exactly at thresholds, nearly at quantiles.

use std::path::{Path, PathBuf};

use fhe_ml::circuit::{Circuit, Code, Transport};
use fhe_ml::compile::{self, Binning, Compiled, Details, KeyParameters, Settings, Unsupported};
use fhe_ml::model::op::{Aggregate, Test, TreeEnsemble, TreeNode, TreeParts, Vote};
use fhe_ml::model::{Builder, Model, Op};
use fhe_ml::onnx::{self, Options};
use fhe_ml::tensor::{DType, Field, Row, Source, Tensor, read_rows};
use ndarray::ArrayD;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use serde_json::Value;

/// The share of rows on which binning at quantiles keeps the label.
const MIN_AGREEMENT: f64 = 0.9;
/// Every result is wrong with at most this probability, as a base-2 logarithm.
const LOG2_P_ERROR: f64 = -128.0;

fn exact() -> Settings {
    Settings { binning: Binning::Exact, ..Settings::default() }
}

#[test]
fn labels_at_thresholds_are_those_of_onnxruntime() {
    for (case, model) in models() {
        let compiled = compiled(&case, &model, &exact());
        check_report(&case, &compiled);
        let agreement = agreement(&case, &model, &compiled);
        assert!(agreement.is_none_or(|share| share == 1.0), "{}: {agreement:?}", case.display());
    }
}

#[test]
fn labels_at_quantiles_are_mostly_the_same() {
    for (case, model) in models() {
        let compiled = compiled(&case, &model, &Settings::default());
        check_report(&case, &compiled);
        let agreement = agreement(&case, &model, &compiled);
        assert!(agreement.is_none_or(|share| share >= MIN_AGREEMENT), "{}: {agreement:?}", case.display());
    }
}

#[test]
fn compilation_is_deterministic() {
    let (case, model) = named("xgb_iris");
    for settings in [exact(), Settings::default(), Settings { lan: true, ..Settings::default() }] {
        assert!(compiled(&case, &model, &settings) == compiled(&case, &model, &settings));
    }
}

#[test]
fn sent_bits_need_no_key_and_vote_alike() {
    let (case, model) = named("xgb_breast_cancer");
    let compiled = compiled(&case, &model, &Settings { lan: true, ..exact() });
    let Circuit::Diagrams(circuit) = &compiled.circuit else { panic!("no diagrams") };
    assert!(matches!(circuit.encoding().parts().transport, Transport::Sent(_)));
    assert_eq!(compiled.report.key_bytes, None);
    assert_eq!(agreement(&case, &model, &compiled), Some(1.0));
}

#[test]
fn no_threshold_of_the_model_is_an_edge_at_quantiles() {
    let (case, model) = named("rf_breast_cancer");
    let edges = |settings: &Settings| {
        let Code::Bins(bins) = compiled(&case, &model, settings).client.code else { panic!("no bins") };
        let of = |bins: &fhe_ml::circuit::Bins| {
            let parts = bins.parts();
            parts.edges.iter().map(|edge| (parts.variable, edge.to_bits())).collect::<Vec<_>>()
        };
        bins.iter().flat_map(of).collect::<Vec<_>>()
    };
    let thresholds = edges(&exact());
    let quantiles = edges(&Settings::default());
    let shared = quantiles.iter().filter(|edge| thresholds.contains(edge)).count();
    assert!(!thresholds.is_empty() && quantiles.len() > thresholds.len());
    // Trees put thresholds between neighbours of their training rows: a few meet middles of calibration rows.
    assert!(shared * 20 < thresholds.len(), "{shared} of {} thresholds", thresholds.len());
}

#[test]
fn keys_of_another_model_serve() {
    let (case, model) = named("rf_breast_cancer");
    let first = compiled(&case, &model, &exact());
    let parameters = KeyParameters::of(&first.client.encoding);
    let (case, model) = named("xgb_iris");
    let second = compiled(&case, &model, &Settings { parameters: parameters.clone(), ..exact() });
    assert_eq!(first.client.encoding.evaluation(), second.client.encoding.evaluation());
    assert_eq!(agreement(&case, &model, &second), Some(1.0));
    // A linear model needs no evaluation key, so it has none to share.
    let (case, linear) = (root().join("logreg_breast_cancer"), read(&root().join("logreg_breast_cancer")));
    let linear = compiled(&case, &linear, &Settings { parameters, ..Settings::default() });
    assert_eq!(first.client.encoding.secret(), linear.client.encoding.secret());
    let parameters = KeyParameters::of(&linear.client.encoding);
    let (case, model) = named("xgb_iris");
    let error = compile::compile(&model, calibration(&case, &model), &Settings { parameters, ..exact() });
    let message = error.unwrap_err().to_string();
    assert!(message.contains("trees need an evaluation key"), "{message}");
}

#[test]
fn what_cannot_be_added_up_is_refused() {
    let case =
        Case { dtype: DType::F64, features: 2, targets: 1, trees: 2, depth: 2, complete: false, seed: 5 };
    let refused = |model: &Model, sentence: &str| {
        let error = compile::compile(model, [Ok(case_row(&case, &[0.0, 1.0]))], &exact()).unwrap_err();
        assert!(error.is::<Unsupported>() && error.to_string().contains(sentence), "{error}");
        assert!(compile::parts(model).unwrap_err().is::<Unsupported>());
    };
    refused(&two_stages(&case, Op::Trees(Box::new(ensemble(&case)))), "depend on the result of trees");
    refused(&weighted(&case), "the weights of node 'weights' (MatMul) come after the trees");
}

#[test]
fn bins_of_one_bit_are_refused() {
    let (case, model) = named("xgb_iris");
    let settings = Settings { bits: Some(1), ..Settings::default() };
    let error = compile::compile(&model, calibration(&case, &model), &settings).unwrap_err().to_string();
    assert!(error.contains("1 bits for the bins of a feature: trees take 2 to 8"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

    #[test]
    fn random_ensembles_are_exact_at_thresholds(
        (features, targets, trees, depth) in (1_usize..4, 1_usize..4, 1_usize..7, 0_u32..5),
        (double, aggregate, seed) in (any::<bool>(), 0_usize..4, any::<u64>()),
    ) {
        let dtype = if double { DType::F64 } else { DType::F32 };
        let case = Case { dtype, features, targets, trees, depth, complete: false, seed };
        let aggregate = [Aggregate::Sum, Aggregate::Average, Aggregate::Min, Aggregate::Max][aggregate];
        let model = with_aggregate(&case, aggregate);
        let mut numbers = Numbers(seed ^ 1);
        let rows: Vec<Row> = (0..40).map(|_| case_row(&case, &numbers.row(&case))).collect();
        let calibration = rows.iter().take(20).cloned().map(Ok);
        let compiled = compile::compile(&model, calibration, &exact()).unwrap();
        // A vote is rounded by a unit at most, and the model adds up in its own precision.
        let outputs = &compiled.client.outputs;
        let divisor = if aggregate == Aggregate::Average { trees as f64 } else { 1.0 };
        let limit = 1 << (compiled.client.encoding.messages().bits() - 1);
        for row in &rows {
            let integers = compiled.circuit.evaluate(&compiled.client.encode(row).unwrap().integers);
            prop_assert!(integers.iter().all(|integer| integer.abs() < limit - 1), "{integers:?}");
            let found = compiled.client.scores(&integers).unwrap();
            let expected = model.evaluate(row).unwrap();
            let pairs = found[0].as_numbers().unwrap().iter().zip(expected[0].as_numbers().unwrap());
            for ((found, expected), output) in pairs.zip(outputs) {
                let units = trees as f64 * output.steps().fold(0.0, f64::max);
                let tolerance = units + 1e-5 * (expected.abs() + 10.0 * trees as f64 / divisor);
                prop_assert!((found - expected).abs() <= tolerance, "{found} for {expected}, {tolerance}");
            }
        }
    }
}

#[test]
fn trees_too_many_for_one_diagram_are_compared_in_groups() {
    let case =
        Case { dtype: DType::F32, features: 3, targets: 1, trees: 24, depth: 5, complete: true, seed: 3 };
    for aggregate in [Aggregate::Min, Aggregate::Max] {
        let model = with_aggregate(&case, aggregate);
        let mut numbers = Numbers(4);
        let rows: Vec<Row> = (0..60).map(|_| case_row(&case, &numbers.row(&case))).collect();
        let compiled = compile::compile(&model, rows.iter().cloned().map(Ok), &exact()).unwrap();
        let Details::Trees(report) = &compiled.report.details else { panic!("no trees") };
        assert!(report.extremes > 1 && report.extremes < case.trees, "{report:?}");
        assert_eq!(compiled.client.outputs.len(), report.extremes);
        let reveals = &compiled.report.client_reveals;
        assert!(reveals[0].contains("the largest vote of each group of trees"), "{reveals:?}");
        let step = compiled.client.outputs.iter().flat_map(|output| output.steps()).fold(1e-5, f64::max);
        for row in &rows {
            let integers = compiled.circuit.evaluate(&compiled.client.encode(row).unwrap().integers);
            let found = compiled.client.decode(&integers).unwrap();
            let expected = model.evaluate(row).unwrap();
            let [found, expected] = [found, expected].map(|outputs| outputs[0].as_numbers().unwrap()[[0, 0]]);
            assert!((found - expected).abs() <= step, "{found} for {expected}, {step}");
        }
    }
}

/// What a random ensemble is made from.
#[derive(Clone, Copy, Debug)]
struct Case {
    dtype: DType,
    features: usize,
    targets: usize,
    trees: usize,
    depth: u32,
    /// Whether all leaves lie at the full depth.
    complete: bool,
    seed: u64,
}

/// Where random tests compare: few numbers, so that trees share thresholds and rows meet them.
const POOL: [f64; 9] = [f64::NEG_INFINITY, -3.25, -1.0, 0.0, 0.1, 0.75, 2.0, 5.5, f64::INFINITY];

fn ensemble(case: &Case) -> TreeEnsemble {
    TreeEnsemble::new(tree_parts(case, Aggregate::Sum)).unwrap()
}

fn tree_parts(case: &Case, aggregate: Aggregate) -> TreeParts {
    let mut numbers = Numbers(case.seed);
    let mut parts = TreeParts {
        dtype: case.dtype,
        features: case.features,
        targets: case.targets,
        aggregate,
        base: (0..case.targets).map(|_| numbers.real()).collect(),
        nodes: Vec::new(),
        roots: Vec::new(),
        votes: Vec::new(),
    };
    for _ in 0..case.trees {
        let root = numbers.tree(case, case.depth, &mut parts);
        parts.roots.push(root);
    }
    parts
}

fn input(case: &Case, builder: &mut Builder) -> fhe_ml::model::NodeId {
    builder.input(Field {
        name: "x".to_owned(),
        dtype: case.dtype,
        shape: vec![case.features],
        columns: None,
    })
}

fn with_aggregate(case: &Case, aggregate: Aggregate) -> Model {
    let mut builder = Builder::new();
    let x = input(case, &mut builder);
    let trees = TreeEnsemble::new(tree_parts(case, aggregate)).unwrap();
    let scores = builder.push("trees", Op::Trees(Box::new(trees)), &[x]).unwrap();
    builder.output("scores", scores, None);
    builder.finish().unwrap()
}

/// Trees whose scores, twice side by side, another operator reads.
fn two_stages(case: &Case, second: Op) -> Model {
    let mut builder = Builder::new();
    let x = input(case, &mut builder);
    let scores = builder.push("trees", Op::Trees(Box::new(ensemble(case))), &[x]).unwrap();
    let twice = builder.push("twice", Op::Concat { axis: 1 }, &[scores, scores]).unwrap();
    let last = builder.push("second", second, &[twice]).unwrap();
    builder.output("scores", last, None);
    builder.finish().unwrap()
}

fn weighted(case: &Case) -> Model {
    let mut builder = Builder::new();
    let x = input(case, &mut builder);
    let scores = builder.push("trees", Op::Trees(Box::new(ensemble(case))), &[x]).unwrap();
    let matrix = ArrayD::from_shape_vec(vec![1, 2], vec![0.5, 3.0]).unwrap();
    let matrix = builder.constant("matrix", Tensor::numbers(case.dtype, matrix).unwrap());
    let weighted = builder.push("weights", Op::MatMul, &[scores, matrix]).unwrap();
    builder.output("scores", weighted, None);
    builder.finish().unwrap()
}

fn case_row(case: &Case, values: &[f64]) -> Row {
    let values = ArrayD::from_shape_vec(vec![1, case.features], values.to_vec()).unwrap();
    vec![Tensor::numbers(case.dtype, values).unwrap()]
}

/// A repeatable source of numbers, by the generator SplitMix64 of Steele, Lea and Flood.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn real(&mut self) -> f64 {
        (self.next() % 20_001) as f64 / 1000.0 - 10.0
    }

    fn pooled(&mut self) -> f64 {
        POOL[self.below(POOL.len())]
    }

    /// Values on thresholds, right beside them, missing, or anywhere.
    fn row(&mut self, case: &Case) -> Vec<f64> {
        let value = |numbers: &mut Self| {
            let pooled = case.dtype.round(numbers.pooled());
            match (numbers.below(5), case.dtype) {
                (0, _) => f64::NAN,
                (1, _) => numbers.real(),
                (2, _) => pooled,
                (3, DType::F32) => f64::from((pooled as f32).next_down()),
                (3, _) => pooled.next_down(),
                (_, DType::F32) => f64::from((pooled as f32).next_up()),
                (_, _) => pooled.next_up(),
            }
        };
        (0..case.features).map(|_| value(self)).collect()
    }

    fn test(&mut self) -> Test {
        let value = self.pooled();
        match self.below(7) {
            0 => Test::AtMost(value),
            1 => Test::Below(value),
            2 => Test::AtLeast(value),
            3 => Test::Above(value),
            4 => Test::Equal(value),
            5 => Test::NotEqual(value),
            _ => Test::Member((0..=self.below(4)).map(|_| self.pooled()).collect()),
        }
    }

    /// Appends a tree and tells where it begins.
    fn tree(&mut self, case: &Case, depth: u32, parts: &mut TreeParts) -> usize {
        if depth == 0 || (!case.complete && self.below(6) == 0) {
            let first = parts.votes.len();
            let from = self.below(case.targets);
            parts.votes.extend((from..case.targets).map(|target| Vote { target, weight: self.real() }));
            parts.nodes.push(TreeNode::Leaf { votes: first..parts.votes.len() });
        } else {
            let [passed, failed] = [0, 1].map(|_| self.tree(case, depth - 1, parts));
            let (feature, missing_passes) = (self.below(case.features), self.below(2) == 0);
            parts.nodes.push(TreeNode::Branch { feature, test: self.test(), missing_passes, passed, failed });
        }
        parts.nodes.len() - 1
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models")
}

fn read(case: &Path) -> Model {
    let model = onnx::read(&case.join("model.onnx"), &Options::default());
    model.unwrap_or_else(|error| panic!("{}: {error:#}", case.display()))
}

fn named(name: &str) -> (PathBuf, Model) {
    (root().join(name), read(&root().join(name)))
}

/// The shipped models with trees, in order.
fn models() -> Vec<(PathBuf, Model)> {
    let mut cases: Vec<PathBuf> =
        std::fs::read_dir(root()).unwrap().map(|case| case.unwrap().path()).collect();
    cases.retain(|case| case.join("model.onnx").is_file());
    cases.sort();
    let has_trees = |model: &Model| model.nodes().iter().any(|node| matches!(node.op, Op::Trees(_)));
    let models = cases.into_iter().map(|case| (read(&case), case)).filter(|(model, _)| has_trees(model));
    let models: Vec<_> = models.map(|(model, case)| (case, model)).collect();
    assert!(models.len() > 10);
    models
}

fn data(case: &Path, name: &str, model: &Model) -> Vec<Row> {
    let paths = ["npy", "csv"].map(|extension| case.join(format!("{name}.{extension}")));
    let path = paths.iter().find(|path| path.is_file()).unwrap();
    read_rows(&Source::parse(path), model.inputs()).unwrap().map(Result::unwrap).collect()
}

fn calibration(case: &Path, model: &Model) -> Vec<anyhow::Result<Row>> {
    data(case, "x_calib", model).into_iter().map(Ok).collect()
}

fn compiled(case: &Path, model: &Model, settings: &Settings) -> Compiled {
    let compiled = compile::compile(model, calibration(case, model), settings);
    compiled.unwrap_or_else(|error| panic!("{}: {error:#}", case.display()))
}

fn check_report(case: &Path, compiled: &Compiled) {
    let report = &compiled.report;
    assert!(report.log2_p_error <= LOG2_P_ERROR, "{}: {report:?}", case.display());
    assert!(report.key_bytes.is_some_and(|bytes| bytes <= 8 << 20), "{}", case.display());
    assert!(report.input_row_bytes <= 64 << 10, "{}", case.display());
    let Details::Trees(trees) = &report.details else { panic!("{}: no trees", case.display()) };
    // Joined trees are copied.
    let is_joined = case.ends_with("tree_extremes") || case.ends_with("tree_least");
    assert!(is_joined || trees.kept_nodes <= trees.nodes, "{}: {trees:?}", case.display());
    assert!(trees.work.transforms > 0.0, "{}: {trees:?}", case.display());
}

/// The share of rows whose integer or text outputs are as expected; `None` if there are none.
fn agreement(case: &Path, model: &Model, compiled: &Compiled) -> Option<f64> {
    let expected = std::fs::read(case.join("expected.json")).unwrap();
    let expected: Vec<Value> = serde_json::from_slice(&expected).unwrap();
    let rows = data(case, "x_test", model);
    assert_eq!(rows.len(), expected.len());
    let labels: Vec<usize> =
        (0..model.outputs().len()).filter(|place| !model.outputs()[*place].field.dtype.is_float()).collect();
    let agrees = |(row, expected): &(&Row, &Value)| {
        let integers = compiled.circuit.evaluate(&compiled.client.encode(row).unwrap().integers);
        let outputs = compiled.client.decode(&integers).unwrap();
        labels.iter().all(|place| is_label(&outputs[*place], &expected[&model.outputs()[*place].field.name]))
    };
    let hits = rows.iter().zip(&expected).filter(agrees).count();
    (!labels.is_empty()).then(|| hits as f64 / rows.len() as f64)
}

fn is_label(found: &Tensor, expected: &Value) -> bool {
    let expected = match expected {
        Value::Array(values) if values.len() == 1 => &values[0],
        other => other,
    };
    match found.as_text() {
        Ok(text) => text.iter().all(|text| expected.as_str() == Some(text)),
        Err(_) => found.as_numbers().unwrap().iter().all(|number| expected.as_f64() == Some(*number)),
    }
}
