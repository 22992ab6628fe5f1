//! Operators that move, repeat or drop elements without looking at them.

use anyhow::{Result, bail};
use ndarray::ArrayD;
use serde::{Deserialize, Serialize};

use crate::tensor::{Rearrange, Tensor};

/// A rearrangement of one tensor's elements.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Move {
    /// The same elements in row-major order under another shape.
    Reshape { shape: Vec<usize> },
    /// Axis i of the result is axis `axes[i]` of the input.
    Transpose { axes: Vec<usize> },
    /// For each axis: first index, step (may be negative) and count.
    Slice { ranges: Vec<SliceRange> },
    /// Repeats axes of length 1 (and adds leading ones) until the shape is reached.
    Expand { shape: Vec<usize> },
    /// Repeats the whole along each axis.
    Tile { repeats: Vec<usize> },
}

/// The elements `start, start + step, …` of an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SliceRange {
    pub start: usize,
    pub step: isize,
    pub count: usize,
}

impl Rearrange for Move {
    fn apply<T: Clone>(&self, _values: &ArrayD<T>) -> Result<ArrayD<T>> {
        bail!("not written yet")
    }
}

/// The inputs joined along an axis.
pub(super) fn concat(_inputs: &[&Tensor], _axis: usize) -> Result<Tensor> {
    bail!("not written yet")
}

/// `data` picked at `indices` (negative ones count from the end) along an axis.
pub(super) fn gather(_data: &Tensor, _indices: &Tensor, _axis: usize) -> Result<Tensor> {
    bail!("not written yet")
}
