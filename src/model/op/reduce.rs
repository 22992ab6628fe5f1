//! Operators that look at all elements along an axis.

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

use crate::tensor::Tensor;

/// How the elements along some axes become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reduction {
    Sum,
    Mean,
    Min,
    Max,
    Product,
    L1,
    L2,
    SumSquare,
    LogSum,
    LogSumExp,
}

/// The norm a row is scaled by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Normalization {
    L1,
    L2,
    /// The largest absolute value (ONNX Normalizer divides by the largest value as it is: see its reader).
    Max,
}

impl Reduction {
    /// The reduction over `axes`.
    ///
    /// # Errors
    /// If an axis does not exist, or the tensor holds text.
    pub fn evaluate(self, _input: &Tensor, _axes: &[usize], _keep_dims: bool) -> Result<Tensor> {
        bail!("not written yet")
    }
}

impl Normalization {
    /// The tensor with every row along `axis` scaled to norm 1; rows of norm 0 stay.
    ///
    /// # Errors
    /// If the axis does not exist, or the tensor holds text.
    pub fn evaluate(self, _input: &Tensor, _axis: usize) -> Result<Tensor> {
        bail!("not written yet")
    }
}

pub(super) fn arg_extreme(
    _input: &Tensor,
    _axis: usize,
    _keep_dims: bool,
    _largest: bool,
    _last: bool,
) -> Result<Tensor> {
    bail!("not written yet")
}

pub(super) fn softmax(_input: &Tensor, _axis: usize) -> Result<Tensor> {
    bail!("not written yet")
}

pub(super) fn log_softmax(_input: &Tensor, _axis: usize) -> Result<Tensor> {
    bail!("not written yet")
}

pub(super) fn hardmax(_input: &Tensor, _axis: usize) -> Result<Tensor> {
    bail!("not written yet")
}
