//! Operators on categories: one-hot encoding and dictionaries.

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

use crate::tensor::{DType, Tensor};

/// The known categories of a one-hot encoding, in the order of its columns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Categories {
    /// A one-dimensional tensor: text or numbers.
    pub values: Tensor,
    /// Whether an unknown category gives zeros; otherwise it is an error.
    pub unknown_is_zeros: bool,
    /// The element type of the result.
    pub dtype: DType,
}

/// A dictionary: the value of `keys[i]` is `values[i]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LabelMap {
    /// A one-dimensional tensor: text or numbers (NaN may be a key).
    pub keys: Tensor,
    /// A one-dimensional tensor of the same length.
    pub values: Tensor,
    /// A tensor of one element, for keys that are not there.
    pub default: Tensor,
}

impl Categories {
    /// The one-hot encoding of every element, in a new last axis.
    ///
    /// # Errors
    /// If an element is unknown and that is not allowed.
    pub fn evaluate(&self, _input: &Tensor) -> Result<Tensor> {
        bail!("not written yet")
    }
}

impl LabelMap {
    /// The value of every element.
    ///
    /// # Errors
    /// If the input is text and the keys are numbers, or the other way round.
    pub fn evaluate(&self, _input: &Tensor) -> Result<Tensor> {
        bail!("not written yet")
    }
}
