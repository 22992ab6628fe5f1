//! Packed rows times weights, exactly, modulo 2^64.
//!
//! The mask is multiplied by the weight polynomial of each group of outputs. Of the body only the
//! coefficients that hold results are computed, each a short dot product: the rest would be partial
//! sums of weights, and nobody needs them.

use std::ops::Range;

use anyhow::{Context, Result};
use rayon::prelude::*;

use crate::circuit::{InputBlock, Layout, OutputBlock, ProductCircuit};
use crate::crypto::{Polynomial, Products, SwitchedRing, expand_mask, switch_modulus};

/// A circuit made ready to run: its weights transformed once for every layout of rows it meets.
pub struct ProductEvaluator<'a> {
    circuit: &'a ProductCircuit,
    products: Products,
    full: Prepared,
}

/// The weight polynomials of one layout, one for each group of outputs and chunk of features.
struct Prepared {
    layout: Layout,
    weights: Vec<Vec<Polynomial>>,
}

impl<'a> ProductEvaluator<'a> {
    /// Prepares the circuit for full blocks.
    ///
    /// # Errors
    /// If the ring has no exact product.
    pub fn new(circuit: &'a ProductCircuit) -> Result<Self> {
        let encoding = circuit.encoding();
        let size = encoding.parameters().polynomial_size();
        let products = Products::new(size).with_context(|| format!("no exact product of size {size}"))?;
        let full = Prepared::new(circuit, &products, encoding.layout(encoding.rows_per_block()));
        Ok(Self { circuit, products, full })
    }

    /// The encrypted outputs for a block of encrypted rows that fits the encoding.
    pub fn evaluate(&self, block: &InputBlock) -> OutputBlock {
        let layout = self.circuit.encoding().layout(block.rows);
        let ciphertexts = match self.full.layout.same_weights(&layout) {
            true => self.ciphertexts(&layout, &self.full.weights, block),
            false => {
                self.ciphertexts(&layout, &Prepared::new(self.circuit, &self.products, layout).weights, block)
            }
        };
        OutputBlock { rows: block.rows, ciphertexts }
    }

    /// The bytes of the weights, as they are and transformed.
    pub fn weight_bytes(&self) -> usize {
        let encoding = self.circuit.encoding();
        encoding.outputs() * (encoding.features() * 8 + encoding.parameters().polynomial_size() * 20)
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
    fn bodies(&self, layout: &Layout, outputs: Range<usize>, block: &InputBlock) -> Vec<u64> {
        let product = self.circuit.product();
        let members = outputs.clone().enumerate();
        let places = (0..layout.rows())
            .flat_map(|row| members.clone().map(move |(member, output)| (row, member, output)));
        let body = |(row, member, output): (usize, usize, usize)| {
            let position = layout.output_position(row, member);
            let bias = self.circuit.encoding().messages().encode(product.bias[output]);
            // The weight polynomial holds the weights of all outputs of the group, side by side.
            members.clone().fold(bias, |sum, (other, output)| {
                // Bodies begin where the first result's weights reach to, so this cannot be negative.
                let start = position - layout.weight_position(other, 0);
                sum.wrapping_add(self.dot(layout, &product.weights[output], block, start))
            })
        };
        places.map(body).collect()
    }

    /// The weights times as many body coefficients of each chunk, from `start` on.
    fn dot(&self, layout: &Layout, weights: &[i64], block: &InputBlock, start: usize) -> u64 {
        let shift = 64 - self.circuit.encoding().body_bits();
        let chunks = layout.chunks(weights.len()).zip(&block.ciphertexts);
        let terms =
            chunks.flat_map(|(chunk, ciphertext)| weights[chunk].iter().zip(&ciphertext.body[start..]));
        terms
            .fold(0_u64, |dot, (weight, body)| dot.wrapping_add((*weight as u64).wrapping_mul(body << shift)))
    }
}

impl Prepared {
    fn new(circuit: &ProductCircuit, products: &Products, layout: Layout) -> Self {
        let polynomial = |outputs: &Range<usize>, chunk: Range<usize>| {
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
