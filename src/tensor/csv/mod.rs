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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::tensor::trial::{field, floats, message, numbers, read};
    use crate::tensor::{DType, Field};

    fn mixed() -> Vec<Field> {
        vec![
            field("age", DType::F32, &[1]),
            field("city", DType::Text, &[1]),
            field("kids", DType::I64, &[1]),
        ]
    }

    #[test]
    fn headers_separators_and_line_ends_are_found_out() {
        for text in [
            "1,2\n3,4\n",
            "1,2\r\n3,4",
            "a,b\n1,2\n3,4\n\n\n",
            "\u{feff}a,b\n1,2\n3,4\n",
            "\u{feff}1,2\n3,4\n",
            "1;2\n3;4\n",
            "a\tb\r\n1\t2\r\n3\t4\r\n",
            "\"1\",\"2\"\n 3 , 4 \n",
        ] {
            assert_eq!(numbers("csv", text.as_bytes(), &floats(&[2])), [1.0, 2.0, 3.0, 4.0], "{text:?}");
        }
        assert_eq!(numbers("tsv", b"1\t2\n", &floats(&[2])), [1.0, 2.0]);
        assert_eq!(numbers("data", b"1,2\n", &floats(&[2])), [1.0, 2.0]);
    }

    #[test]
    fn missing_values_are_nan() {
        let read = numbers("csv", b"1,\nNaN,NA\nnull,2\n", &floats(&[2]));
        assert_eq!(
            read.iter().map(|value| value.is_nan()).collect::<Vec<_>>(),
            [false, true, true, true, true, false]
        );
    }

    #[test]
    fn columns_are_matched_by_name_in_any_order() {
        let text = b"city,target,kids,age\n\"Bern, BE\",1,2,30\n,0,0,\n";
        let rows = read("csv", text, &mixed()).unwrap();
        assert_eq!(rows[0][0].as_numbers().unwrap()[[0, 0]], 30.0);
        assert_eq!(rows[0][1].as_text().unwrap()[[0, 0]], "Bern, BE");
        assert_eq!(rows[0][2].as_numbers().unwrap()[[0, 0]], 2.0);
        assert_eq!(rows[1][1].as_text().unwrap()[[0, 0]], "");
        assert!(rows[1][0].as_numbers().unwrap()[[0, 0]].is_nan());
        for header in ["x1,y,x0", "x_1,y,x_0", "x.1,y,x.0", "x[1],y,x[0]"] {
            assert_eq!(numbers("csv", format!("{header}\n2,9,1\n").as_bytes(), &floats(&[2])), [1.0, 2.0]);
        }
    }

    #[test]
    fn text_only_files_have_a_header_if_it_names_the_fields() {
        let fields = [field("a", DType::Text, &[]), field("b", DType::Text, &[])];
        assert_eq!(read("csv", b"a,b\nu,v\n", &fields).unwrap().len(), 1);
        assert_eq!(read("csv", b"s,t\nu,v\n", &fields).unwrap().len(), 2);
    }

    #[test]
    fn wrong_values_are_named_with_line_and_column() {
        for (text, wanted) in [
            ("1,2\n3,abc\n", "'data.csv', line 2, column 2: expected a number, found 'abc'"),
            ("a,b\n1,2\n3,abc\n", "'data.csv', line 3, column 2 ('b'): expected a number, found 'abc'"),
            ("1,2\n3\n", "'data.csv', line 2 has 1 cell, expected 2 values"),
            ("a,b\n1,2,3\n", "'data.csv', line 2 has 3 cells, expected 2 as in the header"),
            ("1,2,3\n", "'data.csv', line 1 has 3 cells, expected 2 values"),
            ("1,1e39\n", "'data.csv', line 1, column 2: 1e39 is beyond the range of float32"),
            ("1;2,5\n", "'data.csv', line 1, column 1: expected a number, found '1;2'"),
            ("\"1\n2\",3\n4,x\n", "'data.csv', line 1, column 1: expected a number, found '1\\n2'"),
            ("1,2\n3,\"4\n5,6\n", "'data.csv', line 2, column 2: expected a number, found '4\\n5,6\\n'"),
            (
                "1,2\n\"3,4\n5,6\n",
                "'data.csv', line 2 has 1 cell, expected 2 values\nhint: is a quote left open?",
            ),
            (
                "1,2\n\n3,4\n",
                "'data.csv', line 2 is blank and rows follow it\nhint: remove it, or write its values",
            ),
            ("a,b\n", "'data.csv' holds no rows"),
            ("", "'data.csv' holds no rows"),
            ("\n\n", "'data.csv' holds no rows"),
        ] {
            assert_eq!(message("csv", text.as_bytes(), &floats(&[2])), wanted, "{text:?}");
        }
        let latin = message("csv", b"1,2\n\xe9,4\n", &floats(&[2]));
        assert_eq!(latin, "'data.csv', line 2 is not UTF-8 text\nhint: save the file as UTF-8");
        let fraction = message("csv", b"1,Rome,0.5\n", &mixed());
        assert_eq!(fraction, "'data.csv', line 1, column 3: expected a whole number (int64), found 0.5");
        let missing = message("csv", b"age,city,kids\n1,Rome,\n", &mixed());
        let wanted =
            "'data.csv', line 2, column 3 ('kids'): a value is missing, and int64 has none to stand for it";
        assert_eq!(missing, wanted);
    }

    #[test]
    fn headers_that_name_too_few_columns_are_refused() {
        for (header, wanted) in [
            (
                "age,city,children,pets",
                "the header has 4 columns, expected 3 values: no column is called 'kids'",
            ),
            (
                "age,kids,town",
                "the header names some columns in another order, and not all: no column is called 'city'",
            ),
            (
                "age,city,kids,age",
                "the header has 4 columns, expected 3 values: columns 1 and 4 are both called 'age'",
            ),
        ] {
            assert_eq!(
                message("csv", format!("{header}\n1,2,3\n").as_bytes(), &mixed()),
                format!("'data.csv': {wanted}")
            );
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in any::<Vec<u8>>(), text in "[0-9a,;\"\\r\\n .x-]{0,60}") {
            for fields in [floats(&[2]), mixed()] {
                let _ = read("csv", &bytes, &fields);
                let _ = read("csv", text.as_bytes(), &fields);
                let _ = read("unknown", &bytes, &fields);
            }
        }
    }
}
