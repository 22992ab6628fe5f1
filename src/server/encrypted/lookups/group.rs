//! How many rows are evaluated together, and how long that takes.

use std::hint::black_box;
use std::time::Instant;

use anyhow::Result;

use super::LookupSet;
use crate::circuit::{Layer, LookupCircuit};
use crate::crypto::{
    LookupParameters, LookupTable, LookupWorkspace, LweCiphertext, PackedInputs, Pool, SeededRing, SumMemory,
    WeightedSum,
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
    let set = |set: &LookupParameters| SetTimes { batch: KEY_READ * set.seconds(), lookup: set.seconds() };
    let times = LayerTimes {
        sets: circuit.encoding().parts().sets.iter().map(set).collect(),
        term: 0.0,
        packed: 0.0,
    };
    let row = |rows: usize| times.group(circuit, rows) / rows as f64;
    let least = (1..=most).map(row).fold(f64::INFINITY, f64::min);
    (1..=most).find(|rows| row(*rows) <= least * (1.0 + SLACK)).unwrap_or(1)
}

/// What the parts of a layer take, in seconds of all threads at work side by side.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerTimes {
    /// Lookups with each parameter set.
    sets: Vec<SetTimes>,
    /// A term of a sum of results.
    term: f64,
    /// The part of a sum that is of packed inputs.
    packed: f64,
}

/// What lookups with one parameter set take.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct SetTimes {
    /// A batch, besides its lookups.
    batch: f64,
    /// A lookup of a batch.
    lookup: f64,
}

impl LayerTimes {
    /// Times batches on all threads at once. It takes about a second.
    pub(super) fn measure(circuit: &LookupCircuit, sets: &[LookupSet]) -> Result<Self> {
        let parameters = circuit.encoding().parts().sets.first();
        Ok(Self {
            sets: sets.iter().map(SetTimes::measure).collect::<Result<_>>()?,
            term: term_seconds(parameters)?,
            packed: packed_seconds(parameters)?,
        })
    }

    /// The seconds of a lookup of a full batch, in the mean over those of a row.
    pub fn lookup(&self, circuit: &LookupCircuit) -> f64 {
        let layers = circuit.layers().parts().layers.iter();
        let seconds = layers.map(|layer| {
            let SetTimes { batch, lookup } = self.of(layer);
            layer.lookups.len() as f64 * (lookup + batch / BATCH as f64)
        });
        seconds.sum::<f64>() / circuit.layers().lookups().count().max(1) as f64
    }

    /// The seconds that a group of rows takes.
    pub fn group(&self, circuit: &LookupCircuit, rows: usize) -> f64 {
        let threads = rayon::current_num_threads();
        let parts = circuit.layers().parts();
        let layers = parts.layers.iter().map(|layer| {
            let lookups = rows * layer.lookups.len();
            let size = batch_size(lookups);
            let rounds = lookups.div_ceil(size).div_ceil(threads);
            let SetTimes { batch, lookup } = self.of(layer);
            rounds as f64 * (batch + size as f64 * lookup)
        });
        let sums = circuit.layers().lookups().map(|lookup| &lookup.sum).chain(&parts.outputs);
        let (terms, packed) = sums.fold((0, 0), |(terms, packed), sum| {
            let is_packed = !sum.fresh(parts.inputs).is_empty();
            (terms + sum.looked_up(parts.inputs).len(), packed + usize::from(is_packed))
        });
        let (terms, packed) = ((rows * terms).div_ceil(threads), (rows * packed).div_ceil(threads));
        layers.sum::<f64>() + terms as f64 * self.term + packed as f64 * self.packed
    }

    fn of(&self, layer: &Layer) -> SetTimes {
        // Sets of checked layers exist.
        self.sets.get(layer.set as usize).copied().unwrap_or_default()
    }
}

impl SetTimes {
    fn measure(set: &LookupSet) -> Result<Self> {
        let [few, many] = PROBES;
        let (fewer, more) = (batch_seconds(set, few)?, batch_seconds(set, many)?);
        // Reading the key for more lookups does not take less time.
        let lookup = ((more - fewer) / (many - few) as f64).clamp(0.0, more / many as f64);
        Ok(Self { batch: more - many as f64 * lookup, lookup })
    }
}

/// The seconds of a batch of so many lookups while all threads work on one.
fn batch_seconds(set: &LookupSet, lookups: usize) -> Result<f64> {
    let parameters = set.parameters();
    let table = LookupTable::odd(parameters, &[0])?;
    let (inputs, tables) = (random_wires(parameters, lookups)?, vec![&table; lookups]);
    let workspaces = Pool::default();
    Ok(least_seconds(|| {
        workspaces.lend(
            || LookupWorkspace::new(parameters),
            |workspace| drop(black_box(set.key().apply(&inputs, &tables, workspace))),
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

/// The seconds of the part of a sum that is of packed inputs, while all threads work on some.
fn packed_seconds(parameters: &LookupParameters) -> Result<f64> {
    let (count, terms) = SUMS;
    let packed = SeededRing { seed: [1; 16], body: vec![0; terms] };
    let inputs = PackedInputs::expand(parameters, &[packed], 1)?;
    let terms: Vec<(u32, i32)> = (0..terms as u32).map(|place| (place, 3)).collect();
    let memory = Pool::default();
    let seconds = least_seconds(|| {
        let mut sum = LweCiphertext::trivial(parameters, 0);
        memory.lend(
            || SumMemory::new(parameters),
            |memory| (0..count).for_each(|_| inputs.add_sum(&terms, &mut sum, memory)),
        );
        drop(black_box(sum));
    });
    Ok(seconds / count as f64)
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
