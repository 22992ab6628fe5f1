//! Writes rows of outputs in the format that a file name asks for.

mod csv;
mod element;
mod json;
mod npy;
mod npz;

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use self::csv::CsvWriter;
use self::json::JsonWriter;
use self::npy::NpyWriter;
use self::npz::NpzWriter;
use super::plan::counted;
use super::{DType, Field, Tensor};

/// A format that rows are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One numpy array.
    Npy,
    /// A numpy archive of named arrays.
    Npz,
    /// Comma-separated text with a header.
    Csv,
    /// An array of objects.
    Json,
}

impl Format {
    /// The format that the extension of a file name asks for.
    ///
    /// # Errors
    /// If there is no extension, or it is of no known format.
    pub fn of(path: &Path) -> Result<Self> {
        let extension = path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
        match extension.as_deref() {
            Some("npy") => Ok(Self::Npy),
            Some("npz") => Ok(Self::Npz),
            Some("csv") => Ok(Self::Csv),
            Some("json") => Ok(Self::Json),
            Some(other) => bail!(
                "cannot write '{}': the extension '{other}' names no known format\n\
                 hint: use npy, npz, csv or json",
                path.display()
            ),
            None => bail!(
                "cannot write '{}': it has no extension to tell the format by\nhint: use npy, npz, csv or json",
                path.display()
            ),
        }
    }
}

/// Writes rows, each a tensor for every field.
pub struct RowWriter {
    format: FormatWriter,
    fields: Vec<Field>,
    /// Which fields are written, in order.
    chosen: Vec<usize>,
    rows: u64,
    written: u64,
}

enum FormatWriter {
    Npy(NpyWriter),
    Npz(NpzWriter),
    Csv(CsvWriter),
    Json(JsonWriter),
}

impl RowWriter {
    /// Begins to write `rows` rows of `fields`, or of the one field called `selected`.
    ///
    /// An npy file holds one field: the selected one, else the last that holds floats, else the
    /// last that holds numbers.
    ///
    /// # Errors
    /// If no field has the selected name, the format cannot hold the fields, or writing fails.
    pub fn new(
        format: Format,
        out: Box<dyn Write + Send>,
        fields: &[Field],
        rows: u64,
        selected: Option<&str>,
    ) -> Result<Self> {
        let chosen = chosen(format, fields, selected)?;
        let written: Vec<&Field> = chosen.iter().filter_map(|&index| fields.get(index)).collect();
        let format = match format {
            Format::Npy => FormatWriter::Npy(NpyWriter::new(out, &written, rows)?),
            Format::Npz => FormatWriter::Npz(NpzWriter::new(out, &written)),
            Format::Csv => FormatWriter::Csv(CsvWriter::new(out, &written)?),
            Format::Json => FormatWriter::Json(JsonWriter::new(out, &written)?),
        };
        Ok(Self { format, fields: fields.to_vec(), chosen, rows, written: 0 })
    }

    /// Writes one row: a tensor for every field, selected or not.
    ///
    /// # Errors
    /// If the tensors do not fit the fields, there are more rows than announced, or writing fails.
    pub fn write(&mut self, row: &[Tensor]) -> Result<()> {
        self.check(row).with_context(|| format!("cannot write row {}", self.written + 1))?;
        let values: Vec<&Tensor> = self.chosen.iter().filter_map(|&index| row.get(index)).collect();
        match &mut self.format {
            FormatWriter::Npy(writer) => writer.write(&values)?,
            FormatWriter::Npz(writer) => writer.write(&values)?,
            FormatWriter::Csv(writer) => writer.write(&values)?,
            FormatWriter::Json(writer) => writer.write(&values)?,
        }
        self.written += 1;
        Ok(())
    }

    /// Writes what is left to write.
    ///
    /// # Errors
    /// If there were fewer rows than announced, or writing fails.
    pub fn finish(self) -> Result<()> {
        let (written, rows) = (self.written, self.rows);
        ensure!(written == rows, "{written} of {rows} rows were written");
        match self.format {
            FormatWriter::Npy(writer) => writer.finish(),
            FormatWriter::Npz(writer) => writer.finish(rows),
            FormatWriter::Csv(writer) => writer.finish(),
            FormatWriter::Json(writer) => writer.finish(),
        }
    }

    fn check(&self, row: &[Tensor]) -> Result<()> {
        ensure!(self.written < self.rows, "only {} were announced", counted(self.rows as usize, "row"));
        let (found, wanted) = (row.len(), self.fields.len());
        ensure!(found == wanted, "it has {}, expected {wanted}", counted(found, "output"));
        for (field, tensor) in self.fields.iter().zip(row) {
            let (found, wanted) = (tensor.len(), field.len());
            ensure!(found == wanted, "'{}' has {}, expected {wanted}", field.name, counted(found, "value"));
            let (found, wanted) = (tensor.dtype(), field.dtype);
            let agree = (found == DType::Text) == (wanted == DType::Text);
            ensure!(agree, "'{}' has type {found}, expected {wanted}", field.name);
        }
        Ok(())
    }
}

fn chosen(format: Format, fields: &[Field], selected: Option<&str>) -> Result<Vec<usize>> {
    if let Some(name) = selected {
        let index = fields.iter().position(|field| field.name == name);
        let index =
            index.with_context(|| format!("no output is called '{name}', there are {}", names(fields)))?;
        return Ok(vec![index]);
    }
    match format {
        Format::Npz | Format::Csv | Format::Json => Ok((0..fields.len()).collect()),
        Format::Npy => {
            let floats = fields.iter().rposition(|field| field.dtype.is_float());
            let numbers = || fields.iter().rposition(|field| field.dtype != DType::Text);
            let index = floats.or_else(numbers).with_context(|| {
                format!(
                    "no output holds numbers for an npy file, there are {}\nhint: write csv or json",
                    names(fields)
                )
            })?;
            Ok(vec![index])
        }
    }
}

fn names(fields: &[Field]) -> String {
    fields.iter().map(|field| format!("'{}'", field.name)).collect::<Vec<_>>().join(", ")
}
