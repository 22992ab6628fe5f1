//! Columns of data: one label or target for each row.

use std::io::{BufReader, Read};

use anyhow::{Context, Result, bail, ensure};

use super::cell::Cell;
use super::csv::Records;
use super::kind::Kind;
use super::npy::Array;
use super::plan::{Plan, counted};
use super::source::{Input, Source, open_file};
use super::{DType, Field, json, npz};

/// One value for each row: labels or targets.
#[derive(Clone, Debug, PartialEq)]
pub enum Labels {
    /// Numbers; truth values are 1 and 0.
    Numbers(Vec<f64>),
    /// Text.
    Text(Vec<String>),
}

impl Labels {
    /// The number of values.
    pub fn len(&self) -> usize {
        match self {
            Self::Numbers(values) => values.len(),
            Self::Text(values) => values.len(),
        }
    }

    /// Whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A column as read: labels, of which the first may turn out to be a heading.
#[derive(Clone, Debug)]
pub struct Column {
    label: String,
    labels: Labels,
    may_have_heading: bool,
}

impl Column {
    /// The labels of this many rows.
    ///
    /// A text that is one too many at the head of a csv file is its heading and left out.
    ///
    /// # Errors
    /// If there are more or fewer labels than rows.
    pub fn for_rows(self, rows: usize) -> Result<Labels> {
        match self.labels {
            labels if labels.len() == rows => Ok(labels),
            Labels::Text(mut texts) if self.may_have_heading && texts.len() == rows + 1 => {
                texts.remove(0);
                Ok(Labels::Text(texts))
            }
            labels => {
                let (found, wanted) = (counted(labels.len(), "label"), counted(rows, "row"));
                bail!("{} has {found}, the data have {wanted}", self.label)
            }
        }
    }
}

/// Reads one value for each row: an npy array of shape `[rows]` or `[rows, 1]`, a csv file of one
/// column with or without a heading, or a JSON list.
///
/// # Errors
/// If the data cannot be read, have more columns than one, hold no value or lack one.
pub fn read_column(source: &Source) -> Result<Column> {
    let label = source.label();
    let mut input = source.open()?;
    let kind = Kind::of(source, &mut input)?;
    let may_have_heading = matches!(kind, Kind::Csv);
    let labels = match kind {
        Kind::Csv => of_csv(&label, input)?,
        Kind::Json => of_json(&label, input)?,
        Kind::Npy(bytes) => of_array(Array::open(label.clone(), BufReader::new(input), bytes)?)?,
        Kind::Npz(path) => of_array(npz::only_array(&label, open_file(path)?.0)?)?,
    };
    ensure!(!labels.is_empty(), "{label} holds no rows");
    Ok(Column { label, labels, may_have_heading })
}

fn of_csv(label: &str, mut input: Input) -> Result<Labels> {
    input.skip_byte_order_mark().with_context(|| format!("cannot read {label}"))?;
    let mut texts = Vec::new();
    for record in Records::new(label.to_owned(), input, b',') {
        let (line, record) = record?;
        match record.iter().collect::<Vec<_>>().as_slice() {
            [text] => texts.push((*text).to_owned()),
            cells => bail!(
                "{label}, line {line} has {} cells, expected 1 label\nhint: keep the column of labels only",
                cells.len()
            ),
        }
    }
    let numbers = |texts: &[String]| texts.iter().map(|text| number(Cell::parse(text)?)).collect();
    if let Some(numbers) = numbers(&texts) {
        return Ok(Labels::Numbers(numbers));
    }
    match texts.split_first() {
        Some((_heading, others)) if !others.is_empty() => {
            Ok(numbers(others).map_or(Labels::Text(texts), Labels::Numbers))
        }
        _ => Ok(Labels::Text(texts)),
    }
}

fn of_json(label: &str, input: Input) -> Result<Labels> {
    let cells = json::scalar_list(label, input)?;
    if let Some(missing) = cells.iter().position(|cell| *cell == Cell::Missing) {
        bail!("{label}, row {}: the label is missing", missing + 1);
    }
    if let Some(numbers) = cells.iter().cloned().map(number).collect() {
        return Ok(Labels::Numbers(numbers));
    }
    let texts = cells.into_iter().map(Cell::into_text).collect::<Result<_>>();
    Ok(Labels::Text(texts.with_context(|| format!("{label} mixes text and numbers"))?))
}

fn of_array<R: Read>(array: Array<R>) -> Result<Labels> {
    let is_text = array.is_text();
    let dtype = if is_text { DType::Text } else { DType::F64 };
    let field = Field { name: "label".to_owned(), dtype, shape: Vec::new(), columns: None };
    let (mut numbers, mut texts) = (Vec::new(), Vec::new());
    for row in array.rows(Plan::new(&[field])?)? {
        for tensor in row? {
            if is_text {
                texts.extend(tensor.as_text()?.iter().cloned());
            } else {
                numbers.extend(tensor.as_numbers()?);
            }
        }
    }
    Ok(if is_text { Labels::Text(texts) } else { Labels::Numbers(numbers) })
}

fn number(cell: Cell) -> Option<f64> {
    match cell {
        Cell::Number(value) => Some(value),
        Cell::Bool(truth) => Some(f64::from(u8::from(truth))),
        Cell::Text(_) | Cell::Missing => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(extension: &str, bytes: &[u8]) -> Result<Column> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(format!("y.{extension}"));
        std::fs::write(&path, bytes).unwrap();
        read_column(&Source::File(path))
    }

    fn labels(extension: &str, bytes: &[u8]) -> Labels {
        column(extension, bytes).unwrap().labels
    }

    fn message(extension: &str, bytes: &[u8]) -> String {
        format!("{:#}", column(extension, bytes).unwrap_err())
    }

    fn texts(texts: &[&str]) -> Labels {
        Labels::Text(texts.iter().map(|&text| text.to_owned()).collect())
    }

    #[test]
    fn numbers_come_with_and_without_a_heading() {
        assert_eq!(labels("csv", b"0\n1\n2\n"), Labels::Numbers(vec![0.0, 1.0, 2.0]));
        assert_eq!(labels("csv", b"target\r\n1.5\r\n-2\r\n"), Labels::Numbers(vec![1.5, -2.0]));
        assert_eq!(labels("csv", b"True\nFalse\n"), Labels::Numbers(vec![1.0, 0.0]));
        assert_eq!(labels("json", b"[1, 0, 2.5]"), Labels::Numbers(vec![1.0, 0.0, 2.5]));
    }

    #[test]
    fn a_heading_over_text_is_known_by_the_number_of_rows() {
        let column = column("csv", b"species\nsetosa\nvirginica\n").unwrap();
        assert_eq!(column.clone().for_rows(2).unwrap(), texts(&["setosa", "virginica"]));
        assert_eq!(column.clone().for_rows(3).unwrap(), texts(&["species", "setosa", "virginica"]));
        let message = column.for_rows(5).unwrap_err().to_string();
        assert!(message.ends_with("y.csv' has 3 labels, the data have 5 rows"), "{message}");
    }

    #[test]
    fn json_text_has_no_heading() {
        let column = column("json", br#"["a", "b", "a"]"#).unwrap();
        assert_eq!(column.labels, texts(&["a", "b", "a"]));
        assert!(column.for_rows(2).is_err());
    }

    #[test]
    fn what_is_no_column_is_refused() {
        assert!(
            message("csv", b"1,2\n")
                .ends_with("line 1 has 2 cells, expected 1 label\nhint: keep the column of labels only")
        );
        assert!(message("csv", b"1\n\n2\n").contains("line 2 is blank and rows follow it"));
        assert!(message("csv", b"").ends_with("holds no rows"));
        assert!(message("json", b"[1, null]").ends_with("row 2: the label is missing"));
        assert!(
            message("json", b"[1, \"a\"]")
                .contains("mixes text and numbers: expected text, found the number 1")
        );
        assert!(message("json", b"[[1]]").ends_with("row 1: expected a number or text, found a list of 1"));
        assert!(message("json", b"{}").starts_with("expected an array of values in "));
    }
}
