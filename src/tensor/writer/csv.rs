//! Rows as csv text: a header, then one column for each element.

use std::io::Write;

use anyhow::{Context, Result};

use super::element::texts;
use crate::tensor::{DType, Field, Tensor};

/// Writes rows as csv text.
pub(super) struct CsvWriter<W: Write> {
    writer: csv::Writer<W>,
    dtypes: Vec<DType>,
}

impl<W: Write> CsvWriter<W> {
    /// Writes the header.
    ///
    /// # Errors
    /// If writing fails.
    pub(super) fn new(out: W, fields: &[&Field]) -> Result<Self> {
        let mut writer = csv::Writer::from_writer(out);
        writer
            .write_record(fields.iter().flat_map(|field| column_names(field)))
            .context("cannot write csv")?;
        Ok(Self { writer, dtypes: fields.iter().map(|field| field.dtype).collect() })
    }

    /// Writes one row.
    ///
    /// # Errors
    /// If writing fails.
    pub(super) fn write(&mut self, values: &[&Tensor]) -> Result<()> {
        let cells = values.iter().zip(&self.dtypes).flat_map(|(tensor, &dtype)| texts(tensor, dtype));
        self.writer.write_record(cells).context("cannot write csv")
    }

    /// Writes what is still in memory. Gives back what was written to.
    ///
    /// # Errors
    /// If writing fails.
    pub(super) fn finish(self) -> Result<W> {
        self.writer.into_inner().map_err(|error| error.into_error()).context("cannot write csv")
    }
}

/// `name` for one element, `name.column` for named ones, `name.0` and so on otherwise.
fn column_names(field: &Field) -> Vec<String> {
    let name = &field.name;
    match &field.columns {
        _ if field.len() == 1 => vec![name.clone()],
        Some(columns) if columns.len() == field.len() => {
            columns.iter().map(|column| format!("{name}.{column}")).collect()
        }
        Some(_) | None => (0..field.len()).map(|index| format!("{name}.{index}")).collect(),
    }
}
