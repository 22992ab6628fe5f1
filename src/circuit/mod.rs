//! What a server executes and what a client must know to talk to it.
//!
//! Takes nothing but numbers: a [`Circuit`] says how rows are encoded in ciphertexts and which
//! instructions run on them; a [`ClientSpec`] says how raw rows become those numbers and how results
//! become the model's outputs. Nothing here knows of model families.

mod bins;
mod blocks;
mod client_spec;
mod diagrams;
mod encoding;
pub mod files;
mod lookups;
mod messages;
mod packed_bits;
mod packed_rows;
mod packed_values;
mod product;
mod quantizer;

pub use bins::{Bins, BinsParts};
pub use blocks::{Blocks, Count, InputBlock, OutputBlock};
pub use client_spec::{ClientSpec, Code, Encoded, OutputDigit, OutputValue, Term};
pub use diagrams::{
    Chain, DiagramCircuit, DiagramParts, Diagrams, Leaf, Linear, Node, NoiseCount, Place, Schedule, Selector,
    Source, Step, Test,
};
pub use encoding::{Encoding, EvaluationParameters};
pub use lookups::{Layer, LayerParts, Layers, Lookup, LookupCircuit, Sum, Table};
pub use messages::Messages;
pub use packed_bits::{Item, PackedBits, PackedBitsParts, Transport};
pub use packed_rows::{Layout, PackedRows};
pub use packed_values::{PackedValues, PackedValuesParts};
pub use product::{PackedProduct, ProductCircuit};
pub use quantizer::Quantizer;

use serde::{Deserialize, Serialize};

/// A program over encrypted rows of integers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Circuit {
    /// Rows times a matrix.
    Product(ProductCircuit),
    /// Decision diagrams on the bits of rows.
    Diagrams(DiagramCircuit),
    /// Layers of weighted sums and lookups.
    Lookups(LookupCircuit),
}

impl Circuit {
    /// How rows lie in ciphertexts, on the way in and out.
    pub fn encoding(&self) -> Encoding {
        match self {
            Self::Product(circuit) => Encoding::Rows(*circuit.encoding()),
            Self::Diagrams(circuit) => Encoding::Bits(circuit.encoding().clone()),
            Self::Lookups(circuit) => Encoding::Values(circuit.encoding().clone()),
        }
    }

    /// The outputs for one row of integers: what the encrypted program decrypts to.
    pub fn evaluate(&self, row: &[i64]) -> Vec<i64> {
        match self {
            Self::Product(circuit) => circuit.product().evaluate(row),
            Self::Diagrams(circuit) => circuit.diagrams().evaluate(row),
            Self::Lookups(circuit) => circuit.evaluate(row),
        }
    }

    /// The predicted variance of the noise of each output.
    pub fn noise_variances(&self) -> Vec<f64> {
        match self {
            Self::Product(circuit) => circuit.noise_variances().collect(),
            Self::Diagrams(circuit) => vec![circuit.noise_variance(); circuit.encoding().outputs()],
            Self::Lookups(circuit) => circuit.output_variances().collect(),
        }
    }
}
