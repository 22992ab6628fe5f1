//! The fastest sets for parts of a circuit: ranges of layers, each with a set of its own.

use std::ops::Range;

use super::grid::{Candidate, Ring, rings};
use super::{Requirement, bound};
use crate::crypto::{LookupParameters, noise};

/// What a circuit asks of parameters.
pub struct Search<'a> {
    bounds: Vec<Bound<'a>>,
    /// The lookups of each layer.
    lookups: &'a [usize],
    max_key_bytes: usize,
}

/// A requirement as the most noise that may meet the table.
struct Bound<'a> {
    requirement: &'a Requirement,
    variance: f64,
}

/// A set for each part, and the predicted seconds of all lookups.
pub struct Found {
    /// The seconds.
    pub seconds: f64,
    /// The sets.
    pub sets: Vec<LookupParameters>,
}

/// By how much the requirement that is farthest from being met misses its bound.
pub struct Excess<'a> {
    /// The variance there is, over the variance that may be.
    pub ratio: f64,
    /// The requirement.
    pub requirement: Option<&'a Requirement>,
}

/// A part that a set is looked for.
struct Part<'a> {
    layers: &'a Range<usize>,
    /// Whether all others have one.
    is_last: bool,
}

/// What a set may take at most.
#[derive(Clone, Copy)]
struct Limits {
    /// The seconds of a lookup: it must be faster.
    seconds: f64,
    key_bytes: usize,
}

/// A set that a part has, and the noise of its results.
struct Taken<'a> {
    layers: &'a Range<usize>,
    results: f64,
    set: LookupParameters,
}

impl<'a> Search<'a> {
    /// A search for sets that meet all requirements.
    pub fn new(requirements: &'a [Requirement], lookups: &'a [usize], max_key_bytes: usize) -> Self {
        let bounds =
            requirements.iter().map(|requirement| Bound { requirement, variance: bound(requirement) });
        Self { bounds: bounds.collect(), lookups, max_key_bytes }
    }

    /// The sets of the least predicted time for these parts, if that is less than `seconds`.
    pub fn fastest(&self, parts: &[Range<usize>], seconds: f64) -> Option<Found> {
        let mut best = Found { seconds, sets: Vec::new() };
        self.extend(parts, &mut Vec::new(), (0.0, 0), &mut best);
        (!best.sets.is_empty()).then_some(best)
    }

    /// Takes a set for the next part, with seconds and bytes of keys spent on those before.
    fn extend<'b>(
        &self,
        parts: &'b [Range<usize>],
        taken: &mut Vec<Taken<'b>>,
        (seconds, bytes): (f64, usize),
        best: &mut Found,
    ) {
        let Some(layers) = parts.get(taken.len()) else {
            *best = Found { seconds, sets: taken.iter().map(|part| part.set).collect() };
            return;
        };
        let part = Part { layers, is_last: taken.len() + 1 == parts.len() };
        let big = taken.first().map(|part| part.set.big_dimension());
        let count = self.lookups(layers);
        for ring in rings().iter().filter(|ring| big.is_none_or(|big| ring.big_dimension == big)) {
            let limits = Limits {
                seconds: (best.seconds - seconds) / count,
                key_bytes: self.max_key_bytes.saturating_sub(bytes),
            };
            if let Some((results, candidate)) = self.cheapest(ring, &part, taken, limits) {
                taken.push(Taken { layers, results, set: candidate.set });
                let spent = (seconds + count * candidate.seconds, bytes + candidate.key_bytes);
                self.extend(parts, taken, spent, best);
                taken.pop();
            }
        }
    }

    /// The fastest set of a ring that meets the requirements of a part within limits, and the noise of its results.
    fn cheapest<'r>(
        &self,
        ring: &'r Ring,
        part: &Part<'_>,
        taken: &[Taken<'_>],
        mut limits: Limits,
    ) -> Option<(f64, &'r Candidate)> {
        let mut cheapest = None;
        for key in &ring.keys {
            // Sets of a key take the longer the more levels they have; what they read may be as noisy with all.
            let Some(first) = key.sets.first().filter(|first| first.seconds < limits.seconds) else {
                continue;
            };
            let allowed = self.allowed(taken, part, key.results, &first.set);
            for candidate in key.sets.iter().filter(|candidate| candidate.read <= allowed) {
                if candidate.seconds < limits.seconds && candidate.key_bytes <= limits.key_bytes {
                    limits.seconds = candidate.seconds;
                    cheapest = Some((key.results, candidate));
                }
            }
        }
        cheapest
    }

    /// The lookups of layers; a part without any counts as one, so that its set is no slower than it need be.
    fn lookups(&self, layers: &Range<usize>) -> f64 {
        self.lookups.get(layers.clone()).unwrap_or_default().iter().sum::<usize>().max(1) as f64
    }

    /// The noise that reading may add in a part, if its results have the variance `results`: none if an output is too
    /// noisy already.
    fn allowed(&self, taken: &[Taken<'_>], part: &Part<'_>, results: f64, set: &LookupParameters) -> f64 {
        let fresh = noise::lookup_fresh(set);
        let of_layer = |layer: usize| {
            taken.iter().find(|part| part.layers.contains(&layer)).map_or(results, |part| part.results)
        };
        let left = |bound: &Bound<'_>| bound.variance - bound.requirement.input(fresh, of_layer);
        let left = self.bounds.iter().filter_map(|bound| match bound.requirement.layer {
            Some(layer) => part.layers.contains(&layer).then(|| left(bound)),
            // What is decrypted is not read, but it may not be too noisy.
            None if part.is_last && left(bound) < 0.0 => Some(f64::NEG_INFINITY),
            None => None,
        });
        left.fold(f64::INFINITY, f64::min)
    }

    /// How near a single set comes to meeting all requirements.
    pub fn nearest(&self) -> Excess<'a> {
        let keys = rings().iter().flat_map(|ring| &ring.keys);
        let all = keys.flat_map(|key| key.sets.iter().map(|candidate| (key.results, candidate)));
        let small = all.filter(|(_, candidate)| candidate.key_bytes <= self.max_key_bytes);
        let excesses = small.map(|(results, candidate)| self.excess(results, candidate));
        excesses
            .min_by(|a, b| a.ratio.total_cmp(&b.ratio))
            .unwrap_or(Excess { ratio: f64::INFINITY, requirement: None })
    }

    fn excess(&self, results: f64, candidate: &Candidate) -> Excess<'a> {
        let fresh = noise::lookup_fresh(&candidate.set);
        let excess = |Bound { requirement, variance }: &Bound<'a>| {
            let input = requirement.input(fresh, |_| results);
            let read = if requirement.layer.is_some() { candidate.read } else { 0.0 };
            Excess { ratio: (input + read) / variance, requirement: Some(*requirement) }
        };
        let worst = self.bounds.iter().map(excess).max_by(|a, b| a.ratio.total_cmp(&b.ratio));
        worst.unwrap_or(Excess { ratio: 0.0, requirement: None })
    }
}

impl Requirement {
    /// The noise variance of what is read or decrypted, for that of fresh encryptions and of results of each layer.
    fn input(&self, fresh: f64, results: impl Fn(usize) -> f64) -> f64 {
        let layers = self.norms2.iter().enumerate().skip(1);
        let looked_up: f64 =
            layers.filter(|(_, norm2)| **norm2 > 0.0).map(|(place, norm2)| norm2 * results(place - 1)).sum();
        self.norms2.first().unwrap_or(&0.0) * fresh + looked_up
    }
}
