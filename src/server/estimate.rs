//! What a run will cost on this machine: the circuit is tried on blocks of random bits, lookups in batches.

use std::time::Instant;

use anyhow::Result;
use serde::Serialize;

use super::{EvaluationKey, Evaluator};
use crate::circuit::{Circuit, Encoding, EvaluationParameters, InputBlock};
use crate::crypto::{Gadget, Ggsw, ProductSum, RingCiphertext, RingParameters, RingWorkspace, SeededRing};
use crate::progress::Silent;

/// Tries take about so long.
const PROBE_SECONDS: f64 = 0.3;

/// External products that are timed; a few milliseconds.
const PRODUCTS_TIMED: usize = 60;
/// Of two levels: each of mask and body is transformed for each level, and both are transformed back.
const TRANSFORMS_OF_A_PRODUCT: f64 = 6.0;

/// The cost of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// Rows that it is for.
    pub rows: u64,
    /// Threads that share the work.
    pub threads: usize,
    /// Seconds of computing for all rows.
    pub run_seconds: f64,
    /// Seconds of computing for a single row.
    pub latency_seconds: f64,
    /// The lookups that take that time, if there are any.
    pub lookups: Option<LookupEstimate>,
    /// Bytes of the encrypted rows.
    pub input_bytes: u64,
    /// Bytes of the encrypted results.
    pub output_bytes: u64,
    /// Bytes of key material in the evaluation key.
    pub evaluation_key_bytes: u64,
    /// Bytes of memory that `run` needs besides the program itself, whatever the number of rows.
    pub memory_bytes: u64,
}

/// Lookups and their time on a thread.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct LookupEstimate {
    /// Lookups of a row.
    pub lookups_per_row: u64,
    /// Seconds of one of a batch, measured here while all threads are at work.
    pub measured_seconds: f64,
    /// Seconds of one on the machine whose times choose the parameters.
    pub predicted_seconds: f64,
}

/// Measures the circuit on this machine and scales to `rows` rows.
///
/// # Errors
/// If the circuit cannot be evaluated.
pub fn estimate(circuit: &Circuit, rows: u64) -> Result<Estimate> {
    let encoding = circuit.encoding();
    let evaluation = encoding.evaluation();
    let evaluator = Evaluator::new(circuit, &random_key(&evaluation)?)?;
    let per_block = encoding.rows_per_block();
    let (full, rest) = (rows / per_block as u64, (rows % per_block as u64) as usize);
    let times = times(circuit, &evaluator, (full, rest), per_block)?;
    let bytes = |block: &dyn Fn(usize) -> usize| {
        full * block(per_block) as u64 + if rest > 0 { block(rest) as u64 } else { 0 }
    };
    Ok(Estimate {
        rows,
        threads: rayon::current_num_threads(),
        run_seconds: times.run,
        latency_seconds: times.latency,
        lookups: times.lookups,
        input_bytes: bytes(&|rows| encoding.input_block_bytes(rows)),
        output_bytes: bytes(&|rows| encoding.output_block_bytes(rows)),
        evaluation_key_bytes: evaluation.key_bytes() as u64,
        memory_bytes: evaluator.memory_bytes() as u64,
    })
}

/// Seconds of all rows, and of one alone.
struct Times {
    run: f64,
    latency: f64,
    lookups: Option<LookupEstimate>,
}

/// Times of so many full blocks and the rows of a last one.
fn times(
    circuit: &Circuit,
    evaluator: &Evaluator<'_>,
    (full, rest): (u64, usize),
    per_block: usize,
) -> Result<Times> {
    match (circuit, evaluator.layer_times()?) {
        (Circuit::Lookups(circuit), Some(times)) => {
            let lookups = LookupEstimate {
                lookups_per_row: circuit.layers().lookups().count() as u64,
                measured_seconds: times.lookup(circuit),
                predicted_seconds: circuit.seconds() / circuit.layers().lookups().count().max(1) as f64,
            };
            let rows = full * per_block as u64 + rest as u64;
            let groups = rows.div_ceil(evaluator.blocks_at_once() as u64).max(1);
            let group = times.group(circuit, rows.div_ceil(groups) as usize);
            Ok(Times { run: groups as f64 * group, latency: times.group(circuit, 1), lookups: Some(lookups) })
        }
        (Circuit::Product(_) | Circuit::Diagrams(_) | Circuit::Lookups(_), _) => {
            probed_times(&circuit.encoding(), evaluator, (full, rest))
        }
    }
}

/// Times of blocks that are tried.
fn probed_times(encoding: &Encoding, evaluator: &Evaluator<'_>, (full, rest): (u64, usize)) -> Result<Times> {
    let per_block = encoding.rows_per_block();
    let at_once = (full.max(1) as usize).min(evaluator.blocks_at_once());
    let blocks = |count, rows| vec![random_block(encoding, rows); count];
    let latency = probe(evaluator, &blocks(1, 1))?;
    let full_seconds = match full {
        0 => 0.0,
        _ if per_block == 1 && at_once == 1 => latency,
        _ => probe(evaluator, &blocks(at_once, per_block))? / at_once as f64,
    };
    let rest_seconds = match rest {
        0 => 0.0,
        1 => latency,
        _ => probe(evaluator, &blocks(1, rest))?,
    };
    Ok(Times { run: full as f64 * full_seconds + rest_seconds, latency, lookups: None })
}

/// The seconds that one transform of a ring takes on this machine, with what usually goes with it, on one
/// thread: a sixth of an external product with two levels.
pub fn seconds_per_transform(ring: &RingParameters) -> f64 {
    let Ok(gadget) = Gadget::new(13, 2) else { return f64::NAN };
    let (factor, workspace) = (Ggsw::zero(ring, gadget), &mut RingWorkspace::new(ring));
    let coefficients: Vec<u64> = (0..ring.polynomial_size() as u64).map(mixed).collect();
    let other = RingCiphertext::trivial(&coefficients);
    let (mut sum, mut products) = (other.clone(), ProductSum::empty(ring.polynomial_size()));
    let product = |_| {
        let start = Instant::now();
        factor.add_product(&mut products, &other, workspace);
        products.settle(&mut sum, workspace);
        start.elapsed().as_secs_f64() / TRANSFORMS_OF_A_PRODUCT
    };
    // What disturbs a measurement only adds to it.
    (0..PRODUCTS_TIMED).map(product).fold(f64::INFINITY, f64::min)
}

/// The seconds that all of these blocks take together.
fn probe(evaluator: &Evaluator<'_>, blocks: &[InputBlock]) -> Result<f64> {
    let start = Instant::now();
    let mut times = 0_u32;
    while times < 3 || start.elapsed().as_secs_f64() < PROBE_SECONDS {
        evaluator.evaluate_all(blocks, &Silent)?;
        times += 1;
    }
    Ok(start.elapsed().as_secs_f64() / f64::from(times))
}

/// A block as encryption would give it, of bits that mean nothing.
fn random_block(encoding: &Encoding, rows: usize) -> InputBlock {
    let (ciphertexts, body) = encoding.input_shape(rows);
    let mask = u64::MAX >> (64 - encoding.body_bits());
    let body = (0..body as u64).map(|place| mixed(place) & mask);
    let ciphertext = SeededRing { seed: [7; 16], body: body.collect() };
    InputBlock { rows, ciphertexts: vec![ciphertext; ciphertexts] }
}

/// A key as `keygen` would make it, of bits that mean nothing.
fn random_key(parameters: &EvaluationParameters) -> Result<EvaluationKey> {
    let words = parameters.key_bytes().div_ceil(8) as u64;
    let mut bytes: Vec<u8> = (0..words).flat_map(|place| mixed(place).to_le_bytes()).collect();
    bytes.truncate(parameters.key_bytes());
    EvaluationKey::from_bytes(parameters, &bytes)
}

fn mixed(place: u64) -> u64 {
    place.wrapping_mul(0x9E37_79B9_7F4A_7C15)
}
