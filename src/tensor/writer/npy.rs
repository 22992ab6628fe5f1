//! One output as a numpy array.

use std::io::{BufWriter, Write};

use anyhow::{Context, Result, anyhow, bail};
use npyz::{TypeStr, WriteOptions, WriterBuilder};

use super::element::{append_bytes, type_string};
use crate::tensor::{DType, Field, Tensor};

/// Writes one output as a numpy array.
pub(super) struct NpyWriter<W: Write> {
    out: BufWriter<W>,
    dtype: DType,
}

impl<W: Write> NpyWriter<W> {
    /// Writes the header of an array of this many rows.
    ///
    /// # Errors
    /// If the output is text, or writing fails.
    pub(super) fn new(out: W, fields: &[&Field], rows: u64) -> Result<Self> {
        let [field] = fields else { bail!("an npy file holds one output, not {}", fields.len()) };
        let type_string = type_string(field.dtype).with_context(|| {
            format!("an npy file cannot hold '{}', which is text\nhint: write csv or json", field.name)
        })?;
        let mut out = BufWriter::new(out);
        write_header(&mut out, type_string, rows, &field.shape)?;
        Ok(Self { out, dtype: field.dtype })
    }

    /// Writes one row.
    ///
    /// # Errors
    /// If writing fails.
    pub(super) fn write(&mut self, values: &[&Tensor]) -> Result<()> {
        let mut bytes = Vec::new();
        for tensor in values {
            tensor.as_numbers()?.iter().for_each(|&value| append_bytes(&mut bytes, value, self.dtype));
        }
        self.out.write_all(&bytes).context("cannot write npy")
    }

    /// Writes what is still in memory. Gives back what was written to.
    ///
    /// # Errors
    /// If writing fails.
    pub(super) fn finish(self) -> Result<W> {
        self.out.into_inner().map_err(|error| error.into_error()).context("cannot write npy")
    }
}

/// Writes the header of an array of rows.
///
/// # Errors
/// If writing fails.
pub(super) fn write_header(out: impl Write, type_string: &str, rows: u64, shape: &[usize]) -> Result<()> {
    let shape: Vec<u64> = std::iter::once(rows).chain(shape.iter().map(|&length| length as u64)).collect();
    write_shape(out, type_string, &shape)
}

/// Writes the header of an array of this shape.
///
/// # Errors
/// If writing fails.
pub(in crate::tensor) fn write_shape(out: impl Write, type_string: &str, shape: &[u64]) -> Result<()> {
    let element: TypeStr = type_string.parse().map_err(|_| anyhow!("no numpy type '{type_string}'"))?;
    let options = WriteOptions::new_header_only().dtype(npyz::DType::new_scalar(element));
    options.shape(shape).writer(out).write_header_only().context("cannot write npy")?;
    Ok(())
}
