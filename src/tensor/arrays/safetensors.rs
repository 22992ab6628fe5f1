//! Named arrays of safetensors files: a header of JSON, then the values.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};

use ::safetensors::Dtype;
use ::safetensors::tensor::{Metadata, TensorInfo};
use anyhow::{Context, Result, bail, ensure};
use half::f16;

use crate::tensor::{DType, Field};

/// The bytes before the header, which tell its length.
pub(super) const LENGTH_BYTES: u64 = 8;

/// The longest header in bytes.
const MOST_HEADER_BYTES: u64 = 1 << 24;

/// The number of elements that are given at once.
const PIECE: usize = 1 << 14;

/// An open file.
pub(super) struct Safetensors {
    label: String,
    file: BufReader<File>,
    metadata: Metadata,
    data_start: u64,
}

impl Safetensors {
    /// Reads the header of a file of so many bytes that messages call `label`.
    ///
    /// # Errors
    /// If the file is damaged.
    pub(super) fn open(label: String, file: File, bytes: u64) -> Result<Self> {
        let mut file = BufReader::new(file);
        let failed = || format!("cannot read {label}");
        let metadata = header(&mut file, bytes).with_context(failed)?;
        let data_start = file.stream_position().with_context(failed)?;
        let (claimed, held) = (metadata.data_len() as u64, bytes - data_start);
        ensure!(
            claimed == held,
            "cannot read {label}: its arrays take {claimed} bytes, the file holds {held}"
        );
        Ok(Self { label, file, metadata, data_start })
    }

    /// Its arrays, in order.
    ///
    /// # Errors
    /// If one holds no floating-point numbers.
    pub(super) fn fields(&self) -> Result<Vec<Field>> {
        let field = |name: String| {
            let info = self.info(&name)?;
            let dtype = self.float_type(&name, info)?;
            Ok(Field { name, dtype, shape: info.shape.clone(), columns: None })
        };
        let mut names = self.metadata.offset_keys();
        // Arrays without values share an offset, where the map of the header has no order.
        names.sort_by_cached_key(|name| {
            (self.metadata.info(name).map(|info| info.data_offsets), name.clone())
        });
        names.into_iter().map(field).collect()
    }

    /// Gives the values of an array.
    ///
    /// # Errors
    /// If there is none of this name, reading or `take` fails.
    pub(super) fn read(&mut self, name: &str, take: &mut dyn FnMut(&[f64]) -> Result<()>) -> Result<()> {
        let info = self.info(name)?;
        let dtype = self.float_type(name, info)?;
        let (start, end) = info.data_offsets;
        let failed = format!("cannot read {}", self.label);
        self.file.seek(SeekFrom::Start(self.data_start + start as u64)).context(failed.clone())?;
        let mut left = end - start;
        let mut bytes = vec![0; PIECE * size(dtype)];
        while left > 0 {
            bytes.truncate(left);
            self.file.read_exact(&mut bytes).context(failed.clone())?;
            take(&floats(&bytes, dtype))?;
            left -= bytes.len();
        }
        Ok(())
    }

    fn info(&self, name: &str) -> Result<&TensorInfo> {
        self.metadata.info(name).with_context(|| format!("{} has no array '{name}'", self.label))
    }

    fn float_type(&self, name: &str, info: &TensorInfo) -> Result<DType> {
        match info.dtype {
            Dtype::F16 => Ok(DType::F16),
            Dtype::F32 => Ok(DType::F32),
            Dtype::F64 => Ok(DType::F64),
            other => bail!(
                "{}, array '{name}' holds {other:?} elements, not float16, float32 or float64\n\
                 hint: convert it, or leave it out of the update",
                self.label
            ),
        }
    }
}

/// The type's name in the header.
pub(super) fn type_name(dtype: DType) -> Option<Dtype> {
    match dtype {
        DType::F16 => Some(Dtype::F16),
        DType::F32 => Some(Dtype::F32),
        DType::F64 => Some(Dtype::F64),
        DType::Bool
        | DType::U8
        | DType::I8
        | DType::U16
        | DType::I16
        | DType::U32
        | DType::I32
        | DType::U64
        | DType::I64
        | DType::Text => None,
    }
}

fn header(file: &mut impl Read, bytes: u64) -> Result<Metadata> {
    let mut length = [0; LENGTH_BYTES as usize];
    ensure!(bytes >= LENGTH_BYTES, "it ends within its header");
    file.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length);
    ensure!(
        length <= MOST_HEADER_BYTES,
        "its header claims {length} bytes, at most {MOST_HEADER_BYTES} are allowed"
    );
    ensure!(length <= bytes - LENGTH_BYTES, "it ends within its header");
    let mut json = vec![0; length as usize];
    file.read_exact(&mut json)?;
    serde_json::from_slice(&json).context("its header is damaged")
}

fn size(dtype: DType) -> usize {
    match dtype {
        DType::F16 => 2,
        DType::F32 => 4,
        _ => 8,
    }
}

fn floats(bytes: &[u8], dtype: DType) -> Vec<f64> {
    match dtype {
        DType::F16 => bytes.as_chunks().0.iter().map(|bytes| f16::from_le_bytes(*bytes).to_f64()).collect(),
        DType::F32 => bytes.as_chunks().0.iter().map(|bytes| f64::from(f32::from_le_bytes(*bytes))).collect(),
        _ => bytes.as_chunks().0.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect(),
    }
}
