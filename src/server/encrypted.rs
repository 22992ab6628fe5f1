//! The encrypted engine: packed rows times weights, exactly, modulo 2^64.
//!
//! The mask is multiplied by the weight polynomial of each group of outputs. Of the body only the
//! coefficients that hold results are computed, each a short dot product: the rest would be partial
//! sums of weights, and nobody needs them.

use anyhow::{Context, Result, bail};
use rayon::prelude::*;

use crate::circuit::{Circuit, InputBlock, Layout, OutputBlock};
use crate::crypto::{Polynomial, Products, SwitchedRing, expand_mask, switch_modulus};

/// A circuit made ready to run: its weights transformed once for every layout of rows it meets.
pub struct Evaluator<'a> {
    circuit: &'a Circuit,
    products: Products,
    full: Prepared,
}

/// The weight polynomials of one layout, one for each group of outputs and chunk of features.
struct Prepared {
    layout: Layout,
    weights: Vec<Vec<Polynomial>>,
}

impl<'a> Evaluator<'a> {
    /// Prepares the circuit for full blocks.
    ///
    /// # Errors
    /// If the ring has no exact product.
    pub fn new(circuit: &'a Circuit) -> Result<Self> {
        let encoding = circuit.encoding();
        let size = encoding.parameters().polynomial_size();
        let products = Products::new(size).with_context(|| format!("no exact product of size {size}"))?;
        let full = Prepared::new(circuit, &products, encoding.layout(encoding.rows_per_block()));
        Ok(Self { circuit, products, full })
    }

    /// The encrypted outputs for a block of encrypted rows.
    ///
    /// # Errors
    /// If the block does not fit the circuit's encoding.
    pub fn evaluate(&self, block: &InputBlock) -> Result<OutputBlock> {
        let encoding = self.circuit.encoding();
        let layout = encoding.layout(block.rows);
        if block.rows == 0 || block.rows > encoding.rows_per_block() {
            bail!("a block holds 1 to {} rows, not {}", encoding.rows_per_block(), block.rows);
        }
        let chunks = layout.chunks(encoding.features()).count();
        let whole = |ciphertext: &crate::crypto::SeededRing| ciphertext.body.len() == layout.body_len();
        if block.ciphertexts.len() != chunks || !block.ciphertexts.iter().all(whole) {
            bail!(
                "a block of {} rows has {chunks} ciphertexts of {} coefficients",
                block.rows,
                layout.body_len()
            );
        }
        let ciphertexts = match self.full.layout.same_weights(&layout) {
            true => self.ciphertexts(&layout, &self.full.weights, block),
            false => {
                self.ciphertexts(&layout, &Prepared::new(self.circuit, &self.products, layout).weights, block)
            }
        };
        Ok(OutputBlock { rows: block.rows, ciphertexts })
    }

    fn ciphertexts(
        &self,
        layout: &Layout,
        weights: &[Vec<Polynomial>],
        block: &InputBlock,
    ) -> Vec<SwitchedRing> {
        let bits = self.circuit.encoding().output_bits();
        let masks: Vec<Polynomial> = block
            .ciphertexts
            .par_iter()
            .map(|ciphertext| {
                self.products.transform(&expand_mask(self.circuit.encoding().parameters(), ciphertext.seed))
            })
            .collect();
        let groups: Vec<_> = layout.groups().zip(weights).collect();
        groups
            .into_par_iter()
            .map(|(outputs, weights)| {
                let mut mask = vec![0_u64; self.products.polynomial_size()];
                for (chunk, weights) in masks.iter().zip(weights) {
                    let product = self.products.multiply(chunk, weights);
                    mask.iter_mut().zip(product).for_each(|(sum, term)| *sum = sum.wrapping_add(term));
                }
                let bodies = self.bodies(layout, outputs, block);
                let switch =
                    |values: Vec<u64>| values.iter().map(|value| switch_modulus(*value, bits)).collect();
                SwitchedRing { mask: switch(mask), bodies: switch(bodies) }
            })
            .collect()
    }

    /// The body of a group's product, bias included, at the positions of its results.
    fn bodies(&self, layout: &Layout, outputs: std::ops::Range<usize>, block: &InputBlock) -> Vec<u64> {
        let encoding = self.circuit.encoding();
        let product = self.circuit.product();
        let shift = 64 - encoding.body_bits();
        let mut bodies = Vec::with_capacity(layout.rows() * outputs.len());
        for row in 0..layout.rows() {
            for (member, output) in outputs.clone().enumerate() {
                let position = layout.output_position(row, member);
                let mut sum = encoding.encode(product.bias[output]);
                for (other, weights) in outputs.clone().map(|output| &product.weights[output]).enumerate() {
                    for (chunk, ciphertext) in layout.chunks(encoding.features()).zip(&block.ciphertexts) {
                        // Chunk feature 0 meets the body at this coefficient; bodies start where results need them.
                        let start = position - layout.weight_position(other, 0);
                        let weights = &weights[chunk];
                        let terms = weights.iter().zip(&ciphertext.body[start..]);
                        let dot = terms.fold(0_u64, |dot, (weight, body)| {
                            dot.wrapping_add((*weight as u64).wrapping_mul(body << shift))
                        });
                        sum = sum.wrapping_add(dot);
                    }
                }
                bodies.push(sum);
            }
        }
        bodies
    }
}

impl Prepared {
    fn new(circuit: &Circuit, products: &Products, layout: Layout) -> Self {
        let polynomial = |outputs: &std::ops::Range<usize>, chunk: std::ops::Range<usize>| {
            let mut coefficients = vec![0_u64; products.polynomial_size()];
            for (member, output) in outputs.clone().enumerate() {
                let weights = &circuit.product().weights[output][chunk.clone()];
                for (feature, weight) in weights.iter().enumerate() {
                    coefficients[layout.weight_position(member, feature)] = *weight as u64;
                }
            }
            products.transform(&coefficients)
        };
        let features = circuit.encoding().features();
        let group = |outputs| layout.chunks(features).map(|chunk| polynomial(&outputs, chunk)).collect();
        let weights = layout.groups().map(group).collect();
        Self { layout, weights }
    }
}
