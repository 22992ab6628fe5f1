//! Random layers of sums and lookups give encrypted what they give in the clear: bit for bit where steps are wide,
//! with the predicted noise where they are not.

mod shell;

use std::f64::consts::TAU;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use fhe_ml::circuit::{
    Circuit, ClientSpec, Code, Encoding, InputBlock, Layer, LayerParts, Layers, Lookup, LookupCircuit,
    Messages, OutputBlock, OutputDigit, OutputValue, PackedValues, PackedValuesParts, Quantizer, Sum, Table,
    Term, files,
};
use fhe_ml::client::keys::evaluation_bytes;
use fhe_ml::client::{Decryptor, Encryptor};
use fhe_ml::crypto::{Gadget, LookupLiteral, LookupParameters, LookupSets, Secret, Unrolling};
use fhe_ml::model::{Builder, Model};
use fhe_ml::progress::{Progress, Silent};
use fhe_ml::server::{self, EvaluationKey, Evaluator, Simulator};
use fhe_ml::tensor::{DType, Field};
use shell::Shell;

/// Wires of exact circuits carry multiples of 2^-BITS of the torus.
const BITS: u32 = 4;
/// A sum of exact circuits reads no more wires than this, with weights from -3 to 3.
const READ: u64 = 12;

/// A generator of numbers, SplitMix64.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % end
    }

    /// An integer of so many bits, sign included, but the smallest.
    fn signed(&mut self, bits: u32) -> i64 {
        let limit = (1 << (bits - 1)) - 1;
        self.below(2 * limit + 1) as i64 - limit as i64
    }
}

/// Tells 16 steps apart in sums of some dozen wires, wrong with a probability of less than 2^-40.
fn parameters() -> LookupParameters {
    LookupParameters::new(LookupLiteral {
        glwe_dimension: 2,
        polynomial_size: 1024,
        lwe_dimension: 784,
        unrolling: Unrolling::Pairs,
        bootstrap: Gadget::new(23, 1).unwrap(),
        key_switch: Gadget::new(4, 3).unwrap(),
    })
    .unwrap()
}

/// The same in a ring of another shape under the same key.
fn other_parameters() -> LookupParameters {
    let literal = LookupLiteral {
        glwe_dimension: 1,
        polynomial_size: 2048,
        lwe_dimension: 776,
        key_switch: Gadget::new(3, 5).unwrap(),
        ..parameters().into()
    };
    LookupParameters::new(literal).unwrap()
}

/// Keys for all tests.
fn keys() -> &'static (Secret, EvaluationKey) {
    static KEYS: OnceLock<(Secret, EvaluationKey)> = OnceLock::new();
    KEYS.get_or_init(|| fresh_keys(&encoding(1, 1, BITS)))
}

fn fresh_keys(encoding: &PackedValues) -> (Secret, EvaluationKey) {
    let encoding = Encoding::Values(encoding.clone());
    let (secret, evaluation) = (Secret::generate(encoding.secret()), encoding.evaluation());
    let bytes = evaluation_bytes(&secret, &evaluation).unwrap();
    let key = EvaluationKey::from_bytes(&evaluation, &bytes).unwrap();
    (secret, key)
}

/// Rows and results of integers of so many bits.
fn encoding(features: usize, outputs: usize, bits: u32) -> PackedValues {
    let messages = Messages::new(bits).unwrap();
    PackedValues::new(PackedValuesParts {
        sets: LookupSets::new(vec![parameters(), other_parameters()]).unwrap(),
        features,
        outputs,
        inputs: messages,
        messages,
        body_bits: 40,
        output_bits: bits + 14,
    })
    .unwrap()
}

/// Layers of so many lookups in 16 wide steps, with sums in the middle of a step.
fn exact(features: usize, layers: &[usize], outputs: usize, numbers: &mut Numbers) -> LookupCircuit {
    let step = 64 - BITS;
    let mut tables = Vec::new();
    for log2_values in 0..BITS {
        let values = (0..1 << log2_values).map(|_| numbers.below(1 << BITS) << step).collect();
        tables.push(Table { values });
    }
    let mut wires = features as u64;
    let sum = |wires: u64, constant: u64, numbers: &mut Numbers| {
        let mut read: Vec<u32> = (0..READ).map(|_| numbers.below(wires) as u32).collect();
        read.sort_unstable();
        read.dedup();
        let weights = read.into_iter().map(|wire| (wire, numbers.signed(3) as i32)).collect();
        Sum { weights, constant: (numbers.below(1 << BITS) << step) + constant }
    };
    let mut made = Vec::new();
    for (place, count) in layers.iter().enumerate() {
        let lookup =
            |_| Lookup::new(sum(wires, 1 << (step - 1), numbers), numbers.below(u64::from(BITS)) as u32);
        made.push(Layer {
            name: format!("layer {place}"),
            set: place as u32 % 2,
            half: false,
            lookups: (0..*count).map(lookup).collect(),
        });
        wires += *count as u64;
    }
    let outputs: Vec<Sum> = (0..outputs).map(|_| sum(wires, 0, numbers)).collect();
    let encoding = encoding(features, outputs.len(), BITS);
    let layers = Layers::new(LayerParts { inputs: features, tables, layers: made, outputs }).unwrap();
    LookupCircuit::new(encoding, layers).unwrap()
}

/// Encrypts, evaluates and decrypts rows, through the bytes that files hold.
fn encrypted(circuit: &Circuit, keys: &(Secret, EvaluationKey), rows: &[Vec<i64>]) -> Vec<Vec<i64>> {
    let encoding = &circuit.encoding();
    let encryptor = Encryptor::new(&keys.0, encoding.clone()).unwrap();
    let evaluator = Evaluator::new(circuit, &keys.1).unwrap();
    let decryptor = Decryptor::new(&keys.0, encoding.clone()).unwrap();
    let run = |row: &Vec<i64>| {
        let mut bytes = Vec::new();
        encryptor.encrypt(std::slice::from_ref(row)).unwrap().write(encoding, &mut bytes);
        assert_eq!(bytes.len(), encoding.input_block_bytes(1));
        let input = InputBlock::read(encoding, &bytes).unwrap();
        bytes.clear();
        evaluator.evaluate(&input).unwrap().write(encoding, &mut bytes);
        assert_eq!(bytes.len(), encoding.output_block_bytes(1));
        decryptor.decrypt(&OutputBlock::read(encoding, &bytes).unwrap()).unwrap().remove(0)
    };
    rows.iter().map(run).collect()
}

#[test]
fn wide_steps_are_exact() {
    let mut numbers = Numbers(1);
    for (features, layers, outputs) in [
        (1, &[1][..], 1),
        (5, &[3, 1, 7], 4),
        (20, &[33, 2, 17], 9),
        // No lookups at all; results that nobody reads; rows of two ciphertexts, the last one not full.
        (7, &[], 3),
        (3, &[4, 40], 1),
        (1500, &[10, 5], 2),
    ] {
        let circuit = exact(features, layers, outputs, &mut numbers);
        let worst = circuit.lookup_variances().fold(0.0, f64::max);
        let failure = Messages::new(BITS).unwrap().log2_failure(worst);
        assert!(failure < -40.0, "2^{failure}");
        let circuit = Circuit::Lookups(circuit);
        let row = |_| (0..features).map(|_| numbers.signed(BITS)).collect();
        let rows: Vec<Vec<i64>> = (0..3).map(row).collect();
        let clear: Vec<_> = rows.iter().map(|row| server::evaluate(&circuit, row)).collect();
        let mut simulator = Simulator::new(&circuit, 5);
        let simulated: Vec<_> = rows.iter().map(|row| simulator.evaluate(row)).collect();
        assert!(simulated == clear, "simulated differs: {features} features, {layers:?}");
        assert!(encrypted(&circuit, keys(), &rows) == clear, "encrypted differs: {features}, {layers:?}");
    }
}

/// Waves of waves, in as many steps as a rotation has; every result depends on a wire of its own.
fn smooth(features: usize, width: usize) -> LookupCircuit {
    let size = parameters().polynomial_size();
    let wave = |step: usize| {
        let phase = TAU * (step as f64 + 0.5) / (2 * size) as f64;
        (phase.sin() * 2.0_f64.powi(61)).round() as i64 as u64
    };
    let tables = vec![Table { values: (0..size).map(wave).collect() }];
    let (features, width) = (features as u32, width as u32);
    let lookup = |first: u32, wires: u32, place: u32| {
        let mut weights = vec![(first + place % wires, 3), (first + (place + 1) % wires, -2)];
        weights.sort_unstable();
        Lookup::new(Sum { weights, constant: u64::from(place) << 59 }, 0)
    };
    let layer = |first, wires| Layer {
        name: "wave".to_owned(),
        set: 0,
        half: false,
        lookups: (0..width).map(|place| lookup(first, wires, place)).collect(),
    };
    let output = |place| Sum { weights: vec![(features + width + place, 2)], constant: 0 };
    let layers = LayerParts {
        inputs: features as usize,
        tables,
        layers: vec![layer(0, features), layer(features, width)],
        outputs: (0..width).map(output).collect(),
    };
    let encoding = encoding(features as usize, width as usize, 24);
    LookupCircuit::new(encoding, Layers::new(layers).unwrap()).unwrap()
}

#[test]
fn narrow_steps_have_the_noise_of_the_simulation() {
    let circuit = Circuit::Lookups(smooth(4, 8));
    let mut numbers = Numbers(3);
    let rows: Vec<Vec<i64>> = (0..12).map(|_| (0..4).map(|_| numbers.signed(24)).collect()).collect();
    let clear: Vec<_> = rows.iter().map(|row| server::evaluate(&circuit, row)).collect();
    let mean_square = |found: &[Vec<i64>]| {
        let pairs = found.iter().flatten().zip(clear.iter().cycle().flatten());
        let squares: f64 = pairs.map(|(found, clear)| ((found - clear) as f64).powi(2)).sum();
        squares / found.iter().flatten().count() as f64
    };
    let simulated: Vec<Vec<i64>> = {
        let mut simulator = Simulator::new(&circuit, 7);
        (0..100).flat_map(|_| &rows).map(|row| simulator.evaluate(row)).collect()
    };
    // The noise of key switches depends on the keys: between runs the ratio has a standard deviation of 0.05.
    let Encoding::Values(encoding) = circuit.encoding() else { panic!("no values") };
    let measured: Vec<Vec<i64>> =
        (0..6).flat_map(|_| encrypted(&circuit, &fresh_keys(&encoding), &rows)).collect();
    let ratio = (mean_square(&measured) / mean_square(&simulated)).sqrt();
    eprintln!("measured / simulated standard deviation = {ratio}");
    assert!((ratio - 1.0).abs() < 0.35, "measured / simulated standard deviation = {ratio}");
}

/// So many chains of two lookups each, which share nothing: a wave of a wave.
fn chains(count: usize) -> LookupCircuit {
    let tables = smooth(4, 8).layers().parts().tables.clone();
    let layer = |first: u32| Layer {
        name: "wave".to_owned(),
        set: 0,
        half: false,
        lookups: (0..count as u32)
            .map(|place| {
                let sum = Sum { weights: vec![(first + place, 3)], constant: u64::from(place) << 57 };
                Lookup { sum, table: 0, offsets: vec![0] }
            })
            .collect(),
    };
    let wires = count as u32;
    let layers = LayerParts {
        inputs: count,
        tables,
        layers: vec![layer(0), layer(wires)],
        outputs: (0..wires).map(|place| Sum { weights: vec![(2 * wires + place, 2)], constant: 0 }).collect(),
    };
    LookupCircuit::new(encoding(count, count, 24), Layers::new(layers).unwrap()).unwrap()
}

/// The largest difference of the empirical distribution functions of two samples.
fn kolmogorov_smirnov(mut a: Vec<i64>, mut b: Vec<i64>) -> f64 {
    a.sort_unstable();
    b.sort_unstable();
    let share = |sorted: &[i64], x: i64| sorted.partition_point(|y| *y <= x) as f64 / sorted.len() as f64;
    a.iter().chain(&b).map(|x| (share(&a, *x) - share(&b, *x)).abs()).fold(0.0, f64::max)
}

/// What two samples of one distribution differ by at most, but for a probability of 1e-7: the bound of Dvoretzky,
/// Kiefer, Wolfowitz and Massart, for each of the two.
fn most_of_one_distribution(samples: [usize; 2]) -> f64 {
    samples.iter().map(|count| ((2.0_f64 / 0.5e-7).ln() / (2 * count) as f64).sqrt()).sum()
}

#[test]
fn differences_are_distributed_as_simulated() {
    // What the noise of one key switch, fixed with the keys, may add.
    const OF_KEYS: f64 = 0.03;
    let circuit = Circuit::Lookups(chains(64));
    let mut numbers = Numbers(8);
    let rows: Vec<Vec<i64>> = (0..15).map(|_| (0..64).map(|_| numbers.signed(24)).collect()).collect();
    let clear: Vec<_> = rows.iter().map(|row| server::evaluate(&circuit, row)).collect();
    let differences = |found: &[Vec<i64>]| -> Vec<i64> {
        let pairs = found.iter().flatten().zip(clear.iter().cycle().flatten());
        pairs.map(|(found, clear)| found - clear).collect()
    };
    let mut simulator = Simulator::new(&circuit, 11);
    let simulated: Vec<Vec<i64>> = (0..50).flat_map(|_| &rows).map(|row| simulator.evaluate(row)).collect();
    let simulated = differences(&simulated);
    let measured = differences(&encrypted(&circuit, keys(), &rows));
    let most = most_of_one_distribution([measured.len(), simulated.len()]) + OF_KEYS;
    let distance = kolmogorov_smirnov(measured.clone(), simulated.clone());
    eprintln!("the distributions differ by {distance}, at most {most} is allowed");
    assert!(distance < most, "the distributions differ by {distance}, more than {most}");
    // The test would notice noise of three times the deviation.
    let tripled = measured.iter().map(|difference| 3 * difference).collect();
    assert!(kolmogorov_smirnov(tripled, simulated) > most);
}

#[test]
fn rows_that_are_evaluated_together_or_resumed_give_the_same_bytes() {
    let circuit = Circuit::Lookups(exact(20, &[33, 2, 17], 9, &mut Numbers(4)));
    let encoding = circuit.encoding();
    let encryptor = Encryptor::new(&keys().0, encoding.clone()).unwrap();
    let evaluator = Evaluator::new(&circuit, &keys().1).unwrap();
    let mut numbers = Numbers(6);
    let mut block = || {
        let row: Vec<i64> = (0..20).map(|_| numbers.signed(BITS)).collect();
        encryptor.encrypt(&[row]).unwrap()
    };
    let blocks = [block(), block(), block()];
    let single: Vec<OutputBlock> = blocks.iter().map(|block| evaluator.evaluate(block).unwrap()).collect();
    assert!(evaluator.evaluate_all(&blocks, &Silent).unwrap() == single);

    for layers in 0..=3 {
        let mut work = evaluator.begin(&blocks).unwrap();
        for _ in 0..layers {
            assert!(evaluator.step(&mut work, &Silent).unwrap());
        }
        let bytes = work.to_bytes();
        let mut resumed = evaluator.restore(&bytes).unwrap();
        assert_eq!((resumed.layers(), resumed.rows()), (layers, 3));
        while evaluator.step(&mut resumed, &Silent).unwrap() {}
        assert!(evaluator.finish(resumed, &Silent).unwrap() == single, "resumed after {layers} layers");
        for damaged in [&bytes[..bytes.len() - 1], &bytes[..10], &[bytes.as_slice(), &[0]].concat()] {
            assert!(evaluator.restore(damaged).is_err());
        }
    }
}

/// Ends a run, as a crash does, once so many steps of its last stage are done; counts those.
struct Crash {
    after: u64,
    done: AtomicU64,
    running: AtomicBool,
}

impl Progress for Crash {
    fn begin(&self, stage: &str, _total: Option<u64>) {
        self.running.store(stage == "run", Ordering::Relaxed);
    }

    fn skip(&self, _steps: u64) {}

    fn advance(&self, steps: u64) {
        if !self.running.load(Ordering::Relaxed) {
            return;
        }
        let done = self.done.fetch_add(steps, Ordering::Relaxed) + steps;
        assert!(done <= self.after, "the run ends here");
    }

    fn end(&self) {}
}

#[test]
fn a_run_that_ends_between_layers_goes_on_to_the_same_bytes() {
    let circuit = Circuit::Lookups(exact(3, &[4, 5, 2], 3, &mut Numbers(9)));
    let shell = Shell::new();
    files::save(&shell.path("build"), &circuit, &client(&circuit), &identity("x", 3), &[]).unwrap();
    shell.write("x.json", "[[3, -7, 0], [1, 2, 5]]");
    shell.fhe_ml("keygen build -o keys").done();
    shell.fhe_ml("encrypt build --input x.json -o x.ct").done();
    let run = |output: &str, after: u64| {
        let progress = Crash { after, done: AtomicU64::new(0), running: AtomicBool::new(false) };
        let request = server::Request {
            server: &shell.path("build/server.fhe"),
            key: &shell.path("keys/evaluation.key"),
            input: &shell.path("x.ct"),
            output: &shell.path(output),
            keep_every: Duration::ZERO,
        };
        let summary = catch_unwind(AssertUnwindSafe(|| server::run(&request, &progress).unwrap()));
        (summary.ok(), progress.done.into_inner())
    };
    let (_, steps) = run("whole.ct", u64::MAX);
    assert_eq!(steps, 2 * (11 + 1));
    // Both rows together: two layers of them, and some of the third.
    assert!(run("y.ct", 2 * 9).0.is_none());
    assert!(shell.path("y.ct.partial.wires").exists() && !shell.path("y.ct").exists());
    let (summary, steps) = run("y.ct", u64::MAX);
    assert_eq!((summary.unwrap().resumed_layers, steps), (2, 2 * (2 + 1)));
    assert!(shell.read("y.ct") == shell.read("whole.ct"), "the resumed results differ");
    let left = ["y.ct.partial", "y.ct.partial.wires"].map(|name| shell.path(name).exists());
    assert_eq!(left, [false, false]);

    // What was kept of other work is of no use, and no harm.
    assert!(run("z.ct", 2 * 4).0.is_none());
    shell.write("z.ct.partial.wires", b"something else");
    let (summary, steps) = run("z.ct", u64::MAX);
    assert_eq!((summary.unwrap().resumed_layers, steps), (0, 2 * (11 + 1)));
    assert!(shell.read("z.ct") == shell.read("whole.ct"), "the results differ");
}

#[test]
fn other_keys_are_refused() {
    let circuit = Circuit::Lookups(exact(2, &[2], 1, &mut Numbers(1)));
    assert!(Evaluator::new(&circuit, &EvaluationKey::Nothing).is_err());
    let other = LookupLiteral { lwe_dimension: 788, ..parameters().into() };
    let sets = LookupParameters::new(other).unwrap().into();
    let parts = PackedValuesParts { sets, ..encoding(1, 1, 4).parts().clone() };
    let (secret, key) = fresh_keys(&PackedValues::new(parts).unwrap());
    assert!(Evaluator::new(&circuit, &key).is_err());
    let message = Encryptor::new(&secret, circuit.encoding()).err().unwrap().to_string();
    assert!(message.contains("dimension 788") && message.contains("dimension 784"), "{message}");
}

/// A model that gives what it gets.
fn identity(name: &str, length: usize) -> Model {
    let mut builder = Builder::new();
    let field = Field { name: name.to_owned(), dtype: DType::F64, shape: vec![length], columns: None };
    let input = builder.input(field);
    builder.output(name, input, None);
    builder.finish().unwrap()
}

/// Integers as they are, on the way in and out.
fn client(circuit: &Circuit) -> ClientSpec {
    let encoding = circuit.encoding();
    let quantizer = Quantizer::with_scale(-7.0, 7.0, 1.0).unwrap();
    let term = |variable| Term { variables: vec![variable], quantizer };
    let value = |source| OutputValue {
        sums: vec![vec![OutputDigit { source, multiple: 1.0 }]],
        zero: 0.0,
        scale: 1.0,
        offset: 0.0,
    };
    let (features, outputs) = (encoding.features(), encoding.outputs());
    ClientSpec {
        encoding,
        prologue: identity("x", features),
        code: Code::Terms { centers: vec![0.0; features], terms: (0..features as u32).map(term).collect() },
        outputs: (0..outputs).map(value).collect(),
        epilogue: identity("y", outputs),
    }
}

#[test]
fn files_go_from_hand_to_hand() {
    let circuit = Circuit::Lookups(exact(3, &[4, 2], 3, &mut Numbers(9)));
    let shell = Shell::new();
    let model = identity("x", 3);
    files::save(&shell.path("build"), &circuit, &client(&circuit), &model, &[]).unwrap();
    assert_eq!(files::open_server(&shell.path("build/server.fhe")).unwrap().value, circuit);
    let rows = [vec![3, -7, 0], vec![1, 2, 5]];
    shell.write("x.json", serde_json::to_string(&rows).unwrap());
    for line in [
        "keygen build -o keys",
        "encrypt build --input x.json -o x.ct",
        "run build --input x.ct -o y.ct",
        "decrypt build --input y.ct -o y.json",
        "simulate build --input x.json",
        "estimate build",
    ] {
        shell.fhe_ml(line).done();
    }
    let inspected = shell.fhe_ml("inspect keys/evaluation.key").done().stdout;
    for part in ["2 polynomials of size 1024", "LWE dimension 784", "132 bits", "bootstrapping"] {
        assert!(inspected.contains(part), "no '{part}' in {inspected}");
    }
    let inspected = shell.fhe_ml("inspect build/server.fhe").done().stdout;
    assert!(inspected.contains("lookups a row             6"), "{inspected}");
    let found: Vec<serde_json::Value> = serde_json::from_slice(&shell.read("y.json")).unwrap();
    for (row, found) in rows.iter().zip(found) {
        let expected: Vec<f64> = server::evaluate(&circuit, row).iter().map(|value| *value as f64).collect();
        assert_eq!(found["y"], serde_json::json!(expected));
    }

    shell.fhe_ml("keygen build -o other").done();
    shell.refuses("run build --key other --input x.ct -o z.ct", 1, &["'x.ct' was encrypted under key"]);
}

#[test]
fn keys_of_another_kind_are_refused() {
    let shell = Shell::compiled("linreg_diabetes");
    let circuit = Circuit::Lookups(exact(3, &[4, 2], 3, &mut Numbers(9)));
    let model = identity("x", 3);
    files::save(&shell.path("net"), &circuit, &client(&circuit), &model, &[]).unwrap();
    shell.write("x.json", "[[1, 2, 3]]");
    shell.refuses(
        "encrypt net --key keys --input x.json -o x.ct",
        1,
        &[
            "'keys/secret.key' does not fit 'net/client.fhe'",
            "is for polynomial size",
            "the circuit for lookups",
        ],
    );
    let calibration = shell.data("x_calib");
    let line = format!("compile model.onnx --calibration {calibration} --same-parameters-as net -o shared");
    shell.refuses(&line, 1, &["the keys of 'net' are for lookups: they serve that circuit alone"]);
}
