//! Values: dense tensors of numbers or text, and the rows of data files.
//!
//! Takes npy, npz, csv and json files, gives rows of [`Tensor`]s that match a list of [`Field`]s,
//! and writes such rows back; takes npz and safetensors files of named arrays, gives their values. It knows nothing of models, circuits or ciphertexts.

mod arrays;
mod cell;
mod column;
mod csv;
mod dtype;
mod field;
mod json;
mod kind;
mod npy;
mod npz;
mod plan;
mod rows;
mod source;
#[cfg(test)]
mod trial;
mod writer;

pub use arrays::{ArrayFile, ArrayFormat, ArrayWriter};
pub use column::{Column, Labels, read_column};
pub use dtype::DType;
pub use field::{Field, Row};
pub use rows::{Rows, read_rows};
pub use source::Source;
pub use writer::{Format, RowWriter};

use anyhow::{Result, bail};
use ndarray::{ArrayD, IxDyn};
use serde::{Deserialize, Serialize};

/// A dense array of numbers or of text, of any rank.
///
/// Numbers are held as `f64` whatever their element type and are rounded to that type when the
/// tensor is made, so every operation is written once and still gives the values that the type
/// would hold. (Integers are exact up to 2^53.)
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tensor {
    dtype: DType,
    values: Values,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Values {
    Numbers(ArrayD<f64>),
    Text(ArrayD<String>),
}

impl Tensor {
    /// A tensor of numbers, each rounded to `dtype`.
    ///
    /// # Errors
    /// If `dtype` is [`DType::Text`].
    pub fn numbers(dtype: DType, mut values: ArrayD<f64>) -> Result<Self> {
        if dtype == DType::Text {
            bail!("a tensor of numbers cannot have element type text");
        }
        values.mapv_inplace(|value| dtype.round(value));
        Ok(Self { dtype, values: Values::Numbers(values) })
    }

    /// A tensor of text.
    pub fn text(values: ArrayD<String>) -> Self {
        Self { dtype: DType::Text, values: Values::Text(values) }
    }

    /// A tensor of `f64` numbers.
    pub fn f64s(values: ArrayD<f64>) -> Self {
        Self { dtype: DType::F64, values: Values::Numbers(values) }
    }

    /// A one-dimensional tensor of `i64` numbers.
    pub fn i64s(values: &[i64]) -> Self {
        let numbers = values.iter().map(|&value| value as f64).collect::<ndarray::Array1<f64>>();
        Self { dtype: DType::I64, values: Values::Numbers(numbers.into_dyn()) }
    }

    /// Zeros, or empty strings, of this type and shape.
    pub fn zeros(dtype: DType, shape: &[usize]) -> Self {
        let values = match dtype {
            DType::Text => Values::Text(ArrayD::from_elem(IxDyn(shape), String::new())),
            _ => Values::Numbers(ArrayD::zeros(IxDyn(shape))),
        };
        Self { dtype, values }
    }

    /// The element type.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The length of every axis.
    pub fn shape(&self) -> &[usize] {
        match &self.values {
            Values::Numbers(values) => values.shape(),
            Values::Text(values) => values.shape(),
        }
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.shape().iter().product()
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The numbers.
    ///
    /// # Errors
    /// If the tensor holds text.
    pub fn as_numbers(&self) -> Result<&ArrayD<f64>> {
        match &self.values {
            Values::Numbers(values) => Ok(values),
            Values::Text(_) => bail!("expected numbers, found text"),
        }
    }

    /// The text.
    ///
    /// # Errors
    /// If the tensor holds numbers.
    pub fn as_text(&self) -> Result<&ArrayD<String>> {
        match &self.values {
            Values::Text(values) => Ok(values),
            Values::Numbers(_) => bail!("expected text, found {} numbers", self.dtype),
        }
    }

    /// The same elements, in row-major order, under another shape.
    ///
    /// # Errors
    /// If the number of elements differs.
    pub fn reshape(&self, shape: &[usize]) -> Result<Self> {
        let wanted: usize = shape.iter().product();
        if wanted != self.len() {
            bail!("cannot reshape {:?} ({} elements) to {shape:?} ({wanted})", self.shape(), self.len());
        }
        let values = match &self.values {
            Values::Numbers(values) => Values::Numbers(reshaped(values, shape)?),
            Values::Text(values) => Values::Text(reshaped(values, shape)?),
        };
        Ok(Self { dtype: self.dtype, values })
    }

    /// Applies one rearrangement of elements to numbers or text alike.
    ///
    /// # Errors
    /// Those of `rearrange`.
    pub fn rearrange(&self, rearrange: &impl Rearrange) -> Result<Self> {
        let values = match &self.values {
            Values::Numbers(values) => Values::Numbers(rearrange.apply(values)?),
            Values::Text(values) => Values::Text(rearrange.apply(values)?),
        };
        Ok(Self { dtype: self.dtype, values })
    }
}

/// A rule that moves, repeats or drops elements without looking at them.
pub trait Rearrange {
    /// The rearranged array.
    ///
    /// # Errors
    /// If the rule does not fit the array's shape.
    fn apply<T: Clone>(&self, values: &ArrayD<T>) -> Result<ArrayD<T>>;
}

fn reshaped<T: Clone>(values: &ArrayD<T>, shape: &[usize]) -> Result<ArrayD<T>> {
    let elements = values.iter().cloned().collect();
    Ok(ArrayD::from_shape_vec(IxDyn(shape), elements)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_rounded_to_their_type() {
        let third = ndarray::arr1(&[1.0 / 3.0]).into_dyn();
        let single = Tensor::numbers(DType::F32, third.clone()).unwrap();
        assert_eq!(single.as_numbers().unwrap()[[0]], f64::from(1.0_f32 / 3.0));
        let integer = Tensor::numbers(DType::I32, third).unwrap();
        assert_eq!(integer.as_numbers().unwrap()[[0]], 0.0);
    }

    #[test]
    fn reshape_names_both_element_counts() {
        let message = Tensor::zeros(DType::F32, &[2, 3]).reshape(&[4]).unwrap_err().to_string();
        assert!(message.contains("6 elements") && message.contains("(4)"), "{message}");
    }
}
