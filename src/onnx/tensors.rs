//! ONNX tensors as ours: every storage form, checked against the shape before it is copied.

use std::path::Path;

use anyhow::{Context, Result, bail};
use half::{bf16, f16};
use ndarray::{ArrayD, IxDyn};
use tract_onnx::pb::TensorProto;
use tract_onnx::pb::tensor_proto::{DataLocation, DataType};

use super::external;
use super::limits::count;
use super::problem::unsupported;
use crate::tensor::{DType, Tensor};

/// The element type with this number in ONNX; bfloat16 is held as float32.
///
/// # Errors
/// If there is no such type, or it is not supported.
pub(super) fn dtype(number: i32) -> Result<DType> {
    let Ok(kind) = DataType::try_from(number) else {
        return Err(unsupported(format!("element type {number} is not known")));
    };
    Ok(match kind {
        DataType::Bool => DType::Bool,
        DataType::Uint8 => DType::U8,
        DataType::Int8 => DType::I8,
        DataType::Uint16 => DType::U16,
        DataType::Int16 => DType::I16,
        DataType::Uint32 => DType::U32,
        DataType::Int32 => DType::I32,
        DataType::Uint64 => DType::U64,
        DataType::Int64 => DType::I64,
        DataType::Float16 => DType::F16,
        DataType::Float | DataType::Bfloat16 => DType::F32,
        DataType::Double => DType::F64,
        DataType::String => DType::Text,
        DataType::Undefined => bail!("the element type is not given"),
        other => {
            let name = other.as_str_name().to_lowercase();
            return Err(unsupported(format!("element type '{name}' is not supported")));
        }
    })
}

/// The value of an initializer or attribute; `folder` is where its data may be kept outside.
///
/// # Errors
/// If the tensor is of an unsupported type, or its data does not fit its shape.
pub(super) fn tensor(proto: &TensorProto, folder: Option<&Path>) -> Result<Tensor> {
    let dtype = dtype(proto.data_type)?;
    let shape = shape(&proto.dims)?;
    let count = count(&shape)?;
    if dtype == DType::Text {
        let text = texts(&proto.string_data)?;
        return Ok(Tensor::text(shaped(&shape, text)?));
    }
    let numbers = if proto.data_location == Some(DataLocation::External as i32) {
        from_bytes(proto.data_type, &external::bytes(proto, folder, byte_count(proto.data_type, count)?)?)?
    } else if proto.raw_data.is_empty() {
        from_fields(proto)
    } else {
        let (expected, found) = (byte_count(proto.data_type, count)?, proto.raw_data.len());
        if expected != found {
            bail!("shape {shape:?} of {dtype} needs {expected} bytes, the file has {found}");
        }
        from_bytes(proto.data_type, &proto.raw_data)?
    };
    Tensor::numbers(dtype, shaped(&shape, numbers)?)
}

/// A one-dimensional tensor of numbers.
///
/// # Errors
/// If `dtype` is text.
pub(super) fn vector(dtype: DType, values: impl IntoIterator<Item = f64>) -> Result<Tensor> {
    let values = values.into_iter().collect::<ndarray::Array1<f64>>();
    Tensor::numbers(dtype, values.into_dyn())
}

/// A tensor of numbers with this shape.
///
/// # Errors
/// If `dtype` is text, or the shape has another number of elements.
pub(super) fn array(dtype: DType, shape: &[usize], values: Vec<f64>) -> Result<Tensor> {
    Tensor::numbers(dtype, shaped(shape, values)?)
}

/// A tensor of rank 0.
///
/// # Errors
/// If `dtype` is text.
pub(super) fn scalar(dtype: DType, value: f64) -> Result<Tensor> {
    Tensor::numbers(dtype, ArrayD::from_elem(IxDyn(&[]), value))
}

/// A one-dimensional tensor of text.
pub(super) fn words(values: Vec<String>) -> Tensor {
    Tensor::text(values.into_iter().collect::<ndarray::Array1<String>>().into_dyn())
}

/// Bytes of the file as text.
///
/// # Errors
/// If one is not UTF-8.
pub(super) fn texts(values: &[Vec<u8>]) -> Result<Vec<String>> {
    values
        .iter()
        .map(|bytes| Ok(std::str::from_utf8(bytes).context("a text is not UTF-8")?.to_owned()))
        .collect()
}

/// The elements as text, as class labels are shown.
pub(super) fn labels(values: &Tensor) -> Vec<String> {
    match values.as_text() {
        Ok(text) => text.iter().cloned().collect(),
        Err(_) => values
            .as_numbers()
            .map(|numbers| numbers.iter().map(f64::to_string).collect())
            .unwrap_or_default(),
    }
}

fn shape(dims: &[i64]) -> Result<Vec<usize>> {
    let length =
        |&dim: &i64| usize::try_from(dim).with_context(|| format!("the shape {dims:?} has a negative axis"));
    dims.iter().map(length).collect()
}

fn shaped<T>(shape: &[usize], values: Vec<T>) -> Result<ArrayD<T>> {
    let found = values.len();
    match ArrayD::from_shape_vec(IxDyn(shape), values) {
        Ok(array) => Ok(array),
        Err(_) => {
            bail!("shape {shape:?} needs {} elements, the file has {found}", shape.iter().product::<usize>())
        }
    }
}

fn byte_count(kind: i32, count: usize) -> Result<usize> {
    let width = match DataType::try_from(kind) {
        Ok(DataType::Bool | DataType::Uint8 | DataType::Int8) => 1,
        Ok(DataType::Uint16 | DataType::Int16 | DataType::Float16 | DataType::Bfloat16) => 2,
        Ok(DataType::Uint32 | DataType::Int32 | DataType::Float) => 4,
        _ => 8,
    };
    count.checked_mul(width).context("the tensor is too large")
}

/// Little-endian numbers; the length is known to fit.
fn from_bytes(kind: i32, bytes: &[u8]) -> Result<Vec<f64>> {
    Ok(match DataType::try_from(kind)? {
        DataType::Bool => bytes.iter().map(|&byte| f64::from(u8::from(byte != 0))).collect(),
        DataType::Uint8 => bytes.iter().map(|&byte| f64::from(byte)).collect(),
        DataType::Int8 => bytes.iter().map(|&byte| f64::from(byte as i8)).collect(),
        DataType::Uint16 => each(bytes, |b| f64::from(u16::from_le_bytes(b))),
        DataType::Int16 => each(bytes, |b| f64::from(i16::from_le_bytes(b))),
        DataType::Float16 => each(bytes, |b| f16::from_le_bytes(b).to_f64()),
        DataType::Bfloat16 => each(bytes, |b| bf16::from_le_bytes(b).to_f64()),
        DataType::Uint32 => each(bytes, |b| f64::from(u32::from_le_bytes(b))),
        DataType::Int32 => each(bytes, |b| f64::from(i32::from_le_bytes(b))),
        DataType::Float => each(bytes, |b| f64::from(f32::from_le_bytes(b))),
        DataType::Uint64 => each(bytes, |b| u64::from_le_bytes(b) as f64),
        DataType::Int64 => each(bytes, |b| i64::from_le_bytes(b) as f64),
        DataType::Double => each(bytes, f64::from_le_bytes),
        other => bail!("element type '{}' has no raw form", other.as_str_name().to_lowercase()),
    })
}

fn each<const N: usize>(bytes: &[u8], read: impl Fn([u8; N]) -> f64) -> Vec<f64> {
    bytes.as_chunks::<N>().0.iter().map(|chunk| read(*chunk)).collect()
}

fn from_fields(proto: &TensorProto) -> Vec<f64> {
    let ints = proto.int32_data.iter();
    match DataType::try_from(proto.data_type) {
        Ok(DataType::Float) => proto.float_data.iter().map(|&value| f64::from(value)).collect(),
        Ok(DataType::Double) => proto.double_data.clone(),
        Ok(DataType::Int64) => proto.int64_data.iter().map(|&value| value as f64).collect(),
        Ok(DataType::Uint32 | DataType::Uint64) => {
            proto.uint64_data.iter().map(|&value| value as f64).collect()
        }
        Ok(DataType::Float16) => ints.map(|&bits| f16::from_bits(bits as u16).to_f64()).collect(),
        Ok(DataType::Bfloat16) => ints.map(|&bits| bf16::from_bits(bits as u16).to_f64()).collect(),
        _ => ints.map(|&value| f64::from(value)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(kind: DataType, dims: &[i64], bytes: &[u8]) -> TensorProto {
        TensorProto {
            data_type: kind as i32,
            dims: dims.to_vec(),
            raw_data: bytes.to_vec(),
            ..TensorProto::default()
        }
    }

    fn numbers(proto: &TensorProto) -> Vec<f64> {
        tensor(proto, None).unwrap().as_numbers().unwrap().iter().copied().collect()
    }

    #[test]
    fn raw_numbers_of_every_width() {
        assert_eq!(numbers(&raw(DataType::Int8, &[2], &[1, 0xff])), [1.0, -1.0]);
        assert_eq!(numbers(&raw(DataType::Float16, &[1], &[0x00, 0x3c])), [1.0]);
        assert_eq!(numbers(&raw(DataType::Bfloat16, &[1], &[0x80, 0x3f])), [1.0]);
        assert_eq!(numbers(&raw(DataType::Double, &[1, 1], &2.5_f64.to_le_bytes())), [2.5]);
    }

    #[test]
    fn typed_fields_hold_small_numbers_as_integers() {
        let kind = DataType::Float16 as i32;
        let proto = TensorProto {
            data_type: kind,
            dims: vec![1],
            int32_data: vec![0x3c00],
            ..TensorProto::default()
        };
        assert_eq!(numbers(&proto), [1.0]);
    }

    #[test]
    fn lies_about_the_shape_are_told() {
        let short = tensor(&raw(DataType::Float, &[2, 2], &[0; 12]), None).unwrap_err().to_string();
        assert!(short.contains("needs 16 bytes") && short.contains("has 12"), "{short}");
        assert!(tensor(&raw(DataType::Float, &[-1], &[0; 4]), None).is_err());
        assert!(tensor(&raw(DataType::Float, &[i64::MAX, i64::MAX], &[0; 4]), None).is_err());
        assert!(tensor(&raw(DataType::Complex64, &[1], &[0; 8]), None).is_err());
        assert!(tensor(&raw(DataType::Int32, &[3], &[]), None).is_err());
    }
}
