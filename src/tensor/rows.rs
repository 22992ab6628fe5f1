//! Opens data of any format and gives its rows one by one.

use std::io::BufReader;

use anyhow::{Result, ensure};

use super::csv::CsvRows;
use super::json::JsonRows;
use super::kind::Kind;
use super::npy::Array;
use super::npz::ArchiveRows;
use super::plan::Plan;
use super::source::{Source, open_file};
use super::{Field, Row};

/// The rows of a data file, each fitted to the fields it was opened for.
pub struct Rows {
    first: Option<Row>,
    others: Box<dyn Iterator<Item = Result<Row>> + Send>,
    len: Option<u64>,
    failed: bool,
}

impl Rows {
    /// The number of rows in the data, where the format tells it: in npy and npz files.
    pub fn len_hint(&self) -> Option<u64> {
        self.len
    }
}

impl Iterator for Rows {
    type Item = Result<Row>;

    /// The next row. After an error there is none.
    fn next(&mut self) -> Option<Self::Item> {
        if let Some(first) = self.first.take() {
            return Some(Ok(first));
        }
        if self.failed {
            return None;
        }
        let row = self.others.next();
        self.failed = matches!(row, Some(Err(_)));
        row
    }
}

/// Opens data and gives its rows one by one, each fitted to `fields`.
///
/// # Errors
/// If the data cannot be read, do not fit the fields, or hold no row. Later rows give their
/// errors in their turn.
pub fn read_rows(source: &Source, fields: &[Field]) -> Result<Rows> {
    let plan = Plan::new(fields)?;
    let label = source.label();
    let mut input = source.open()?;
    let mut len = None;
    let mut others: Box<dyn Iterator<Item = Result<Row>> + Send> = match Kind::of(source, &mut input)? {
        Kind::Csv => Box::new(CsvRows::open(label, input, plan)?),
        Kind::Json => Box::new(JsonRows::open(label, input, plan)?),
        Kind::Npy(bytes) => {
            let rows = Array::open(label, BufReader::new(input), bytes)?.rows(plan)?;
            len = Some(rows.len());
            Box::new(rows)
        }
        Kind::Npz(path) => {
            let rows = ArchiveRows::open(&label, open_file(path)?.0, &plan)?;
            len = Some(rows.len());
            Box::new(rows)
        }
    };
    let first = others.next().transpose()?;
    ensure!(first.is_some(), "{} holds no rows", source.label());
    Ok(Rows { first, others, len, failed: false })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::trial::{floats, message, numbers};

    fn open(name: &str, bytes: &[u8]) -> Result<Rows> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        read_rows(&Source::File(path), &floats(&[1]))
    }

    #[test]
    fn after_an_error_there_are_no_more_rows() {
        let mut rows = open("x.csv", b"1\nabc\n3\n").unwrap();
        assert_eq!(rows.len_hint(), None);
        assert!(rows.next().unwrap().is_ok());
        assert!(rows.next().unwrap().is_err());
        assert!(rows.next().is_none());
    }

    #[test]
    fn files_without_a_known_extension_are_told_by_their_bytes() {
        assert_eq!(numbers("txt", b" [[1], [2]]", &floats(&[1])), [1.0, 2.0]);
        assert_eq!(numbers("txt", b"1\n2\n", &floats(&[1])), [1.0, 2.0]);
        let npy =
            b"\x93NUMPY\x01\x00\x3b\x00{'descr': '|u1', 'fortran_order': False, 'shape': (2, 1), }\x01\x02";
        assert_eq!(numbers("txt", npy, &floats(&[1])), [1.0, 2.0]);
        let gzip = message("gz", b"\x1f\x8b\x08", &floats(&[1]));
        assert_eq!(gzip, "'data.gz' is compressed with gzip\nhint: unpack it first, for example with gunzip");
    }

    #[test]
    fn npy_files_know_their_number_of_rows() {
        let npy =
            b"\x93NUMPY\x01\x00\x3b\x00{'descr': '|u1', 'fortran_order': False, 'shape': (2, 1), }\x01\x02";
        assert_eq!(open("x.npy", npy).unwrap().len_hint(), Some(2));
    }
}
