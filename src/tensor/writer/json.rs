//! Rows as JSON: an array of objects, one on each line.

use std::io::{BufWriter, Write};

use anyhow::{Context, Result};

use super::element::texts;
use crate::tensor::{DType, Field, Tensor};

/// Writes rows as an array of JSON objects.
pub(super) struct JsonWriter<W: Write> {
    out: BufWriter<W>,
    fields: Vec<Field>,
    begun: bool,
}

impl<W: Write> JsonWriter<W> {
    /// Opens the array.
    ///
    /// # Errors
    /// If writing fails.
    pub(super) fn new(out: W, fields: &[&Field]) -> Result<Self> {
        let mut out = BufWriter::new(out);
        out.write_all(b"[").context("cannot write JSON")?;
        Ok(Self { out, fields: fields.iter().map(|&field| field.clone()).collect(), begun: false })
    }

    /// Writes one row as an object of its outputs by name.
    ///
    /// # Errors
    /// If writing fails.
    pub(super) fn write(&mut self, values: &[&Tensor]) -> Result<()> {
        let outputs = self.fields.iter().zip(values);
        let members: Vec<String> = outputs
            .map(|(field, tensor)| member(&field.name, &value(field, &literals(tensor, field.dtype))))
            .collect();
        let comma = if self.begun { "," } else { "" };
        self.begun = true;
        write!(self.out, "{comma}\n{}", object(&members)).context("cannot write JSON")
    }

    /// Closes the array. Gives back what was written to.
    ///
    /// # Errors
    /// If writing fails.
    pub(super) fn finish(mut self) -> Result<W> {
        self.out.write_all(b"\n]\n").context("cannot write JSON")?;
        self.out.into_inner().map_err(|error| error.into_error()).context("cannot write JSON")
    }
}

/// A scalar, an object of named columns, or nested lists.
fn value(field: &Field, literals: &[String]) -> String {
    match (literals, &field.columns) {
        ([only], _) => only.clone(),
        (_, Some(columns)) if columns.len() == literals.len() => {
            let members: Vec<String> =
                columns.iter().zip(literals).map(|(column, literal)| member(column, literal)).collect();
            object(&members)
        }
        (_, Some(_) | None) => list(&field.shape, literals),
    }
}

fn list(shape: &[usize], literals: &[String]) -> String {
    match shape {
        [_, inner @ ..] if !inner.is_empty() => {
            let size = inner.iter().product::<usize>().max(1);
            let items: Vec<String> = literals.chunks(size).map(|part| list(inner, part)).collect();
            format!("[{}]", items.join(", "))
        }
        _ => format!("[{}]", literals.join(", ")),
    }
}

/// The elements as JSON; what JSON cannot say, NaN and infinity, as `null`.
fn literals(tensor: &Tensor, dtype: DType) -> Vec<String> {
    let texts = texts(tensor, dtype);
    if tensor.dtype() == DType::Text {
        return texts.iter().map(|text| quoted(text)).collect();
    }
    let numbers = tensor.as_numbers().into_iter().flatten();
    let literal = |(text, number): (String, &f64)| if number.is_finite() { text } else { "null".to_owned() };
    texts.into_iter().zip(numbers).map(literal).collect()
}

fn member(name: &str, literal: &str) -> String {
    format!("{}: {literal}", quoted(name))
}

fn object(members: &[String]) -> String {
    format!("{{{}}}", members.join(", "))
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
