//! Matrix products.

use anyhow::{Result, bail};

use crate::tensor::Tensor;

/// The matrix product over the last two axes, with numpy's rules for batches and vectors.
///
/// # Errors
/// If the inner lengths differ, or the batch axes cannot be broadcast.
pub fn matmul(_a: &Tensor, _b: &Tensor) -> Result<Tensor> {
    bail!("not written yet")
}
