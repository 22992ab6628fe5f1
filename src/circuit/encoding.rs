//! How rows of integers lie in ciphertexts, whatever is computed on them.

use serde::{Deserialize, Serialize};

use super::{Messages, PackedBits, PackedRows, PackedValues};
use crate::crypto::{ExpansionParameters, LookupSets, SecretParameters, packed_bytes};

/// The bytes of a ciphertext's seed.
pub(super) const SEED_BYTES: usize = 16;
/// The bytes of a block's number of rows.
pub(super) const COUNT_BYTES: usize = 4;

/// The encoding of rows on the way in and of results on the way out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Encoding {
    /// Integers as coefficients.
    Rows(PackedRows),
    /// Bits to be multiplied with.
    Bits(PackedBits),
    /// Integers that are added up and looked up.
    Values(PackedValues),
}

/// What an evaluation key is made for.
#[derive(Clone, Debug, PartialEq)]
pub enum EvaluationParameters {
    /// It holds nothing.
    Nothing,
    /// To expand packed bits and to multiply with them.
    Expansion(ExpansionParameters),
    /// To look up.
    Lookups(LookupSets),
}

impl EvaluationParameters {
    /// The bytes of such a key.
    pub fn key_bytes(&self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::Expansion(parameters) => parameters.key_bytes(),
            Self::Lookups(sets) => sets.key_bytes(),
        }
    }
}

impl Encoding {
    /// The parameters of the ciphertexts, and so of the secret key.
    pub fn secret(&self) -> SecretParameters {
        match self {
            Self::Rows(rows) => SecretParameters::Ring(*rows.parameters()),
            Self::Bits(bits) => SecretParameters::Ring(*bits.parameters()),
            Self::Values(values) => SecretParameters::Lookups(values.parts().sets.clone()),
        }
    }

    /// The parameters of the evaluation key.
    pub fn evaluation(&self) -> EvaluationParameters {
        match self {
            Self::Rows(_) => EvaluationParameters::Nothing,
            Self::Bits(bits) => match bits.expansion() {
                Some(expansion) => EvaluationParameters::Expansion(expansion.clone()),
                None => EvaluationParameters::Nothing,
            },
            Self::Values(values) => EvaluationParameters::Lookups(values.parts().sets.clone()),
        }
    }

    /// The number of coefficients of a ring element.
    pub fn polynomial_size(&self) -> usize {
        match self {
            Self::Rows(rows) => rows.parameters().polynomial_size(),
            Self::Bits(bits) => bits.parameters().polynomial_size(),
            Self::Values(values) => values.parts().sets.first().polynomial_size(),
        }
    }

    /// The number of coefficients of the mask of a result.
    pub fn mask_len(&self) -> usize {
        match self {
            Self::Rows(_) | Self::Bits(_) => self.polynomial_size(),
            Self::Values(values) => values.parts().sets.first().big_dimension(),
        }
    }

    /// The number of integers in a row.
    pub fn features(&self) -> usize {
        match self {
            Self::Rows(rows) => rows.features(),
            Self::Bits(bits) => bits.bits(),
            Self::Values(values) => values.parts().features,
        }
    }

    /// The number of integers that come out for a row.
    pub fn outputs(&self) -> usize {
        match self {
            Self::Rows(rows) => rows.outputs(),
            Self::Bits(bits) => bits.outputs(),
            Self::Values(values) => values.parts().outputs,
        }
    }

    /// The integers that come out.
    pub fn messages(&self) -> Messages {
        match self {
            Self::Rows(rows) => rows.messages(),
            Self::Bits(bits) => bits.messages(),
            Self::Values(values) => values.parts().messages,
        }
    }

    /// The bits kept of fresh body coefficients.
    pub fn body_bits(&self) -> u32 {
        match self {
            Self::Rows(rows) => rows.body_bits(),
            Self::Bits(bits) => bits.body_bits(),
            Self::Values(values) => values.parts().body_bits,
        }
    }

    /// The bits kept of results.
    pub fn output_bits(&self) -> u32 {
        match self {
            Self::Rows(rows) => rows.output_bits(),
            Self::Bits(bits) => bits.output_bits(),
            Self::Values(values) => values.parts().output_bits,
        }
    }

    /// The most rows a block holds.
    pub fn rows_per_block(&self) -> usize {
        match self {
            Self::Rows(rows) => rows.rows_per_block(),
            Self::Bits(bits) => bits.rows_per_block(),
            Self::Values(_) => 1,
        }
    }

    /// The number of ciphertexts of a block of so many rows, and of body coefficients of each.
    pub fn input_shape(&self, rows: usize) -> (usize, usize) {
        match self {
            Self::Rows(packed) => packed.layout(rows).input_shape(),
            Self::Bits(packed) => packed.input_shape(rows),
            Self::Values(values) => values.input_shape(),
        }
    }

    /// The number of results in each ciphertext of a block of so many rows.
    pub fn output_shape(&self, rows: usize) -> Vec<usize> {
        match self {
            Self::Rows(packed) => packed.layout(rows).groups().map(|group| rows * group.len()).collect(),
            Self::Bits(packed) => vec![packed.result_count(rows)],
            Self::Values(values) => vec![1; values.parts().outputs],
        }
    }

    /// The size in bytes of an encrypted block of so many rows.
    pub fn input_block_bytes(&self, rows: usize) -> usize {
        let (ciphertexts, body) = self.input_shape(rows);
        COUNT_BYTES + ciphertexts * (SEED_BYTES + packed_bytes(body, self.body_bits()))
    }

    /// The size in bytes of the results for a block of so many rows.
    pub fn output_block_bytes(&self, rows: usize) -> usize {
        let mask = packed_bytes(self.mask_len(), self.output_bits());
        let bytes = |results| mask + packed_bytes(results, self.output_bits());
        COUNT_BYTES + self.output_shape(rows).into_iter().map(bytes).sum::<usize>()
    }
}
