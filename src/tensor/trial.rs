//! For tests: fields, and data files written and read in one step.

use anyhow::Result;

use super::{DType, Field, Row, Source, read_rows};

/// A field without named columns.
pub(super) fn field(name: &str, dtype: DType, shape: &[usize]) -> Field {
    Field { name: name.to_owned(), dtype, shape: shape.to_vec(), columns: None }
}

/// A single field of `float32` values called `x`.
pub(super) fn floats(shape: &[usize]) -> Vec<Field> {
    vec![field("x", DType::F32, shape)]
}

/// The rows of a file `data.<extension>` with these bytes.
pub(super) fn read(extension: &str, bytes: &[u8], fields: &[Field]) -> Result<Vec<Row>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join(format!("data.{extension}"));
    std::fs::write(&path, bytes)?;
    read_rows(&Source::File(path), fields)?.collect()
}

/// The numbers of all fields of all rows.
pub(super) fn numbers(extension: &str, bytes: &[u8], fields: &[Field]) -> Vec<f64> {
    let rows = read(extension, bytes, fields).unwrap();
    rows.iter().flatten().flat_map(|tensor| tensor.as_numbers().unwrap().iter().copied()).collect()
}

/// The error of reading, with the folder of the file left out.
pub(super) fn message(extension: &str, bytes: &[u8], fields: &[Field]) -> String {
    let text = format!("{:#}", read(extension, bytes, fields).unwrap_err());
    let mut parts = text.split('\'');
    let is_path = |part: &&str| part.ends_with(&format!("/data.{extension}"));
    let path = parts.find(is_path).unwrap_or_default();
    text.replace(path, &format!("data.{extension}"))
}
