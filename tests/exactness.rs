//! Random linear circuits give encrypted what they give in the clear, bit for bit.

use fhe_ml::circuit::{
    Circuit, InputBlock, Messages, OutputBlock, PackedProduct, PackedRows, ProductCircuit,
};
use fhe_ml::client::{Decryptor, Encryptor};
use fhe_ml::crypto::{RingParameters, Secret};
use fhe_ml::server::{self, EvaluationKey, Evaluator, Simulator};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::RngSeed;

/// Results are wrong with at most this probability, as a base-2 logarithm.
const LOG2_P_ERROR: f64 = -80.0;

/// What a random circuit and its rows are made from.
#[derive(Clone, Debug)]
struct Case {
    features: usize,
    outputs: usize,
    rows: usize,
    input_bits: u32,
    weight_bits: u32,
    seed: u64,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

    #[test]
    fn random_circuits_are_exact(
        features in prop_oneof![3 => 1_usize..80, 1 => 80_usize..700],
        outputs in prop_oneof![4 => 1_usize..6, 1 => 6_usize..40],
        share in any::<Index>(),
        (input_bits, weight_bits, seed) in (2_u32..17, 2_u32..17, any::<u64>()),
    ) {
        // Single rows, rows that fill a block, and all between.
        let one_row = Case { features, outputs, rows: 1, input_bits, weight_bits, seed };
        let rows = 1 + share.index(encoding(&one_row).rows_per_block());
        check(&Case { rows, ..one_row });
    }
}

#[test]
fn the_corners_are_exact() {
    let case = Case { features: 1, outputs: 1, rows: 1, input_bits: 12, weight_bits: 12, seed: 7 };
    // One feature, one row; and as many rows as the ring has coefficients.
    check(&case);
    check(&Case { rows: 2048, ..case });
    // Rows as wide as the ring, and wider: several chunks, the last one short.
    check(&Case { features: 2048, input_bits: 6, weight_bits: 6, ..case });
    check(&Case { features: 2049, ..case });
    check(&Case { features: 5000, outputs: 3, ..case });
    check(&Case { features: 20_000, outputs: 2, input_bits: 10, weight_bits: 10, ..case });
    // Many outputs: of one row in shared results, of a full block in results of their own.
    check(&Case { features: 10, outputs: 200, ..case });
    check(&Case { features: 30, outputs: 12, rows: 68, input_bits: 8, weight_bits: 8, ..case });
}

#[test]
fn extreme_values_are_exact() {
    let case = Case { features: 40, outputs: 2, rows: 5, input_bits: 14, weight_bits: 14, seed: 3 };
    let encoding = encoding(&case);
    let (input, weight) = (limit(case.input_bits), limit(case.weight_bits));
    let weights = vec![vec![weight; case.features], vec![-weight; case.features]];
    let circuit = ProductCircuit::new(encoding, PackedProduct { weights, bias: vec![0, 0] }).unwrap();
    let rows = [input, -input, 0, 1, -1].map(|value| vec![value; case.features]);
    assert_exact(&circuit, &rows, "the largest sums");
}

fn check(case: &Case) {
    let mut numbers = Numbers(case.seed);
    let weights = (0..case.outputs).map(|_| numbers.row(case.features, case.weight_bits)).collect();
    let bias = numbers.row(case.outputs, case.input_bits + case.weight_bits - 1);
    let circuit = ProductCircuit::new(encoding(case), PackedProduct { weights, bias }).unwrap();
    let rows: Vec<_> = (0..case.rows).map(|_| numbers.row(case.features, case.input_bits)).collect();
    assert_exact(&circuit, &rows, &format!("{case:?}"));
}

/// The smallest ring in which such a circuit is exact, with messages as wide as its largest result.
fn encoding(case: &Case) -> PackedRows {
    let largest = limit(case.input_bits) * limit(case.weight_bits) * (case.features as i64 + 1);
    let message_bits = 2 + largest.ilog2();
    let messages = Messages::new(message_bits).unwrap();
    let output_bits = (message_bits + 12).min(64);
    let squared_norm2 = case.features as f64 * (limit(case.weight_bits) as f64).powi(2);
    let shape = (case.features, case.outputs);
    let encodings = RingParameters::all_secure()
        .map(|parameters| PackedRows::new(parameters, shape, messages, 64, output_bits).unwrap());
    let exact =
        |encoding: &PackedRows| messages.log2_failure(encoding.noise_variance(squared_norm2)) < LOG2_P_ERROR;
    encodings.into_iter().find(exact).unwrap_or_else(|| panic!("no ring for {case:?}"))
}

/// Encrypts, evaluates and decrypts the rows as one block, through the bytes that files hold.
fn assert_exact(circuit: &ProductCircuit, rows: &[Vec<i64>], name: &str) {
    let circuit = &Circuit::Product(circuit.clone());
    let encoding = &circuit.encoding();
    let rows = &rows[..rows.len().min(encoding.rows_per_block())];
    let clear: Vec<_> = rows.iter().map(|row| server::evaluate(circuit, row)).collect();
    let mut simulator = Simulator::new(circuit, 5);
    let simulated: Vec<_> = rows.iter().map(|row| simulator.evaluate(row)).collect();
    assert!(simulated == clear, "simulated differs: {name}");

    let key = Secret::generate(encoding.secret());
    let mut bytes = Vec::new();
    Encryptor::new(&key, encoding.clone()).unwrap().encrypt(rows).unwrap().write(encoding, &mut bytes);
    assert_eq!(bytes.len(), encoding.input_block_bytes(rows.len()), "{name}");
    let input = InputBlock::read(encoding, &bytes).unwrap();
    bytes.clear();
    Evaluator::new(circuit, &EvaluationKey::Nothing)
        .unwrap()
        .evaluate(&input)
        .unwrap()
        .write(encoding, &mut bytes);
    assert_eq!(bytes.len(), encoding.output_block_bytes(rows.len()), "{name}");
    let output = OutputBlock::read(encoding, &bytes).unwrap();
    let decrypted = Decryptor::new(&key, encoding.clone()).unwrap().decrypt(&output).unwrap();
    assert!(decrypted == clear, "encrypted differs: {name}");
}

/// The largest integer of so many bits, sign included.
fn limit(bits: u32) -> i64 {
    (1 << (bits - 1)) - 1
}

/// A repeatable source of integers, by the generator SplitMix64 of Steele, Lea and Flood.
struct Numbers(u64);

impl Numbers {
    fn row(&mut self, length: usize, bits: u32) -> Vec<i64> {
        let range = 2 * limit(bits) as u64 + 1;
        (0..length).map(|_| (self.next() % range) as i64 - limit(bits)).collect()
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}
