//! What one row of data holds: a list of named, typed, shaped fields.

use serde::{Deserialize, Serialize};

use super::{DType, Tensor};

/// One named part of a row: an input or an output of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Field {
    /// The name the ONNX file gives it.
    pub name: String,
    /// The element type.
    pub dtype: DType,
    /// The shape of one row, without the batch axis: `[30]`, `[1, 8, 8]`, or `[]` for one value.
    pub shape: Vec<usize>,
    /// Names of the elements where the model has them: class labels of probabilities.
    pub columns: Option<Vec<String>>,
}

impl Field {
    /// The number of elements in one row.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether a row holds no element of this field.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The shape of a tensor that holds this one row: a batch axis of 1, then the row's shape.
    pub fn batch_shape(&self) -> Vec<usize> {
        std::iter::once(1).chain(self.shape.iter().copied()).collect()
    }
}

/// One row: a tensor for every field, each with a leading batch axis of length 1.
pub type Row = Vec<Tensor>;
