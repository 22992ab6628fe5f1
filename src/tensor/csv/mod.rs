//! Rows of csv text, read line by line.

mod layout;
mod limit;

use anyhow::{Context, Result, anyhow, bail};
use csv::{ErrorKind, Reader, ReaderBuilder, StringRecord};

use self::layout::Layout;
use self::limit::Limited;
pub(super) use self::limit::MOST_BYTES;
use super::cell::Cell;
use super::plan::{Plan, counted};
use super::source::Input;
use super::{DType, Row};

/// The rows of csv text.
pub(super) struct CsvRows {
    records: Records,
    layout: Layout,
    plan: Plan,
}

impl CsvRows {
    /// Finds out the layout from the first line; messages call the text `label`.
    ///
    /// # Errors
    /// If reading fails, or the header does not name the fields.
    pub(super) fn open(label: String, mut input: Input, plan: Plan) -> Result<Self> {
        let layout = Layout::detect(first_record(&mut input)?, &plan).with_context(|| label.clone())?;
        let mut records = Records::new(label, input, layout.delimiter);
        if layout.header.is_some() {
            records.next().transpose()?;
        }
        Ok(Self { records, layout, plan })
    }

    fn row(&self, line: u64, record: &StringRecord) -> Result<Row> {
        let label = &self.records.label;
        let (found, wanted) = (record.len(), self.layout.width);
        if found != wanted {
            let hint = if record.iter().any(|cell| cell.contains('\n')) {
                "\nhint: is a quote left open?"
            } else {
                ""
            };
            let cells = counted(found, "cell");
            bail!("{label}, line {line} has {cells}, expected {}{hint}", self.layout.describe(&self.plan));
        }
        let column = |value| self.layout.column_of(value);
        let cell = |value, dtype: DType| Cell::of_text(record.get(column(value)).unwrap_or_default(), dtype);
        self.plan
            .row(cell, |value| format!("{label}, line {line}, column {}", self.layout.name_of(column(value))))
    }
}

impl Iterator for CsvRows {
    type Item = Result<Row>;

    fn next(&mut self) -> Option<Self::Item> {
        let record = self.records.next()?;
        Some(record.and_then(|(line, record)| self.row(line, &record)))
    }
}

/// The records of csv text with their line numbers.
pub(super) struct Records {
    label: String,
    reader: Reader<Limited<Input>>,
}

impl Records {
    /// Reads records whose cells `delimiter` separates.
    pub(super) fn new(label: String, input: Input, delimiter: u8) -> Self {
        let reader = builder(delimiter).from_reader(Limited::new(input));
        Self { label, reader }
    }

    fn read(&mut self) -> Result<Option<(u64, StringRecord)>> {
        let mut record = StringRecord::new();
        let line = self.reader.position().line();
        self.reader.get_mut().restart();
        match self.reader.read_record(&mut record) {
            Ok(false) => return Ok(None),
            Ok(true) => {}
            Err(error) => return Err(self.explained(line, error)),
        }
        let within: usize = record.iter().map(|cell| cell.matches('\n').count()).sum();
        let passed = self.reader.position().line() - line;
        if passed > within as u64 + 1 {
            bail!(
                "{}, line {line} is blank and rows follow it\nhint: remove it, or write its values",
                self.label
            );
        }
        Ok(Some((line, record)))
    }

    fn explained(&self, line: u64, error: csv::Error) -> anyhow::Error {
        let label = &self.label;
        match error.into_kind() {
            ErrorKind::Utf8 { .. } => {
                anyhow!("{label}, line {line} is not UTF-8 text\nhint: save the file as UTF-8")
            }
            ErrorKind::Io(error) => anyhow!(error).context(format!("cannot read {label}, line {line}")),
            other => anyhow!("cannot read {label}, line {line}: {other:?}"),
        }
    }
}

impl Iterator for Records {
    type Item = Result<(u64, StringRecord)>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

/// The bytes up to the end of the first record, and perhaps more.
fn first_record(input: &mut Input) -> Result<&[u8]> {
    input.skip_byte_order_mark()?;
    Ok(input.peek(MOST_BYTES as usize, holds_a_record)?)
}

/// Whether a line ends outside of quotes.
fn holds_a_record(bytes: &[u8]) -> bool {
    let mut quoted = false;
    let mut begun = false;
    bytes.iter().any(|&byte| {
        quoted ^= byte == b'"';
        let ends = matches!(byte, b'\n' | b'\r');
        begun |= !ends;
        begun && ends && !quoted
    })
}

fn builder(delimiter: u8) -> ReaderBuilder {
    let mut builder = ReaderBuilder::new();
    builder.has_headers(false).flexible(true).delimiter(delimiter);
    builder
}
