//! How real numbers become torus values and weights integers.
//!
//! What a group of lookups reads lies in a range that calibration gives, with a margin; the range covers half of
//! the torus, below the padding bit. A wire's value v is the torus value v · τ. The weight of a wire in a sum is
//! then w / (4 A τ), where A is half the range: τ is chosen so that all weights that meet the wire become integers
//! up to the largest allowed, so that no scale is ever changed on the way.

use super::ranges::Reads;
use super::wires::{Group, Span, Wires};
use super::{Precision, Range};
use crate::circuit::Sum;
use crate::compile::calibration::Calibration;
use crate::compile::lower::{Form, LookupForm};

/// The part of a range that no sum leaves which is added on either side, for noise.
const NOISE_MARGIN: f64 = 0.05;
/// The values of a function that its own range is taken from.
const SAMPLES: u32 = 256;
/// Units of weights within an octave.
const STEPS: f64 = 4.0;
/// A weight is a multiple of a unit if it is no more of the unit away from one.
const EXACT: f64 = 1e-3;

/// The scales of a circuit.
pub struct Scales {
    /// τ of each wire.
    pub wires: Vec<f64>,
    /// The range of each group of lookups.
    pub groups: Vec<Reach>,
    /// The range of each output.
    pub outputs: Vec<Reach>,
}

/// A range, as its middle and half of its width.
#[derive(Clone, Copy, Debug)]
pub struct Reach {
    pub middle: f64,
    pub half: f64,
}

impl Scales {
    /// Scales for integer weights of this precision.
    pub fn new(wires: &Wires, calibration: &Calibration, precision: &Precision) -> Self {
        let groups = reaches(wires, calibration, precision);
        let outputs = wires.output_ranges(calibration).into_iter();
        let outputs: Vec<Reach> = outputs.map(|range| Reach::of(range.widened(precision.margin))).collect();
        // Every weight / 4 A that a wire meets.
        let mut ratios = vec![Vec::new(); wires.inputs + wires.lookups.len()];
        let mut take = |form: &Form, reach: &Reach| {
            for (wire, weight) in &form.weights {
                // Forms read wires that exist.
                ratios[*wire as usize].push(weight.abs() / (4.0 * reach.half));
            }
        };
        for (group, reach) in wires.groups.iter().zip(&groups) {
            // Groups are ranges of lookups.
            wires.lookups[group.lookups.clone()].iter().for_each(|lookup| take(&lookup.form, reach));
        }
        wires.outputs.iter().zip(&outputs).for_each(|(form, reach)| take(form, reach));
        let (inputs, lookups) = ratios.split_at(wires.inputs);
        let mut scales = units(inputs, precision.largest_weight());
        for (variable, scale) in scales.iter_mut().enumerate() {
            // What nothing reads has any scale.
            let reach = calibration.range_of(&[variable as u32]).high.abs();
            *scale = if *scale > 0.0 { *scale } else { 0.25 / reach.max(f64::MIN_POSITIVE) };
        }
        for group in &wires.groups {
            let largest = precision.of(&group.name).largest_weight();
            // Groups are ranges of lookups.
            scales.extend(units(&lookups[group.lookups.clone()], largest));
        }
        Self { wires: scales, groups, outputs }
    }

    /// A form as a sum of integers whose value is `offset` in the middle of the range, a quarter of the torus from
    /// there at its ends.
    pub fn sum(&self, form: &Form, reach: &Reach, offset: f64) -> Sum {
        let weight = |(wire, weight): &(u32, f64)| {
            // Forms read wires that exist.
            let integer = (weight / (4.0 * reach.half * self.wires[*wire as usize])).round();
            (*wire, integer as i32)
        };
        let weights = form.weights.iter().map(weight).filter(|(_, weight)| *weight != 0).collect();
        let constant = (form.constant - reach.middle) / (4.0 * reach.half) + offset;
        Sum { weights, constant: torus(constant) }
    }
}

impl Reach {
    /// That of all these numbers.
    pub fn of(Span { low, high }: Span) -> Self {
        let (middle, half) = (low / 2.0 + high / 2.0, high / 2.0 - low / 2.0);
        // A value that never changes may have any range.
        let half = if half > 0.0 && half.is_finite() { half } else { middle.abs().max(1.0) };
        Self { middle: if middle.is_finite() { middle } else { 0.0 }, half }
    }
}

/// The range of each group of lookups: that of calibration with its margin, or the one that no sum leaves where that
/// is narrower.
fn reaches(wires: &Wires, calibration: &Calibration, precision: &Precision) -> Vec<Reach> {
    let inputs = 0..wires.inputs as u32;
    let mut spans: Vec<Span> = inputs
        .map(|variable| calibration.range_of(&[variable]))
        .map(|range| Span { low: range.low, high: range.high })
        .collect();
    let by_error = |group: &&Group| precision.of(&group.name).range == Range::Error;
    let reads = wires.groups.iter().find(by_error).map(|_| Reads::new(wires, calibration));
    let mut reaches = Vec::with_capacity(wires.groups.len());
    for group in &wires.groups {
        // Groups are ranges of lookups.
        let own = &wires.lookups[group.lookups.clone()];
        let sound = own.iter().map(|lookup| bounds(&lookup.form, &spans)).fold(Span::EMPTY, Span::join);
        let own_precision = precision.of(&group.name);
        let chosen = match (own_precision.range, &reads) {
            (Range::Error, Some(reads)) => {
                let deviation = own_precision.noise / f64::from(own_precision.bits).exp2();
                reads.best(wires, group, own_precision.margin, deviation)
            }
            (Range::Error | Range::Calibrated, _) => group.span.widened(own_precision.margin),
        };
        let reach = Reach::of(chosen.meet(sound.widened(NOISE_MARGIN)));
        spans.extend(own.iter().map(|lookup| values(lookup, reach)));
        reaches.push(reach);
    }
    reaches
}

/// The values of a form whose wires stay within their own.
fn bounds(form: &Form, wires: &[Span]) -> Span {
    let start = Span { low: form.constant, high: form.constant };
    form.weights.iter().fold(start, |sum, (wire, weight)| {
        // Forms read wires that come before.
        let Span { low, high } = wires[*wire as usize];
        let (a, b) = (weight * low, weight * high);
        Span { low: sum.low + a.min(b), high: sum.high + a.max(b) }
    })
}

/// The values of a function on its range.
fn values(lookup: &LookupForm, reach: Reach) -> Span {
    let places = (0..=SAMPLES).map(|place| 2.0 * f64::from(place) / f64::from(SAMPLES) - 1.0);
    places.map(|place| lookup.function.at(reach.middle + reach.half * place)).fold(Span::EMPTY, Span::with)
}

/// For each wire of a group the unit that its weights are multiples of, at most `largest` times; 0 if it has none.
///
/// Weights that have been quantized before share a unit and stay as they are. Others are rounded to multiples of a
/// unit that suits the largest weight of their wire.
fn units(wires: &[Vec<f64>], largest: f64) -> Vec<f64> {
    let weights = || wires.iter().flatten().copied();
    let most = weights().fold(0.0, f64::max);
    let is_unit =
        |unit: &f64| weights().all(|weight| (weight / unit - (weight / unit).round()).abs() < EXACT);
    let common = (1..=largest as u32).map(|times| most / f64::from(times)).find(is_unit);
    let own = |weights: &Vec<f64>| {
        let most = weights.iter().copied().fold(0.0, f64::max);
        if most > 0.0 { common.unwrap_or(shared(most / largest)) } else { 0.0 }
    };
    wires.iter().map(own).collect()
}

/// The next larger of the units that wires share, so that they share tables too: powers of 2^(1/STEPS).
fn shared(unit: f64) -> f64 {
    ((unit.log2() * STEPS).ceil() / STEPS).exp2()
}

/// A real number modulo 1 as a torus value.
pub fn torus(x: f64) -> u64 {
    // The fraction times 2^64 may round up to 2^64 itself: that is 0.
    ((x - x.floor()) * 2.0_f64.powi(64)) as u128 as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn real_numbers_wrap_around_the_torus() {
        assert_eq!(torus(0.25), 1 << 62);
        assert_eq!(torus(-0.25), 3 << 62);
        assert_eq!(torus(2.5), 1 << 63);
        assert_eq!(torus(-1e-30), 0);
    }

    #[test]
    fn sums_lie_where_tables_expect_them() {
        let reach = Reach { middle: 1.0, half: 2.0 };
        let scales = Scales { wires: vec![1.0 / 64.0, 1.0 / 128.0], groups: Vec::new(), outputs: Vec::new() };
        let form = Form { constant: 1.0, weights: vec![(0, 1.0), (1, -0.5)] };
        let sum = scales.sum(&form, &reach, 0.25);
        assert_eq!(sum.weights, [(0, 8), (1, -8)]);
        // In the middle of the range a sum lies in the middle of half the torus.
        assert_eq!(sum.constant, 1 << 62);
        let wires = [torus(1.0 / 64.0), torus(-1.0 / 128.0)];
        // 1 + 0.5 more than the middle: 1.5 of 4 · 2.
        assert_eq!(sum.value(&wires), torus(0.25 + 1.5 / 8.0));
    }

    #[test]
    fn quantized_weights_keep_their_unit() {
        let quantized = [vec![0.3, 0.6], vec![], vec![2.1, 0.0]];
        let unit = 2.1 / 7.0;
        assert_eq!(units(&quantized, 31.0), [unit, 0.0, unit]);
        let others = units(&[vec![0.31, 0.6], vec![std::f64::consts::PI]], 15.0);
        for (unit, most) in others.iter().zip([0.6, std::f64::consts::PI]) {
            assert!(most / unit <= 15.0 && most / unit > 12.0, "{unit}");
            assert_eq!((unit.log2() * STEPS).fract(), 0.0);
        }
    }

    #[test]
    fn constant_values_have_a_range() {
        let reach = Reach::of(Span { low: 3.0, high: 3.0 });
        assert_eq!((reach.middle, reach.half), (3.0, 3.0));
    }
}
