//! The parameter sets that a search chooses among, with what does not depend on the circuit.

use std::sync::LazyLock;

use rayon::prelude::*;

use crate::crypto::{Gadget, LookupLiteral, LookupParameters, Unrolling, noise};

/// Ring keys: k polynomials of size N.
const RINGS: [(usize, usize); 12] = [
    (5, 256),
    (6, 256),
    (7, 256),
    (8, 256),
    (3, 512),
    (4, 512),
    (2, 1024),
    (3, 1024),
    (4, 1024),
    (1, 2048),
    (2, 2048),
    (1, 4096),
];
/// Bits of the small key: the least, the most, and the step between.
const SMALL: (usize, usize, usize) = (552, 1000, 4);
/// Levels of the gadget of the bootstrapping key, at most.
const BOOTSTRAP_LEVELS: u32 = 3;
/// Levels of the gadget of the key-switching key, at most.
const KEY_SWITCH_LEVELS: u32 = 9;

/// A ring with a gadget and a way of rotating, and every small key.
pub struct Ring {
    /// k·N.
    pub big_dimension: usize,
    /// By the bits of small keys.
    pub keys: Vec<SmallKey>,
}

/// A small key with every number of levels of the key switch.
pub struct SmallKey {
    /// The noise variance of results.
    pub results: f64,
    /// The sets.
    pub sets: Vec<Candidate>,
}

/// A parameter set.
pub struct Candidate {
    /// Itself.
    pub set: LookupParameters,
    /// The predicted seconds of a lookup.
    pub seconds: f64,
    /// The bytes of its evaluation key.
    pub key_bytes: usize,
    /// The noise variance that key switch and rotation add to what is read.
    pub read: f64,
}

/// All sets; made once, on all threads.
pub fn rings() -> &'static [Ring] {
    static GRID: LazyLock<Vec<Ring>> =
        LazyLock::new(|| literals().collect::<Vec<_>>().into_par_iter().map(Ring::of).collect());
    &GRID
}

impl Ring {
    fn of(ring: LookupParameters) -> Self {
        // Noise of results grows with the small key as its bits do.
        let results_per_bit = noise::lookup_output(&ring) / ring.lwe_dimension() as f64;
        let (least, most, step) = SMALL;
        let key = |lwe_dimension: usize| {
            let sets =
                (1..=KEY_SWITCH_LEVELS).filter_map(|levels| with_best_base(&ring, lwe_dimension, levels));
            SmallKey {
                results: results_per_bit * lwe_dimension as f64,
                sets: sets.map(Candidate::of).collect(),
            }
        };
        Self { big_dimension: ring.big_dimension(), keys: (least..=most).step_by(step).map(key).collect() }
    }
}

impl Candidate {
    fn of(set: LookupParameters) -> Self {
        let read = noise::lookup_input(&set, 0.0);
        Self { set, seconds: set.seconds(), key_bytes: set.key_bytes(), read }
    }
}

/// Every ring with every number of levels of its gadget, in each way of rotating, and the base that leaves results
/// the least noise; with the largest small key, for now.
fn literals() -> impl Iterator<Item = LookupParameters> {
    let rings = RINGS.into_iter().flat_map(|ring| (1..=BOOTSTRAP_LEVELS).map(move |levels| (ring, levels)));
    let unrolled = rings.flat_map(|ring| Unrolling::ALL.map(|unrolling| (ring, unrolling)));
    unrolled.filter_map(|(((glwe_dimension, polynomial_size), levels), unrolling)| {
        let sets = (4..=30 / levels).filter_map(|log2_base| {
            let literal = LookupLiteral {
                glwe_dimension,
                polynomial_size,
                lwe_dimension: SMALL.1,
                unrolling,
                bootstrap: Gadget::new(log2_base, levels).ok()?,
                key_switch: Gadget::new(2, 1).ok()?,
            };
            LookupParameters::new(literal).ok()
        });
        sets.min_by(|a, b| noise::lookup_output(a).total_cmp(&noise::lookup_output(b)))
    })
}

/// A ring with a small key and a key switch of so many levels, in the base that adds the least noise: time and size
/// do not depend on that.
fn with_best_base(ring: &LookupParameters, lwe_dimension: usize, levels: u32) -> Option<LookupParameters> {
    // The small modulus has 32 bits.
    let sets = (2..=(31 / levels).min(8)).filter_map(|log2_base| {
        let key_switch = Gadget::new(log2_base, levels).ok()?;
        LookupParameters::new(LookupLiteral { lwe_dimension, key_switch, ..(*ring).into() }).ok()
    });
    sets.min_by(|a, b| noise::key_switch(a).total_cmp(&noise::key_switch(b)))
}
