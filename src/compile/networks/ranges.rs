//! The range of a group of lookups that makes the least error: a narrow one has small steps, and little noise in the
//! units of what is looked up; but what leaves it wraps around, and comes back with the other sign.

use super::scales::Reach;
use super::wires::{Group, Span, Wires};
use crate::compile::calibration::Calibration;

/// No more calibration rows than this are looked at.
const MAX_ROWS: usize = 200;
/// Half widths that are tried, in the calibrated one; the calibrated range with its margin is tried too.
const FACTORS: [f64; 7] = [0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1];
/// Normal noise of deviation 1 in nine places, as multiples of this one, each with its probability.
const PLACE: f64 = 0.75;
const PLACES: i32 = 4;

/// What lookups read on calibration rows.
pub struct Reads(Vec<Vec<f64>>);

impl Reads {
    /// What the lookups of these wires read.
    pub fn new(wires: &Wires, calibration: &Calibration) -> Self {
        Self(calibration.rows().iter().take(MAX_ROWS).map(|row| wires.values(row).1).collect())
    }

    /// The part of a group's calibrated range, or that range with `margin` on either side, of the least mean squared
    /// error, if noise has this deviation in widths of a range.
    pub fn best(&self, wires: &Wires, group: &Group, margin: f64, deviation: f64) -> Span {
        let whole = group.span.widened(margin);
        let parts = FACTORS.iter().map(|factor| (factor - 1.0) / 2.0).filter(|part| *part < margin);
        let spans = parts.map(|part| group.span.widened(part)).chain([whole]);
        let errors = spans.map(|span| (self.error(wires, group, Reach::of(span), deviation), span));
        errors.reduce(|best, next| if next.0 < best.0 { next } else { best }).map_or(whole, |(_, span)| span)
    }

    /// The sum of squared errors of what a group looks up.
    fn error(&self, wires: &Wires, group: &Group, reach: Reach, deviation: f64) -> f64 {
        let noise: Vec<(f64, f64)> = (-PLACES..=PLACES)
            .map(|place| f64::from(place) * PLACE)
            .map(|place| (2.0 * reach.half * deviation * place, (-place * place / 2.0).exp()))
            .collect();
        let total: f64 = noise.iter().map(|(_, weight)| weight).sum();
        let mut error = 0.0;
        for read in &self.0 {
            // Groups are ranges of lookups, and rows have what each of them reads.
            for (lookup, x) in wires.lookups[group.lookups.clone()].iter().zip(&read[group.lookups.clone()]) {
                let wanted = lookup.function.at(*x);
                for (noise, weight) in &noise {
                    let (x, sign) = wrapped(x + noise, reach);
                    error += weight / total * (sign * lookup.function.at(x) - wanted).powi(2);
                }
            }
        }
        error
    }
}

/// Where a number is looked up, and the sign of what is found there.
fn wrapped(x: f64, reach: Reach) -> (f64, f64) {
    let turns = ((x - reach.middle) / (2.0 * reach.half)).round();
    let sign = if turns.rem_euclid(2.0) == 0.0 { 1.0 } else { -1.0 };
    (x - 2.0 * reach.half * turns, sign)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::lower::{Form, LookupForm};

    #[test]
    fn noise_narrows_a_range_and_what_lies_outside_widens_it() {
        let form = Form { constant: 0.0, weights: vec![(0, 1.0)] };
        let lookup = LookupForm { node: "same".to_owned(), form, function: Default::default() };
        let span = Span { low: -6.0, high: 6.0 };
        let group = Group { name: "same".to_owned(), depth: 0, lookups: 0..1, span };
        let groups = vec![group.clone()];
        let wires = Wires { inputs: 1, lookups: vec![lookup], groups, outputs: Vec::new() };
        // From -3 to 3, but for one.
        let near = (-30..=30).map(|place| vec![f64::from(place) / 10.0]);
        let reads = Reads(near.chain([vec![6.0]]).collect());
        let best = |deviation| reads.best(&wires, &group, 0.2, deviation).high;
        assert!((best(1e-3) - 6.0).abs() < 1e-9, "{}", best(1e-3));
        assert!(best(0.2) < 6.0, "{}", best(0.2));
    }

    #[test]
    fn what_leaves_a_range_comes_back_with_the_other_sign() {
        let reach = Reach { middle: 1.0, half: 2.0 };
        assert_eq!(wrapped(2.5, reach), (2.5, 1.0));
        assert_eq!(wrapped(3.5, reach), (-0.5, -1.0));
        assert_eq!(wrapped(-1.5, reach), (2.5, -1.0));
        assert_eq!(wrapped(8.0, reach), (0.0, 1.0));
    }
}
