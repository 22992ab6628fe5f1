//! All outputs as named numpy arrays in one archive.

use std::io::{Cursor, Write};

use anyhow::{Context, Result};
use npyz::npz::file_name_from_array_name;
use zip::write::FileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::element::{append_bytes, type_string};
use super::npy::write_header;
use crate::tensor::{Field, Tensor};

/// Collects outputs and writes them as an archive at the end.
///
/// An archive holds one array after the other, rows come with a part of each: so they wait in
/// memory.
pub(super) struct NpzWriter<W: Write> {
    out: W,
    arrays: Vec<Waiting>,
}

/// The values of one output, of all rows so far.
struct Waiting {
    field: Field,
    numbers: Vec<u8>,
    texts: Vec<Vec<char>>,
}

impl<W: Write> NpzWriter<W> {
    /// An archive of these outputs.
    pub(super) fn new(out: W, fields: &[&Field]) -> Self {
        let waiting =
            |field: &&Field| Waiting { field: (*field).clone(), numbers: Vec::new(), texts: Vec::new() };
        Self { out, arrays: fields.iter().map(waiting).collect() }
    }

    /// Adds one row.
    ///
    /// # Errors
    /// None that the checks before it leave.
    pub(super) fn write(&mut self, values: &[&Tensor]) -> Result<()> {
        for (array, tensor) in self.arrays.iter_mut().zip(values) {
            match tensor.as_text() {
                Ok(texts) => array.texts.extend(texts.iter().map(|text| text.chars().collect())),
                Err(_) => {
                    let numbers = tensor.as_numbers()?.iter();
                    numbers.for_each(|&value| append_bytes(&mut array.numbers, value, array.field.dtype));
                }
            }
        }
        Ok(())
    }

    /// Writes the archive. Gives back what was written to.
    ///
    /// # Errors
    /// If writing fails.
    pub(super) fn finish(mut self, rows: u64) -> Result<W> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for array in &self.arrays {
            let name = file_name_from_array_name(&array.field.name);
            zip.start_file(name, options()).context("cannot write npz")?;
            array.write(&mut zip, rows)?;
        }
        let archive = zip.finish().context("cannot write npz")?.into_inner();
        self.out.write_all(&archive).and_then(|()| self.out.flush()).context("cannot write npz")?;
        Ok(self.out)
    }
}

impl Waiting {
    fn write(&self, mut out: impl Write, rows: u64) -> Result<()> {
        if let Some(type_string) = type_string(self.field.dtype) {
            write_header(&mut out, type_string, rows, &self.field.shape)?;
            return out.write_all(&self.numbers).context("cannot write npz");
        }
        let longest = self.texts.iter().map(Vec::len).max().unwrap_or(0).max(1);
        write_header(&mut out, &format!("<U{longest}"), rows, &self.field.shape)?;
        for text in &self.texts {
            let padded = text.iter().chain(std::iter::repeat(&'\0')).take(longest);
            let bytes: Vec<u8> = padded.flat_map(|&character| u32::from(character).to_le_bytes()).collect();
            out.write_all(&bytes).context("cannot write npz")?;
        }
        Ok(())
    }
}

/// Deflated, and dated as the zip epoch: the same rows give the same bytes.
fn options() -> FileOptions {
    FileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(DateTime::default())
}
