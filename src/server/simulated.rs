//! The simulated engine: plain integers with the noise that encryption would bring.

use std::f64::consts::TAU;

use crate::circuit::{Circuit, Messages};

/// Runs a circuit in the clear and adds noise of the predicted variance to every result before it
/// is decoded.
pub struct Simulator<'a> {
    circuit: &'a Circuit,
    messages: Messages,
    /// Of the noise of each output, in units of 2^-64.
    outputs: Vec<f64>,
    /// Of the noise of what each lookup reads, in the order of lookups.
    lookups: Vec<f64>,
    /// Whether each lookup should read the first half of the torus.
    halves: Vec<bool>,
    beyond: usize,
    noise: Noise,
}

/// A repeatable source of normal numbers.
pub(crate) struct Noise {
    state: u64,
}

impl<'a> Simulator<'a> {
    /// A simulator whose noise follows from `seed` alone.
    pub fn new(circuit: &'a Circuit, seed: u64) -> Self {
        let outputs = circuit.noise_variances().into_iter().map(units).collect();
        let lookups = match circuit {
            Circuit::Product(_) | Circuit::Diagrams(_) => Vec::new(),
            Circuit::Lookups(circuit) => circuit.lookup_variances().map(units).collect(),
        };
        let halves = match circuit {
            Circuit::Product(_) | Circuit::Diagrams(_) => Vec::new(),
            Circuit::Lookups(circuit) => {
                let layers = circuit.layers().parts().layers.iter();
                layers.flat_map(|layer| vec![layer.half; layer.lookups.len()]).collect()
            }
        };
        let messages = circuit.encoding().messages();
        Self { circuit, messages, outputs, lookups, halves, beyond: 0, noise: Noise::new(seed) }
    }

    /// How often so far a lookup read what had left its range; `None` if no lookup has one.
    pub fn beyond(&self) -> Option<usize> {
        self.halves.contains(&true).then_some(self.beyond)
    }

    /// The circuit's outputs for one row of integers, as decryption would give them.
    pub fn evaluate(&mut self, row: &[i64]) -> Vec<i64> {
        let Self { circuit, messages, outputs, lookups, halves, beyond, noise } = self;
        if let Circuit::Lookups(circuit) = circuit {
            let mut deviations = lookups.iter().chain(outputs.iter());
            let mut halves = halves.iter();
            return circuit.disturbed(row, |_, value| {
                // There is a deviation for every lookup and output.
                let value = noise.added(value, deviations.next().copied().unwrap_or(0.0));
                *beyond += usize::from(halves.next().is_some_and(|half| *half) && value >> 63 == 1);
                value
            });
        }
        let exact = super::evaluate(circuit, row).into_iter().zip(outputs.iter());
        exact
            .map(|(integer, deviation)| messages.decode(noise.added(messages.encode(integer), *deviation)))
            .collect()
    }
}

/// The standard deviation of a variance, in units of 2^-64.
fn units(variance: f64) -> f64 {
    variance.sqrt() * 2.0_f64.powi(64)
}

impl Noise {
    /// The source whose numbers follow from `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// A torus value with noise of this deviation, in units of 2^-64.
    pub(crate) fn added(&mut self, value: u64, deviation: f64) -> u64 {
        value.wrapping_add((self.normal() * deviation).round() as i64 as u64)
    }

    /// A standard normal number, by the method of Box and Muller.
    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * self.uniform().ln()).sqrt();
        radius * (TAU * self.uniform()).cos()
    }

    /// A number in (0, 1], by the generator SplitMix64 of Steele, Lea and Flood.
    fn uniform(&mut self) -> f64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        ((mixed >> 11) + 1) as f64 / 2.0_f64.powi(53)
    }
}
