//! Writes files of named arrays, one array after the other.

use std::io::{Seek, Write};

use ::safetensors::tensor::{Metadata, TensorInfo};
use anyhow::{Context, Result, bail, ensure};
use npyz::npz::file_name_from_array_name;
use zip::write::FileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::ArrayFormat;
use super::safetensors::type_name;
use crate::tensor::writer::{append_bytes, type_string, write_shape};
use crate::tensor::{DType, Field};

/// The values of an array from which on its entry in an archive may be larger than 4 GiB.
const LARGE: usize = 1 << 28;

/// Takes the values of all arrays in order and writes them.
pub struct ArrayWriter<W: Write + Seek> {
    out: Out<W>,
    fields: Vec<Field>,
    /// The arrays that were begun.
    begun: usize,
    /// The values that the last of them still lacks.
    lacking: usize,
}

enum Out<W: Write + Seek> {
    Npz(Box<ZipWriter<W>>),
    Safetensors(W),
}

impl<W: Write + Seek> ArrayWriter<W> {
    /// Begins a file of these arrays of floating-point numbers.
    ///
    /// # Errors
    /// If the format cannot hold them, or writing fails.
    pub fn new(format: ArrayFormat, out: W, fields: &[Field]) -> Result<Self> {
        let out = match format {
            ArrayFormat::Npz => Out::Npz(Box::new(ZipWriter::new(out))),
            ArrayFormat::Safetensors => Out::Safetensors(with_header(out, fields)?),
        };
        let mut writer = Self { out, fields: fields.to_vec(), begun: 0, lacking: 0 };
        writer.begin_next()?;
        Ok(writer)
    }

    /// Writes the next values, which may belong to several arrays.
    ///
    /// # Errors
    /// If there are more than the arrays hold, or writing fails.
    pub fn write(&mut self, mut values: &[f64]) -> Result<()> {
        while !values.is_empty() {
            ensure!(self.lacking > 0, "more values than the arrays hold");
            let (now, later) = values.split_at(self.lacking.min(values.len()));
            let dtype =
                self.begun.checked_sub(1).and_then(|last| self.fields.get(last)).map(|field| field.dtype);
            let mut bytes = Vec::with_capacity(8 * now.len());
            now.iter().for_each(|value| append_bytes(&mut bytes, *value, dtype.unwrap_or(DType::F64)));
            match &mut self.out {
                Out::Npz(zip) => zip.write_all(&bytes).context("cannot write npz")?,
                Out::Safetensors(out) => out.write_all(&bytes).context("cannot write safetensors")?,
            }
            self.lacking -= now.len();
            self.begin_next()?;
            values = later;
        }
        Ok(())
    }

    /// Ends the file. Gives back what was written to.
    ///
    /// # Errors
    /// If values are missing, or writing fails.
    pub fn finish(self) -> Result<W> {
        let later = self.fields.iter().skip(self.begun).map(Field::len).sum::<usize>();
        let missing = self.lacking + later;
        ensure!(missing == 0, "{missing} values of the arrays were not written");
        match self.out {
            Out::Npz(mut zip) => zip.finish().context("cannot write npz"),
            Out::Safetensors(mut out) => {
                out.flush().context("cannot write safetensors")?;
                Ok(out)
            }
        }
    }

    /// Begins arrays up to the next one that has values.
    fn begin_next(&mut self) -> Result<()> {
        while let (0, Some(field)) = (self.lacking, self.fields.get(self.begun)) {
            if let Out::Npz(zip) = &mut self.out {
                begin_entry(zip, field)?;
            }
            self.lacking = field.len();
            self.begun += 1;
        }
        Ok(())
    }
}

fn begin_entry<W: Write + Seek>(zip: &mut ZipWriter<W>, field: &Field) -> Result<()> {
    let Some(type_string) = type_string(field.dtype) else {
        bail!("cannot write '{}': it is {}", field.name, field.dtype)
    };
    // Dated as the zip epoch: the same values give the same bytes.
    let options = FileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(DateTime::default())
        .large_file(field.len() >= LARGE);
    zip.start_file(file_name_from_array_name(&field.name), options).context("cannot write npz")?;
    let shape: Vec<u64> = field.shape.iter().map(|length| *length as u64).collect();
    write_shape(zip, type_string, &shape)
}

fn with_header<W: Write>(mut out: W, fields: &[Field]) -> Result<W> {
    let mut end = 0;
    let info = |field: &Field| {
        let dtype = type_name(field.dtype);
        let dtype = dtype.with_context(|| format!("cannot write '{}': it is {}", field.name, field.dtype))?;
        let start = end;
        end += field.len() * dtype.bitsize() / 8;
        let info = TensorInfo { dtype, shape: field.shape.clone(), data_offsets: (start, end) };
        Ok((field.name.clone(), info))
    };
    let infos = fields.iter().map(info).collect::<Result<Vec<_>>>()?;
    let metadata = Metadata::new(None, infos).context("cannot write safetensors")?;
    let mut json = serde_json::to_vec(&metadata)?;
    json.resize(json.len().next_multiple_of(8), b' ');
    let length = (json.len() as u64).to_le_bytes();
    out.write_all(&length).and_then(|()| out.write_all(&json)).context("cannot write safetensors")?;
    Ok(out)
}
