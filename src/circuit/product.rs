//! Rows of integers times a matrix: the one instruction of linear circuits.

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

use super::PackedRows;

/// A matrix over encrypted rows of integers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct ProductCircuit {
    encoding: PackedRows,
    product: PackedProduct,
}

/// For each output one integer weight per feature and a bias: `output = Σ weight · feature + bias`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PackedProduct {
    /// One row of weights for each output.
    pub weights: Vec<Vec<i64>>,
    /// One bias for each output.
    pub bias: Vec<i64>,
}

#[derive(Deserialize)]
struct Unchecked {
    encoding: PackedRows,
    product: PackedProduct,
}

impl ProductCircuit {
    /// A circuit that multiplies packed rows by a matrix.
    ///
    /// # Errors
    /// If the matrix does not fit the encoding.
    pub fn new(encoding: PackedRows, product: PackedProduct) -> Result<Self> {
        let (outputs, features) = (encoding.outputs(), encoding.features());
        if product.weights.len() != outputs || product.bias.len() != outputs {
            bail!(
                "the circuit has {outputs} outputs, {} rows of weights and {} biases",
                product.weights.len(),
                product.bias.len()
            );
        }
        if let Some(row) = product.weights.iter().find(|row| row.len() != features) {
            bail!("the circuit has {features} features, a row of weights has {}", row.len());
        }
        Ok(Self { encoding, product })
    }

    /// How rows lie in ciphertexts, on the way in and out.
    pub fn encoding(&self) -> &PackedRows {
        &self.encoding
    }

    /// What is computed on each row.
    pub fn product(&self) -> &PackedProduct {
        &self.product
    }

    /// The predicted variance of the noise of each output.
    pub fn noise_variances(&self) -> impl Iterator<Item = f64> {
        self.product.squared_norm2s().map(|squared_norm2| self.encoding.noise_variance(squared_norm2))
    }
}

impl PackedProduct {
    /// The outputs for one row of integers: what the encrypted program decrypts to.
    pub fn evaluate(&self, row: &[i64]) -> Vec<i64> {
        let output = |(weights, bias): (&Vec<i64>, &i64)| {
            weights.iter().zip(row).map(|(weight, value)| weight * value).sum::<i64>() + bias
        };
        self.weights.iter().zip(&self.bias).map(output).collect()
    }

    /// The squared 2-norm of the weights of each output, which the noise grows by.
    pub fn squared_norm2s(&self) -> impl Iterator<Item = f64> {
        self.weights.iter().map(|row| row.iter().map(|weight| (*weight as f64).powi(2)).sum())
    }
}

impl TryFrom<Unchecked> for ProductCircuit {
    type Error = anyhow::Error;

    fn try_from(circuit: Unchecked) -> Result<Self> {
        Self::new(circuit.encoding, circuit.product)
    }
}
