//! The parameters of lookups that take the least time, of all that keep the noise of a circuit within bounds.
//!
//! A circuit requires of each kind of lookup that its input, a weighted sum of fresh encryptions and of results of
//! other lookups, is read off well enough. Noise of results, of key switches and of rotations falls with other
//! costs each, so all sets of a [`grid`] are tried: rings, small keys, and the levels of both gadgets, with the base
//! that is best for as many levels. The first or the last layers have a set of their own where that is faster: all
//! ways to cut the layers in two are tried as well.

mod grid;
mod search;

use std::slice::from_ref;

use anyhow::Result;

use crate::crypto::{LookupParameters, LookupSets, noise};
use search::{Excess, Search};

/// Two sets must be faster than one by this part: their keys take longer to make and to read.
const GAIN: f64 = 0.05;

/// What some lookups of a circuit have to read off.
#[derive(Clone, Debug, PartialEq)]
pub struct Requirement {
    /// Where they are, for people: a node's name.
    pub name: String,
    /// The layer they are in; `None` if they are not looked up but decrypted: no noise of a key switch and of a rotation
    /// is added.
    pub layer: Option<usize>,
    /// p: they tell 2^p steps apart, below a padding bit.
    pub bits: u32,
    /// How well.
    pub tolerance: Tolerance,
    /// The squared 2-norms of the weights that freshly encrypted inputs come with, then those of the results of each
    /// layer, as far as there are any.
    pub norms2: Vec<f64>,
}

/// The parameter sets of a circuit.
#[derive(Clone, Debug, PartialEq)]
pub struct Chosen {
    /// The sets.
    pub sets: LookupSets,
    /// The layers that use the first of two sets; all if there is one.
    first_layers: usize,
}

/// How far noise may move what is read off.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Tolerance {
    /// Not at all: less than half a step, but with a probability of 2^`log2_p_error`.
    Exact {
        /// The logarithm of the probability.
        log2_p_error: f64,
    },
    /// To a neighbouring step: less than one and a half, but with a probability of 2^`log2_p_error`.
    Approximate {
        /// The logarithm of the probability.
        log2_p_error: f64,
    },
    /// By a standard deviation of so many steps.
    Deviation {
        /// The standard deviation.
        steps: f64,
    },
    /// By less than a part of the torus, whatever the steps, but with a probability of 2^`log2_p_error`.
    Within {
        /// The part of the torus.
        distance: f64,
        /// The logarithm of the probability.
        log2_p_error: f64,
    },
}

/// No parameters meet all requirements.
#[derive(Debug)]
pub struct NoParameters(String);

impl std::error::Error for NoParameters {}

impl std::fmt::Display for NoParameters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Chosen {
    /// The place of the set that a layer uses.
    pub fn place(&self, layer: usize) -> u32 {
        u32::from(layer >= self.first_layers)
    }

    /// The set that a layer uses.
    pub fn of(&self, layer: usize) -> &LookupParameters {
        // There are two sets if some layers do not use the first.
        self.sets.get(self.place(layer) as usize).unwrap_or(self.sets.first())
    }
}

/// The sets of the least predicted time, with keys of `max_key_bytes` at most, that meet all requirements, for layers of
/// so many `lookups`.
///
/// # Errors
/// If there are none; the error names the requirement that is farthest from being met.
pub fn fastest(requirements: &[Requirement], lookups: &[usize], max_key_bytes: usize) -> Result<Chosen> {
    let (search, layers) = (Search::new(requirements, lookups, max_key_bytes), lookups.len());
    let whole = 0..layers;
    let (mut best, mut first_layers) = (search.fastest(from_ref(&whole), f64::INFINITY), layers);
    let mut limit = best.as_ref().map_or(f64::INFINITY, |single| single.seconds * (1.0 - GAIN));
    for cut in 1..layers {
        if let Some(found) = search.fastest(&[0..cut, cut..layers], limit) {
            limit = found.seconds;
            (best, first_layers) = (Some(found), cut);
        }
    }
    match best {
        Some(found) => Ok(Chosen { sets: LookupSets::new(found.sets)?, first_layers }),
        None => Err(refusal(&search.nearest(), max_key_bytes).into()),
    }
}

/// Those of these norms that no other exceeds for every source.
pub fn largest(norms2: impl Iterator<Item = Vec<f64>>) -> Vec<Vec<f64>> {
    let exceeds = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| a >= b);
    let mut largest: Vec<Vec<f64>> = Vec::new();
    for norms2 in norms2 {
        if !largest.iter().any(|other| exceeds(other, &norms2)) {
            largest.retain(|other| !exceeds(&norms2, other));
            largest.push(norms2);
        }
    }
    largest
}

/// The most noise that may meet the table.
fn bound(requirement: &Requirement) -> f64 {
    let step = (-f64::from(requirement.bits + 1)).exp2();
    let std = match requirement.tolerance {
        Tolerance::Exact { log2_p_error } => step / 2.0 / sigmas(log2_p_error),
        Tolerance::Approximate { log2_p_error } => step * 1.5 / sigmas(log2_p_error),
        Tolerance::Deviation { steps } => step * steps,
        Tolerance::Within { distance, log2_p_error } => distance / sigmas(log2_p_error),
    };
    std * std
}

/// The number of standard deviations that Gaussian noise reaches with this probability.
pub fn sigmas(log2_p: f64) -> f64 {
    let (mut low, mut high) = (0.0, 64.0);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        match noise::log2_failure(middle, 1.0) > log2_p {
            true => low = middle,
            false => high = middle,
        }
    }
    high
}

fn refusal(nearest: &Excess<'_>, max_key_bytes: usize) -> NoParameters {
    let megabytes = max_key_bytes as f64 / 1e6;
    NoParameters(match nearest.requirement {
        Some(Requirement { name, bits, norms2, .. }) => format!(
            "no parameters with keys of {megabytes} MB look up {bits} bits at '{name}': the least noise is {:.1} times what \
             is allowed, with a squared 2-norm of weights of {:.0}\nhint: fewer bits, smaller weights, a larger error \
             probability or a larger --max-key-mb",
            nearest.ratio.sqrt(),
            norms2.iter().sum::<f64>()
        ),
        None => format!("no parameters of lookups with keys of {megabytes} MB\nhint: a larger --max-key-mb"),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::crypto::{Gadget, LookupLiteral, Unrolling};

    const MAX_KEY_BYTES: usize = 40_000_000;

    /// The one set for a layer of lookups.
    fn single(requirements: &[Requirement]) -> Result<LookupParameters> {
        fastest(requirements, &[1], MAX_KEY_BYTES).map(|chosen| *chosen.sets.first())
    }

    fn exact(bits: u32, norm2: f64, log2_p_error: f64) -> Requirement {
        let tolerance = Tolerance::Exact { log2_p_error };
        Requirement {
            name: format!("{bits} bits"),
            bits,
            layer: Some(0),
            tolerance,
            norms2: vec![0.0, norm2],
        }
    }

    #[test]
    fn sets_are_as_fast_as_those_found_by_hand() {
        // Bits, squared norm, error probability, and the set ((k, N), n, gadgets) that was found by hand.
        for (requirement, ring, n, bootstrap, key_switch) in [
            (exact(1, 1.0, -17.0), (5, 256), 624, (14, 1), (3, 3)),
            (exact(2, 1.0, -17.0), (3, 512), 692, (17, 1), (4, 3)),
            (exact(3, 1.0, -17.0), (3, 512), 744, (17, 1), (4, 3)),
            (exact(3, 256.0, -40.0), (2, 1024), 784, (23, 1), (4, 3)),
            (exact(4, 256.0, -17.0), (2, 1024), 820, (23, 1), (4, 3)),
            (exact(4, 256.0, -40.0), (2, 1024), 872, (23, 1), (3, 6)),
            (exact(5, 256.0, -17.0), (1, 2048), 812, (23, 1), (3, 5)),
        ] {
            let by_hand = LookupParameters::new(LookupLiteral {
                glwe_dimension: ring.0,
                polynomial_size: ring.1,
                lwe_dimension: n,
                unrolling: Unrolling::Single,
                bootstrap: Gadget::new(bootstrap.0, bootstrap.1).unwrap(),
                key_switch: Gadget::new(key_switch.0, key_switch.1).unwrap(),
            })
            .unwrap();
            let start = Instant::now();
            let found = single(std::slice::from_ref(&requirement)).unwrap();
            let milliseconds = start.elapsed().as_millis();
            eprintln!("{}: {found:?} in {milliseconds} ms", requirement.name);
            eprintln!("   {} against {}", found.seconds(), by_hand.seconds());
            assert!(found.seconds() < 1.02 * by_hand.seconds(), "{found:?} against {by_hand:?}");
            let variance = requirement.norms2[1] * noise::lookup_output(&found);
            let failure = noise::log2_exact_failure(&found, requirement.bits, variance);
            let Tolerance::Exact { log2_p_error } = requirement.tolerance else { unreachable!() };
            assert!(failure <= log2_p_error && failure > log2_p_error - 6.0, "2^{failure}");
        }
    }

    #[test]
    fn tolerance_saves_time() {
        let requirement = |tolerance| Requirement { tolerance, ..exact(4, 64.0, 0.0) };
        let seconds = |tolerance| single(&[requirement(tolerance)]).unwrap().seconds();
        let exact = seconds(Tolerance::Exact { log2_p_error: -40.0 });
        let approximate = seconds(Tolerance::Approximate { log2_p_error: -40.0 });
        let loose = seconds(Tolerance::Deviation { steps: 0.4 });
        assert!(approximate < 0.9 * exact && loose < approximate, "{exact} {approximate} {loose}");
    }

    #[test]
    fn every_requirement_is_met() {
        let [small, large] = [exact(2, 1.0, -17.0), exact(4, 64.0, -30.0)];
        let both = single(&[small, large.clone()]).unwrap();
        assert_eq!(both, single(&[large]).unwrap());
        assert!(single(&[]).is_ok());
    }

    #[test]
    fn the_worst_requirement_is_named() {
        let requirements = [exact(2, 1.0, -17.0), exact(9, 1.0, -40.0), exact(4, 64.0, -40.0)];
        let message = single(&requirements).unwrap_err().to_string();
        assert!(message.contains("look up 9 bits at '9 bits'"), "{message}");
        let message = fastest(&requirements[..1], &[1], 1000).unwrap_err().to_string();
        assert!(message.contains("no parameters"), "{message}");
    }

    #[test]
    fn layers_that_need_less_have_a_set_of_their_own() {
        let layer = |layer, bits| Requirement { layer: Some(layer), ..exact(bits, 16.0, -20.0) };
        let requirements = [layer(0, 1), layer(1, 4), layer(2, 4)];
        let lookups = [100, 20, 20];
        let chosen = fastest(&requirements, &lookups, MAX_KEY_BYTES).unwrap();
        assert_eq!([0, 1, 2].map(|layer| chosen.place(layer)), [0, 1, 1]);
        let whole = single(&[Requirement { layer: Some(0), ..layer(1, 4) }]).unwrap();
        assert!(chosen.of(0).seconds() < 0.85 * whole.seconds(), "{chosen:?} against {whole:?}");
        assert!(chosen.sets.key_bytes() <= MAX_KEY_BYTES);
        // Every requirement holds with the sets of its own layer and of the one before.
        for Requirement { layer, bits, norms2, .. } in &requirements {
            let layer = layer.unwrap();
            let results = noise::lookup_output(chosen.of(0));
            let failure = noise::log2_exact_failure(chosen.of(layer), *bits, norms2[1] * results);
            assert!(failure <= -20.0, "2^{failure} in layer {layer}");
        }
        // Keys that are too large for two sets leave one.
        let most = whole.key_bytes() + 1_000_000;
        let chosen = fastest(&requirements, &lookups, most).unwrap();
        assert!(chosen.sets.key_bytes() <= most);
    }
}
