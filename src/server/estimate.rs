//! What a run will cost on this machine: the circuit is tried on blocks of random bits.

use std::time::Instant;

use anyhow::Result;
use rayon::prelude::*;
use serde::Serialize;

use super::Evaluator;
use crate::circuit::{Circuit, InputBlock};
use crate::crypto::SeededRing;

/// Tries take about so long.
const PROBE_SECONDS: f64 = 0.3;

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
    /// Bytes of the encrypted rows.
    pub input_bytes: u64,
    /// Bytes of the encrypted results.
    pub output_bytes: u64,
    /// Bytes of key material in the evaluation key.
    pub evaluation_key_bytes: u64,
    /// Bytes of memory that `run` needs besides the program itself, whatever the number of rows.
    pub memory_bytes: u64,
}

/// Measures the circuit on this machine and scales to `rows` rows.
///
/// # Errors
/// If the circuit cannot be evaluated.
pub fn estimate(circuit: &Circuit, rows: u64) -> Result<Estimate> {
    let encoding = circuit.encoding();
    let per_block = encoding.rows_per_block();
    let evaluator = Evaluator::new(circuit)?;
    let threads = rayon::current_num_threads();
    let (full, rest) = (rows / per_block as u64, (rows % per_block as u64) as usize);
    let at_once = (full.max(1) as usize).min(threads);
    let full_seconds = probe(&evaluator, &vec![random_block(circuit, per_block); at_once])? / at_once as f64;
    let rest_seconds = if rest > 0 { probe(&evaluator, &[random_block(circuit, rest)])? } else { 0.0 };
    let latency_seconds = probe(&evaluator, &[random_block(circuit, 1)])?;
    let bytes = |block: &dyn Fn(usize) -> usize| {
        full * block(per_block) as u64 + if rest > 0 { block(rest) as u64 } else { 0 }
    };
    let held = encoding.input_block_bytes(per_block) + encoding.output_block_bytes(per_block);
    let weights =
        encoding.outputs() * (encoding.features() * 8 + encoding.parameters().polynomial_size() * 20);
    Ok(Estimate {
        rows,
        threads,
        run_seconds: full as f64 * full_seconds + rest_seconds,
        latency_seconds,
        input_bytes: bytes(&|rows| encoding.input_block_bytes(rows)),
        output_bytes: bytes(&|rows| encoding.output_block_bytes(rows)),
        evaluation_key_bytes: 0,
        memory_bytes: (super::run::BLOCKS_PER_THREAD * threads * held * 3 + weights) as u64,
    })
}

/// The seconds that all of these blocks take together.
fn probe(evaluator: &Evaluator<'_>, blocks: &[InputBlock]) -> Result<f64> {
    let start = Instant::now();
    let mut times = 0_u32;
    while times < 3 || start.elapsed().as_secs_f64() < PROBE_SECONDS {
        blocks.par_iter().try_for_each(|block| evaluator.evaluate(block).map(drop))?;
        times += 1;
    }
    Ok(start.elapsed().as_secs_f64() / f64::from(times))
}

/// A block as encryption would give it, of bits that mean nothing.
fn random_block(circuit: &Circuit, rows: usize) -> InputBlock {
    let encoding = circuit.encoding();
    let layout = encoding.layout(rows);
    let mask = u64::MAX >> (64 - encoding.body_bits());
    let body = (0..layout.body_len() as u64).map(|place| place.wrapping_mul(0x9E37_79B9_7F4A_7C15) & mask);
    let ciphertext = SeededRing { seed: [7; 16], body: body.collect() };
    let chunks = layout.chunks(encoding.features()).count();
    InputBlock { rows, ciphertexts: vec![ciphertext; chunks] }
}
