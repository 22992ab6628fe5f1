//! The element types of tensors.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The element type of a tensor, as ONNX and numpy know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DType {
    /// True or false, held as 1 or 0.
    Bool,
    /// Unsigned 8-bit integer.
    U8,
    /// Signed 8-bit integer.
    I8,
    /// Unsigned 16-bit integer.
    U16,
    /// Signed 16-bit integer.
    I16,
    /// Unsigned 32-bit integer.
    U32,
    /// Signed 32-bit integer.
    I32,
    /// Unsigned 64-bit integer.
    U64,
    /// Signed 64-bit integer.
    I64,
    /// IEEE half precision.
    F16,
    /// IEEE single precision.
    F32,
    /// IEEE double precision.
    F64,
    /// A string.
    Text,
}

impl DType {
    /// Whether elements are floating-point numbers.
    pub fn is_float(self) -> bool {
        matches!(self, Self::F16 | Self::F32 | Self::F64)
    }

    /// The nearest value of this type; integers truncate towards zero and saturate, as casts do.
    pub fn round(self, value: f64) -> f64 {
        match self {
            Self::Bool => f64::from(u8::from(value != 0.0)),
            Self::U8 => f64::from(value as u8),
            Self::I8 => f64::from(value as i8),
            Self::U16 => f64::from(value as u16),
            Self::I16 => f64::from(value as i16),
            Self::U32 => f64::from(value as u32),
            Self::I32 => f64::from(value as i32),
            Self::U64 => (value as u64) as f64,
            Self::I64 => (value as i64) as f64,
            Self::F16 => half::f16::from_f64(value).to_f64(),
            Self::F32 => f64::from(value as f32),
            Self::F64 | Self::Text => value,
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bool => "bool",
            Self::U8 => "uint8",
            Self::I8 => "int8",
            Self::U16 => "uint16",
            Self::I16 => "int16",
            Self::U32 => "uint32",
            Self::I32 => "int32",
            Self::U64 => "uint64",
            Self::I64 => "int64",
            Self::F16 => "float16",
            Self::F32 => "float32",
            Self::F64 => "float64",
            Self::Text => "text",
        })
    }
}
