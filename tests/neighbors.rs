//! Nearest neighbours, from ONNX files to decrypted results.

mod shell;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use fhe_ml::circuit::{Circuit, Lookup, LookupCircuit};
use fhe_ml::client::keys::evaluation_bytes;
use fhe_ml::client::{Decryptor, Encryptor};
use fhe_ml::compile::{self, Compiled, Settings};
use fhe_ml::crypto::Secret;
use fhe_ml::model::op::{Binary, Reduction};
use fhe_ml::model::{Builder, Model, Op};
use fhe_ml::onnx::{self, Options};
use fhe_ml::server::{EvaluationKey, Evaluator, Parts, Simulation};
use fhe_ml::tensor::{DType, Field, Row, Source, Tensor, read_column, read_rows};
use ndarray::{Array2, ArrayD, Axis, arr2, s};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::RngSeed;
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
    assert!(circuit > float - 0.1, "{circuit} of {float}");
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
    let points = arr2(&[[0.0, 1.0], [2.0, 3.0], [5.0, 4.0]]);
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

/// Values are summed up over the `k` nearest of `points`; their distances may be given too.
fn search(points: &Array2<f64>, values: &Array2<f64>, k: usize, gives_distances: bool) -> Model {
    let mut builder = Builder::new();
    let matrix = |rows: &Array2<f64>| Tensor::f64s(rows.clone().into_dyn());
    let shape = vec![points.ncols()];
    let x = builder.input(Field { name: "x".to_owned(), dtype: DType::F64, shape, columns: None });
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

/// What random searches are made from.
#[derive(Clone, Debug)]
struct RandomSearch {
    points: usize,
    features: usize,
    neighbors: usize,
    /// Votes for so many classes, or a number if there is none.
    classes: usize,
    scale: f64,
    seed: u64,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

    #[test]
    fn random_searches_count_points_within_thresholds(
        (points, features, share) in (4_usize..90, 1_usize..5, any::<Index>()),
        (classes, scale, seed) in (prop_oneof![Just(0_usize), 2_usize..4], -3_i32..4, any::<u64>()),
    ) {
        let neighbors = 1 + share.index(points.min(8) - 1);
        check(&RandomSearch { points, features, neighbors, classes, scale: 10_f64.powi(scale), seed });
    }
}

/// Without noise a circuit gives the votes of all points within the first threshold that holds k of them, and the
/// model's own result where the next point after the k nearest is clearly farther off.
fn check(case: &RandomSearch) {
    let mut state = case.seed;
    let mut random = |rows: usize, columns: usize| {
        Array2::from_shape_simple_fn((rows, columns), || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / 2.0_f64.powi(53)
        })
    };
    let points = random(case.points, case.features) * case.scale;
    let numbers = random(case.points, 1);
    let values = match case.classes {
        0 => numbers,
        classes => Array2::from_shape_fn((case.points, classes), |(point, class)| {
            f64::from(u8::from((numbers[[point, 0]] * classes as f64) as usize == class))
        }),
    };
    // Each row has a threshold of its own: there are at least so many.
    let rows = random(10, case.features) * case.scale;
    let model = search(&points, &values, case.neighbors, false);
    let row = |place: usize| vec![Tensor::f64s(rows.slice(s![place..=place, ..]).to_owned().into_dyn())];
    let calibration = (0..rows.nrows()).map(|place| Ok(row(place)));
    let Compiled { circuit, client, .. } =
        compile::compile(&model, calibration, &Settings::default()).unwrap();
    let Circuit::Lookups(circuit) = &circuit else { panic!("{case:?}") };
    let rule = Rule::new(circuit, &values, case.neighbors);
    for place in 0..rows.nrows() {
        let (row, x) = (row(place), rows.row(place));
        let integers = client.encode(&row).unwrap().integers;
        let found = numbers_of(&client.decode(&circuit.evaluate(&integers)).unwrap());
        let distances = rule.distances(&integers);
        let (expected, off) = rule.result(&distances);
        for (found, expected) in found.iter().zip(&expected) {
            assert!(
                (found - expected).abs() <= off,
                "{found} for {expected} ± {off}, row {place} of {case:?}"
            );
        }
        let own: Vec<f64> = points
            .rows()
            .into_iter()
            .map(|point| {
                let difference = &point - &x;
                difference.dot(&difference)
            })
            .collect();
        // What is read as a part of the largest distance that can be read is that distance, but for rounding.
        let half = own.iter().sum::<f64>() / distances.iter().sum::<f64>();
        for (read, own) in distances.iter().zip(&own) {
            assert!((read - own / half).abs() < 4e-3, "{read} for {}, row {place} of {case:?}", own / half);
        }
        let is_clear = rule.clear_cut(&distances)
            && rule.clear_cut(&own.iter().map(|own| own / half).collect::<Vec<_>>());
        if is_clear && case.classes > 0 {
            assert_eq!(found, numbers_of(&model.evaluate(&row).unwrap()), "row {place} of {case:?}");
        }
    }
}

fn numbers_of(row: &Row) -> Vec<f64> {
    row.last().unwrap().as_numbers().unwrap().iter().copied().collect()
}

/// The rule that a circuit follows, read off its sums.
struct Rule<'a> {
    circuit: &'a LookupCircuit,
    /// For each group the places of its points and the mean of their values.
    groups: Vec<(Vec<usize>, Vec<f64>)>,
    neighbors: usize,
    /// What a value may be off for rounding, and by one vote.
    rounding: f64,
    points: usize,
}

impl<'a> Rule<'a> {
    fn new(circuit: &'a LookupCircuit, values: &Array2<f64>, neighbors: usize) -> Self {
        let parts = circuit.layers().parts();
        let thresholds = parts.layers[0].lookups[0].results();
        let point = |wire: &u32| (*wire as usize - parts.inputs) / thresholds;
        let group = |lookup: &Lookup| {
            let points: Vec<usize> = lookup.sum.weights.iter().map(|(wire, _)| point(wire)).collect();
            let means = values.select(Axis(0), &points).mean_axis(Axis(0)).unwrap().to_vec();
            (points, means)
        };
        let groups: Vec<_> = parts.layers[1].lookups.iter().step_by(thresholds).map(group).collect();
        let own = || groups.iter().map(|(_, means)| means[0]);
        let range = own().fold(f64::MIN, f64::max) - own().fold(f64::MAX, f64::min);
        // Of two classes, or two numbers, values are not rounded.
        let rounding = if values.iter().all(|value| [0.0, 1.0].contains(value)) { 0.0 } else { range / 16.0 };
        Self { circuit, groups, neighbors, rounding, points: values.nrows() }
    }

    /// The squared distances of a row, in the largest one that can be read.
    fn distances(&self, integers: &[i64]) -> Vec<f64> {
        let mut read = Vec::new();
        self.circuit.disturbed(integers, |_, value| {
            read.push(value as i64 as f64 / 2.0_f64.powi(63));
            value
        });
        read.truncate(self.points);
        read
    }

    /// The thresholds, in the largest distance.
    fn thresholds(&self) -> Vec<f64> {
        let offsets = &self.circuit.layers().parts().layers[0].lookups[0].offsets;
        offsets.iter().map(|offset| 1.0 - *offset as f64 / 2.0_f64.powi(63)).collect()
    }

    /// The result for these distances, and how far rounding of values may move it.
    fn result(&self, distances: &[f64]) -> (Vec<f64>, f64) {
        // The table of groups has a value for each number of points that counts, and for none.
        let parts = self.circuit.layers().parts();
        let table = &parts.tables[parts.layers[1].lookups[0].table as usize].values;
        let most = table.iter().collect::<BTreeSet<_>>().len() - 1;
        let counts = |threshold: f64| -> Vec<f64> {
            let within =
                |points: &[usize]| points.iter().filter(|point| distances[**point] < threshold).count();
            self.groups.iter().map(|(points, _)| within(points).min(most) as f64).collect()
        };
        let all: Vec<_> = self.thresholds().into_iter().map(counts).collect();
        let first = all.iter().find(|counts| counts.iter().sum::<f64>() >= self.neighbors as f64);
        let counts = first.or(all.last()).unwrap();
        let number = counts.iter().sum::<f64>().max(0.5);
        let sum = |result: usize| {
            counts.iter().zip(&self.groups).map(|(count, (_, means))| count * means[result]).sum::<f64>()
        };
        let k = self.neighbors as f64;
        let sums = (0..self.groups[0].1.len()).map(|result| sum(result) * k / number).collect();
        (sums, self.rounding * k + 1e-9 * k)
    }

    /// Whether the k nearest points are told from the next one by some places of a rotation, and lie well within what
    /// is read.
    fn clear_cut(&self, distances: &[f64]) -> bool {
        let mut sorted = distances.to_vec();
        sorted.sort_by(f64::total_cmp);
        let places = self.circuit.encoding().parts().sets.first().polynomial_size() as f64;
        sorted[self.neighbors] - sorted[self.neighbors - 1] > 8.0 / places && sorted[self.neighbors] < 0.85
    }
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
    let model = search(&points.into(), &values.into(), 3, false);
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
