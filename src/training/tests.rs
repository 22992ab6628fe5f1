//! The three engines against each other.

use super::*;
use crate::crypto::trial::assert_close;
use crate::crypto::{LookupSecretKey, PublicEncryptor, PublicKey, RingCiphertext, SecretKey};

/// A plan for so many features, rows and classes.
fn plan(features: usize, rows: u64, change: impl Fn(&mut Literal)) -> Plan {
    let mut literal = Literal {
        features,
        task: Task::Logistic { classes: 2 },
        rows,
        epochs: 1,
        batch: 16,
        learning_rate: 1.0,
        schedule: Schedule::Constant,
        l2: 0.0,
        range: 28.0,
    };
    change(&mut literal);
    Plan::new(Settings::new(literal).unwrap()).unwrap()
}

struct Keys {
    ring: SecretKey,
    key: TrainingKey,
    encryptor: PublicEncryptor,
}

impl Keys {
    fn of(plan: &Plan) -> Self {
        let secret = LookupSecretKey::generate(*plan.parameters().lookup());
        let seeded = SeededTrainingKey::generate(&secret, plan.parameters()).unwrap();
        let bytes = seeded.to_bytes();
        let key = SeededTrainingKey::from_bytes(plan.parameters(), &bytes).unwrap().expand();
        let ring = secret.as_ring_key().unwrap();
        let public = PublicKey::generate(std::slice::from_ref(&ring)).unwrap();
        Self { ring, key, encryptor: PublicEncryptor::new(&public).unwrap() }
    }

    fn encrypt(&self, plan: &Plan, rows: &[(Quantized, Vec<u64>)]) -> EncryptedBlock {
        let packing = plan.packing();
        let polynomials = packing.polynomials(rows);
        let encrypt = |p: &Vec<u64>| self.encryptor.encrypt(&[p]).unwrap().ring(0).unwrap();
        let block =
            EncryptedBlock { rows: rows.len(), ciphertexts: polynomials.iter().map(encrypt).collect() };
        let mut bytes = Vec::new();
        block.write(&mut bytes);
        assert_eq!(bytes.len(), packing.block_bytes());
        EncryptedBlock::read(&packing, &bytes).unwrap()
    }

    fn weights(&self, plan: &Plan, trainer: &Trainer<'_>) -> Vec<Vec<f64>> {
        let (program, packing) = (plan.program(), plan.packing());
        let open = |weights| {
            let phases = self.ring.phase(weights);
            let places = phases.iter().step_by(packing.stride()).take(program.weights());
            places.map(|value| program.weight(*value)).collect()
        };
        trainer.weights().iter().map(open).collect()
    }
}

/// Repeatable numbers of about variance one.
fn rows(plan: &Plan, count: usize, seed: u64) -> Vec<(Quantized, Vec<u64>)> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as f64 / 2.0_f64.powi(31)
    };
    let count_of_features = plan.settings().literal().features;
    let features = Features::standardised(count_of_features);
    let program = plan.program();
    (0..count)
        .map(|_| {
            let row: Vec<f64> = (0..count_of_features).map(|_| (next() - 0.5) * 3.4).collect();
            let second = row.get(1).copied().unwrap_or_default();
            let label = match plan.settings().literal().task {
                Task::Logistic { classes: 2 } => f64::from(row[0] + 0.5 * second > 0.0),
                Task::Logistic { classes } => (next() * classes as f64).floor(),
                Task::Linear { .. } => (0.3 * row[0] - 0.2 * second).clamp(-1.0, 1.0),
            };
            let targets = plan.settings().targets_of(label).unwrap();
            (features.quantize(&row).unwrap(), targets.iter().map(|target| program.label(*target)).collect())
        })
        .collect()
}

/// Weights of each target in two engines.
struct Pair {
    encrypted: Vec<Vec<f64>>,
    clear: Vec<Vec<f64>>,
}

/// Encrypted and clear weights after each step of a descent that begins with these weights.
fn both(plan: &Plan, rows: &[(Quantized, Vec<u64>)], start: &[f64]) -> Vec<Pair> {
    let keys = Keys::of(plan);
    let (packing, unit) = (plan.packing(), plan.program().weight_unit());
    let torus: Vec<u64> =
        start.iter().map(|weight| (weight * unit * 2.0_f64.powi(64)) as i64 as u64).collect();
    let mut ring = vec![0; 2048];
    ring.iter_mut().step_by(packing.stride()).zip(&torus).for_each(|(place, value)| *place = *value);
    let targets = plan.settings().targets();
    let kept = (0, vec![RingCiphertext::trivial(&ring); targets]);
    let mut trainer = Trainer::new(plan, &keys.key, rows.len() as u64, Some(kept)).unwrap();
    let mut descent = Descent::new(plan, Engine::Clear, rows.len() as u64);
    descent.begin_with(&vec![torus; targets]);
    let blocks: Vec<EncryptedBlock> =
        rows.chunks(packing.stride()).map(|rows| keys.encrypt(plan, rows)).collect();
    let mut expanded: Vec<ExpandedRow> = Vec::new();
    blocks.iter().for_each(|block| expanded.extend(trainer.expand(block, 0..block.rows).unwrap()));
    let batch = plan.settings().literal().batch;
    let steps = expanded.chunks(batch).zip(rows.chunks(batch));
    let step = |(encrypted, clear): (&[ExpandedRow], &[(Quantized, Vec<u64>)])| {
        trainer.advance(encrypted).unwrap();
        let clear: Vec<(&[i64], &[u64])> =
            clear.iter().map(|(row, labels)| (&row.integers[..], &labels[..])).collect();
        descent.advance(&clear).unwrap();
        Pair { encrypted: keys.weights(plan, &trainer), clear: descent.weights() }
    };
    steps.map(step).collect()
}

/// The largest difference between weights.
fn farthest(weights: &Pair) -> f64 {
    let pairs = weights.encrypted.iter().flatten().zip(weights.clear.iter().flatten());
    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

#[test]
fn weights_have_the_noise_of_the_formula() {
    let rows_of_step = 1;
    let plan = plan(30, 1000, |literal| {
        literal.batch = rows_of_step;
        literal.learning_rate = 1.0 / 64.0;
    });
    // A bias that puts z where the logistic function is flat: noise of what is read changes nothing.
    let mut start = vec![0.0; 31];
    start[30] = 14.0;
    let steps = both(&plan, &rows(&plan, 48, 1), &start);
    let error = |step: usize| {
        let Pair { encrypted, clear } = &steps[step];
        encrypted[0].iter().zip(&clear[0]).map(|(a, b)| a - b).collect::<Vec<f64>>()
    };
    let added: Vec<f64> = (1..steps.len())
        .flat_map(|step| {
            error(step).into_iter().zip(error(step - 1)).map(|(now, before)| now - before).collect::<Vec<_>>()
        })
        .collect();
    let measured = added.iter().map(|error| error * error).sum::<f64>() / added.len() as f64;
    let predicted = plan.variances().of_row() / plan.program().weight_unit().powi(2);
    // About 1,400 errors under one key, which they share noise of.
    assert_close(measured, predicted, 0.8);
}

#[test]
fn several_classes_a_falling_rate_and_a_penalty_are_the_same_encrypted() {
    // Fewer weights than classes.
    let plan = plan(1, 400, |literal| {
        literal.task = Task::Logistic { classes: 3 };
        literal.schedule = Schedule::Inverse;
        literal.batch = 16;
        literal.l2 = 0.05;
        literal.range = 8.0;
    });
    let steps = both(&plan, &rows(&plan, 32, 2), &[0.5; 2]);
    // Noise of what is read comes with the slope of the function, a quarter at most, and features of mean square 1.
    let bound = 8.0 * (32.0_f64.sqrt() / 16.0 * plan.reading_noise() / 4.0 + plan.weight_noise(32));
    assert!(steps.iter().all(|step| farthest(step) < bound));
}

#[test]
fn a_line_is_the_same_encrypted() {
    let plan = plan(3, 400, |literal| {
        literal.task = Task::Linear { low: -1.0, high: 1.0 };
        literal.range = 4.0;
        literal.learning_rate = 0.25;
    });
    let steps = both(&plan, &rows(&plan, 128, 3), &[0.0; 4]);
    let last = steps.last().unwrap();
    let bound = 8.0 * (128.0_f64.sqrt() / 16.0 * 0.25 * plan.reading_noise() + plan.weight_noise(128));
    assert!(farthest(last) < bound, "{bound}");
    assert!((last.clear[0][0] - 0.3).abs() < 0.1 && (last.clear[0][1] + 0.2).abs() < 0.1);
}

#[test]
fn too_many_rows_are_refused() {
    let literal = plan(30, 1000, |_| {}).settings().literal().clone();
    let error =
        Plan::new(Settings::new(Literal { rows: 40_000_000, ..literal }).unwrap()).unwrap_err().to_string();
    assert!(error.starts_with("noise would swamp the weights") && error.contains("rows fit"), "{error}");
}
