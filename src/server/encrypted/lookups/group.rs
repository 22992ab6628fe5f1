//! How many rows are evaluated together, and how long that takes.

use std::hint::black_box;
use std::time::Instant;

use anyhow::Result;

use crate::circuit::LookupCircuit;
use crate::crypto::{
    LookupKey, LookupParameters, LookupTable, LookupWorkspace, LweCiphertext, Pool, SeededRing, WeightedSum,
};

/// The most lookups that read the key once.
pub(super) const BATCH: usize = 32;
/// The most rows of a group.
pub(super) const MAX_ROWS: usize = 64;
/// Wires of a group take no more bytes, unless those of a single row do.
const MAX_BYTES: usize = 512 << 20;
/// A larger group must not be faster by more than this part.
const SLACK: f64 = 0.03;
/// What reading the key costs a batch, in lookups, as measured with keys of 20 to 80 MB.
const KEY_READ: f64 = 1.0;

/// The lookups of the batches that are timed.
const PROBES: [usize; 2] = [2, 16];
/// The sums of a batch that are timed, and their terms.
const SUMS: (usize, usize) = (16, 64);
/// How often each is timed.
const TIMES: usize = 4;

/// Parts of so many lookups that keep all threads equally busy.
pub(super) fn batch_size(lookups: usize) -> usize {
    let threads = rayon::current_num_threads();
    let rounds = lookups.div_ceil(threads * BATCH).max(1);
    lookups.div_ceil(threads * rounds).max(1)
}

/// The fewest rows that fill the machine, if their wires fit into memory; one at least.
pub(super) fn rows_at_once(circuit: &LookupCircuit, row_bytes: usize) -> usize {
    let most = (MAX_BYTES / row_bytes.max(1)).clamp(1, MAX_ROWS);
    let times = LayerTimes { batch: KEY_READ, lookup: 1.0, term: 0.0 };
    let row = |rows: usize| times.group(circuit, rows) / rows as f64;
    let least = (1..=most).map(row).fold(f64::INFINITY, f64::min);
    (1..=most).find(|rows| row(*rows) <= least * (1.0 + SLACK)).unwrap_or(1)
}

/// What the parts of a layer take, in seconds of all threads at work side by side.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LayerTimes {
    /// A batch, besides its lookups.
    batch: f64,
    /// A lookup of a batch.
    lookup: f64,
    /// A term of a sum.
    term: f64,
}

impl LayerTimes {
    /// Times batches on all threads at once. It takes about a second.
    pub(super) fn measure(circuit: &LookupCircuit, key: &LookupKey) -> Result<Self> {
        let parameters = circuit.encoding().parts().parameters;
        let [few, many] = PROBES;
        let (fewer, more) = (batch_seconds(&parameters, key, few)?, batch_seconds(&parameters, key, many)?);
        // Reading the key for more lookups does not take less time.
        let lookup = ((more - fewer) / (many - few) as f64).clamp(0.0, more / many as f64);
        let batch = more - many as f64 * lookup;
        Ok(Self { batch, lookup, term: term_seconds(&parameters)? })
    }

    /// The seconds of a lookup of a full batch.
    pub fn lookup(&self) -> f64 {
        self.lookup + self.batch / BATCH as f64
    }

    /// The seconds that a group of rows takes.
    pub fn group(&self, circuit: &LookupCircuit, rows: usize) -> f64 {
        let threads = rayon::current_num_threads();
        let parts = circuit.layers().parts();
        let layers = parts.layers.iter().map(|layer| {
            let lookups = rows * layer.lookups.len();
            let size = batch_size(lookups);
            let rounds = lookups.div_ceil(size).div_ceil(threads);
            rounds as f64 * (self.batch + size as f64 * self.lookup)
        });
        let sums = circuit.layers().lookups().map(|lookup| &lookup.sum).chain(&parts.outputs);
        let terms: usize = sums.map(|sum| sum.weights.len()).sum();
        layers.sum::<f64>() + (rows * terms).div_ceil(threads) as f64 * self.term
    }
}

/// The seconds of a batch of so many lookups while all threads work on one.
fn batch_seconds(parameters: &LookupParameters, key: &LookupKey, lookups: usize) -> Result<f64> {
    let table = LookupTable::odd(parameters, &[0])?;
    let (inputs, tables) = (random_wires(parameters, lookups)?, vec![&table; lookups]);
    let workspaces = Pool::default();
    Ok(least_seconds(|| {
        workspaces.lend(
            || LookupWorkspace::new(parameters),
            |workspace| drop(black_box(key.apply(&inputs, &tables, workspace))),
        );
    }))
}

/// The seconds of a term of a sum while all threads work on sums.
fn term_seconds(parameters: &LookupParameters) -> Result<f64> {
    let (count, terms) = SUMS;
    let wires = random_wires(parameters, terms)?;
    let sum = WeightedSum { constant: 0, terms: wires.iter().map(|wire| (wire, 3)).collect() };
    let sums = vec![sum; count];
    let seconds = least_seconds(|| drop(black_box(LweCiphertext::weighted_sums(parameters, &sums))));
    Ok(seconds / (count * terms) as f64)
}

/// The seconds of work that every thread does; what disturbs a measurement only adds to it.
fn least_seconds(work: impl Fn() + Sync) -> f64 {
    let time = |_| {
        let start = Instant::now();
        rayon::broadcast(|_| work());
        start.elapsed().as_secs_f64()
    };
    (0..TIMES).map(time).fold(f64::INFINITY, f64::min)
}

/// Ciphertexts of random masks and no message.
fn random_wires(parameters: &LookupParameters, count: usize) -> Result<Vec<LweCiphertext>> {
    let packed = SeededRing { seed: [1; 16], body: vec![0; count] };
    LweCiphertext::expand(parameters, &packed, 1)
}
