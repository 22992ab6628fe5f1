//! The parameters of lookups that take the least time, of all that keep the noise of a circuit within bounds.
//!
//! A circuit requires of each kind of lookup that its input, a weighted sum of fresh encryptions and of results of
//! other lookups, is read off well enough. Noise of results, of key switches and of rotations falls with other
//! costs each, so all sets of a grid are tried: rings, small keys, and the levels of both gadgets, with the base
//! that is best for as many levels.

use anyhow::Result;

use crate::crypto::{Gadget, LookupLiteral, LookupParameters, Unrolling, noise};

/// Evaluation keys are no larger than this.
pub const MAX_KEY_BYTES: usize = 40_000_000;

/// Ring keys: k polynomials of size N.
const RINGS: [(usize, usize); 9] =
    [(5, 256), (6, 256), (7, 256), (3, 512), (4, 512), (2, 1024), (3, 1024), (1, 2048), (1, 4096)];
/// Bits of the small key: the least, the most, and the step between.
const SMALL: (usize, usize, usize) = (552, 1000, 4);
/// Levels of the gadget of the bootstrapping key, at most.
const BOOTSTRAP_LEVELS: u32 = 3;
/// Levels of the gadget of the key-switching key, at most.
const KEY_SWITCH_LEVELS: u32 = 9;

/// What some lookups of a circuit have to read off.
#[derive(Clone, Debug, PartialEq)]
pub struct Requirement {
    /// Where they are, for people: a node's name.
    pub name: String,
    /// p: they tell 2^p steps apart, below a padding bit.
    pub bits: u32,
    /// How well.
    pub tolerance: Tolerance,
    /// The squared 2-norm of the weights that freshly encrypted inputs come with.
    pub fresh_norm2: f64,
    /// The squared 2-norm of the weights that results of other lookups come with.
    pub lookup_norm2: f64,
    /// Whether they are not looked up but decrypted: no noise of a key switch and of a rotation is added.
    pub decrypted: bool,
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

/// The set of the least predicted time, with keys of `max_key_bytes` at most, that meets all requirements.
///
/// # Errors
/// If there is none; the error names the requirement that is farthest from being met.
pub fn fastest(requirements: &[Requirement], max_key_bytes: usize) -> Result<LookupParameters> {
    let bounds: Vec<Bound> = requirements.iter().map(Bound::of).collect();
    let mut best = None;
    let mut nearest = Excess { ratio: f64::INFINITY, requirement: None };
    for ring in rings() {
        let results = noise::lookup_output(&ring);
        // Noise of results grows with the small key as its bits do.
        let results_per_bit = results / ring.lwe_dimension() as f64;
        for parameters in small_keys(ring).filter(|set| set.key_bytes() <= max_key_bytes) {
            let seconds = parameters.seconds();
            if best.is_some_and(|(least, _)| least <= seconds) {
                continue;
            }
            let parameters = with_best_base(parameters);
            let results = results_per_bit * parameters.lwe_dimension() as f64;
            let excess = Excess::of(&bounds, &parameters, results);
            if excess.ratio <= 1.0 {
                best = Some((seconds, parameters));
            } else if excess.ratio < nearest.ratio {
                nearest = excess;
            }
        }
    }
    match best {
        Some((_, parameters)) => Ok(parameters),
        None => Err(refusal(&nearest, requirements, max_key_bytes).into()),
    }
}

/// A requirement as the most noise that may meet the table.
struct Bound {
    variance: f64,
    fresh_norm2: f64,
    lookup_norm2: f64,
    decrypted: bool,
}

impl Bound {
    fn of(requirement: &Requirement) -> Self {
        let step = (-f64::from(requirement.bits + 1)).exp2();
        let std = match requirement.tolerance {
            Tolerance::Exact { log2_p_error } => step / 2.0 / sigmas(log2_p_error),
            Tolerance::Approximate { log2_p_error } => step * 1.5 / sigmas(log2_p_error),
            Tolerance::Deviation { steps } => step * steps,
            Tolerance::Within { distance, log2_p_error } => distance / sigmas(log2_p_error),
        };
        Self {
            variance: std * std,
            fresh_norm2: requirement.fresh_norm2,
            lookup_norm2: requirement.lookup_norm2,
            decrypted: requirement.decrypted,
        }
    }
}

/// By how much the requirement that is farthest from being met misses its bound.
struct Excess {
    /// The variance there is, over the variance that may be.
    ratio: f64,
    requirement: Option<usize>,
}

impl Excess {
    /// With these parameters, under which results of lookups have the variance `results`.
    fn of(bounds: &[Bound], parameters: &LookupParameters, results: f64) -> Self {
        let fresh = noise::lookup_fresh(parameters);
        let read = noise::lookup_input(parameters, 0.0);
        let ratio = |bound: &Bound| {
            let input = bound.fresh_norm2 * fresh + bound.lookup_norm2 * results;
            (if bound.decrypted { input } else { input + read }) / bound.variance
        };
        let ratios = bounds.iter().map(ratio).enumerate();
        let worst = ratios.max_by(|(_, a), (_, b)| a.total_cmp(b));
        Self {
            ratio: worst.map_or(0.0, |(_, ratio)| ratio),
            requirement: worst.map(|(requirement, _)| requirement),
        }
    }
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

/// Every ring with every number of levels of its gadget, in each way of rotating, and the base that leaves results the least noise; with
/// the largest small key, for now.
fn rings() -> impl Iterator<Item = LookupParameters> {
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

/// A ring with every small key and every number of levels of the key switch, with any base: time and size do not
/// depend on that.
fn small_keys(ring: LookupParameters) -> impl Iterator<Item = LookupParameters> {
    let (least, most, step) = SMALL;
    let sizes = (least..=most).step_by(step);
    let sets = sizes.flat_map(|n| (1..=KEY_SWITCH_LEVELS).map(move |levels| (n, levels)));
    sets.filter_map(move |(lwe_dimension, levels)| {
        let key_switch = Gadget::new(2, levels).ok()?;
        LookupParameters::new(LookupLiteral { lwe_dimension, key_switch, ..ring.into() }).ok()
    })
}

/// The same with the base of the key switch that adds the least noise.
fn with_best_base(parameters: LookupParameters) -> LookupParameters {
    let levels = parameters.key_switch().levels() as u32;
    // The small modulus has 32 bits.
    let sets = (2..=(31 / levels).min(8)).filter_map(|log2_base| {
        let key_switch = Gadget::new(log2_base, levels).ok()?;
        LookupParameters::new(LookupLiteral { key_switch, ..parameters.into() }).ok()
    });
    let noise = noise::key_switch;
    sets.min_by(|a, b| noise(a).total_cmp(&noise(b))).unwrap_or(parameters)
}

fn refusal(nearest: &Excess, requirements: &[Requirement], max_key_bytes: usize) -> NoParameters {
    let megabytes = max_key_bytes / 1_000_000;
    NoParameters(match nearest.requirement.and_then(|worst| requirements.get(worst)) {
        Some(Requirement { name, bits, .. }) => format!(
            "no parameters with keys of {megabytes} MB look up {bits} bits at '{name}': the least noise is {:.1} times what is allowed\nhint: fewer bits, smaller weights or a larger error probability",
            nearest.ratio.sqrt()
        ),
        None => format!("no parameters of lookups with keys of {megabytes} MB"),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn exact(bits: u32, norm2: f64, log2_p_error: f64) -> Requirement {
        let tolerance = Tolerance::Exact { log2_p_error };
        Requirement {
            name: format!("{bits} bits"),
            bits,
            tolerance,
            fresh_norm2: 0.0,
            lookup_norm2: norm2,
            decrypted: false,
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
            let found = fastest(std::slice::from_ref(&requirement), MAX_KEY_BYTES).unwrap();
            let milliseconds = start.elapsed().as_millis();
            eprintln!("{}: {found:?} in {milliseconds} ms", requirement.name);
            eprintln!("   {} against {}", found.seconds(), by_hand.seconds());
            assert!(found.seconds() < 1.02 * by_hand.seconds(), "{found:?} against {by_hand:?}");
            let variance = requirement.lookup_norm2 * noise::lookup_output(&found);
            let failure = noise::log2_exact_failure(&found, requirement.bits, variance);
            let Tolerance::Exact { log2_p_error } = requirement.tolerance else { unreachable!() };
            assert!(failure <= log2_p_error && failure > log2_p_error - 6.0, "2^{failure}");
        }
    }

    #[test]
    fn tolerance_saves_time() {
        let requirement = |tolerance| Requirement { tolerance, ..exact(4, 64.0, 0.0) };
        let seconds = |tolerance| fastest(&[requirement(tolerance)], MAX_KEY_BYTES).unwrap().seconds();
        let exact = seconds(Tolerance::Exact { log2_p_error: -40.0 });
        let approximate = seconds(Tolerance::Approximate { log2_p_error: -40.0 });
        let loose = seconds(Tolerance::Deviation { steps: 0.4 });
        assert!(approximate < 0.9 * exact && loose < approximate, "{exact} {approximate} {loose}");
    }

    #[test]
    fn every_requirement_is_met() {
        let [small, large] = [exact(2, 1.0, -17.0), exact(4, 64.0, -30.0)];
        let both = fastest(&[small, large.clone()], MAX_KEY_BYTES).unwrap();
        assert_eq!(both, fastest(&[large], MAX_KEY_BYTES).unwrap());
        assert!(fastest(&[], MAX_KEY_BYTES).is_ok());
    }

    #[test]
    fn the_worst_requirement_is_named() {
        let requirements = [exact(2, 1.0, -17.0), exact(9, 1.0, -40.0), exact(4, 64.0, -40.0)];
        let message = fastest(&requirements, MAX_KEY_BYTES).unwrap_err().to_string();
        assert!(message.contains("look up 9 bits at '9 bits'"), "{message}");
        let message = fastest(&requirements[..1], 1000).unwrap_err().to_string();
        assert!(message.contains("no parameters"), "{message}");
    }
}
