//! The simulated engine: plain integers with the noise that encryption would bring.

use std::f64::consts::TAU;

use crate::circuit::{Circuit, Messages};

/// Runs a circuit in the clear and adds noise of the predicted variance to every result before it
/// is decoded.
pub struct Simulator<'a> {
    circuit: &'a Circuit,
    messages: Messages,
    deviations: Vec<f64>,
    state: u64,
}

impl<'a> Simulator<'a> {
    /// A simulator whose noise follows from `seed` alone.
    pub fn new(circuit: &'a Circuit, seed: u64) -> Self {
        let deviations = circuit.noise_variances().into_iter().map(f64::sqrt).collect();
        Self { circuit, messages: circuit.encoding().messages(), deviations, state: seed }
    }

    /// The circuit's outputs for one row of integers, as decryption would give them.
    pub fn evaluate(&mut self, row: &[i64]) -> Vec<i64> {
        let exact = super::evaluate(self.circuit, row);
        let messages = self.messages;
        let mut noisy = Vec::with_capacity(exact.len());
        for (place, integer) in exact.into_iter().enumerate() {
            let noise = (self.normal() * self.deviations[place] * 2.0_f64.powi(64)).round();
            noisy.push(messages.decode(messages.encode(integer).wrapping_add(noise as i64 as u64)));
        }
        noisy
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
