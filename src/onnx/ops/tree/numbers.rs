//! Numbers that are an attribute of single precision, or a tensor of either precision.

use anyhow::{Result, bail};

use crate::onnx::attributes::Attributes;
use crate::tensor::DType;

/// Numbers of an attribute, and whether they are in double precision.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Numbers {
    pub(super) values: Vec<f64>,
    pub(super) is_double: bool,
}

impl Numbers {
    /// The list `name`, or else the tensor `name_as_tensor`; nothing if neither is there.
    ///
    /// # Errors
    /// If both are there, or one does not hold floating-point numbers.
    pub(super) fn listed(attributes: &Attributes, name: &str) -> Result<Self> {
        let values = attributes.floats(name)?.unwrap_or_default();
        let tensor = Self::tensor(attributes, &format!("{name}_as_tensor"))?;
        match (values.is_empty(), tensor.values.is_empty()) {
            (false, false) => bail!("it has both '{name}' and '{name}_as_tensor'"),
            (false, true) => Ok(Self { values, is_double: false }),
            (true, _) => Ok(tensor),
        }
    }

    /// The tensor `name`; nothing if it is not there.
    ///
    /// # Errors
    /// If it does not hold floating-point numbers.
    pub(super) fn tensor(attributes: &Attributes, name: &str) -> Result<Self> {
        let Some(tensor) = attributes.tensor(name)? else { return Ok(Self::default()) };
        if !tensor.dtype().is_float() {
            bail!("attribute '{name}' holds {}, expected numbers", tensor.dtype());
        }
        let values = tensor.as_numbers()?.iter().copied().collect();
        Ok(Self { values, is_double: tensor.dtype() == DType::F64 })
    }
}
