//! How real numbers become torus values and weights integers.
//!
//! What a group of lookups reads lies in a range that calibration gives, with a margin; the range covers half of
//! the torus, below the padding bit. A wire's value v is the torus value v · τ. The weight of a wire in a sum is
//! then w / (4 A τ), where A is half the range: τ is chosen so that the largest weight of a wire's group is the
//! largest integer allowed, so that no scale is ever changed on the way.

use super::wires::Wires;
use crate::circuit::Sum;
use crate::compile::calibration::Calibration;
use crate::compile::lower::Form;

/// The part of a range that is added on either side.
const MARGIN: f64 = 0.3;

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
    /// Scales for integer weights up to `largest`.
    pub fn new(wires: &Wires, calibration: &Calibration, largest: f64) -> Self {
        let groups: Vec<Reach> = wires.groups.iter().map(|group| Reach::of(group.low, group.high)).collect();
        let outputs: Vec<Reach> =
            wires.output_ranges(calibration).into_iter().map(|(low, high)| Reach::of(low, high)).collect();
        // The largest weight / 4 A of each wire.
        let mut ratios = vec![0.0_f64; wires.inputs + wires.lookups.len()];
        let mut take = |form: &Form, reach: &Reach| {
            for (wire, weight) in &form.weights {
                // Forms read wires that exist.
                let ratio = &mut ratios[*wire as usize];
                *ratio = ratio.max(weight.abs() / (4.0 * reach.half));
            }
        };
        for (group, reach) in wires.groups.iter().zip(&groups) {
            // Groups are ranges of lookups.
            wires.lookups[group.lookups.clone()].iter().for_each(|lookup| take(&lookup.form, reach));
        }
        wires.outputs.iter().zip(&outputs).for_each(|(form, reach)| take(form, reach));
        let (inputs, lookups) = ratios.split_at_mut(wires.inputs);
        for (variable, ratio) in inputs.iter_mut().enumerate() {
            // What nothing reads has any scale.
            let reach = calibration.range_of(&[variable as u32]).high.abs();
            *ratio = if *ratio > 0.0 { *ratio } else { 0.25 / reach.max(f64::MIN_POSITIVE) };
        }
        for group in &wires.groups {
            // One table serves a group: one scale.
            let own = &mut lookups[group.lookups.clone()];
            let most = own.iter().copied().fold(0.0, f64::max);
            own.iter_mut().for_each(|ratio| *ratio = if most > 0.0 { most } else { 1.0 });
        }
        Self { wires: ratios.into_iter().map(|ratio| ratio / largest).collect(), groups, outputs }
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
    fn of(low: f64, high: f64) -> Self {
        let (middle, half) = (low / 2.0 + high / 2.0, (high / 2.0 - low / 2.0) * (1.0 + 2.0 * MARGIN));
        // A value that never changes may have any range.
        let half = if half > 0.0 && half.is_finite() { half } else { middle.abs().max(1.0) };
        Self { middle: if middle.is_finite() { middle } else { 0.0 }, half }
    }
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
    fn constant_values_have_a_range() {
        let reach = Reach::of(3.0, 3.0);
        assert_eq!((reach.middle, reach.half), (3.0, 3.0));
    }
}
