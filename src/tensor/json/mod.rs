//! Rows of JSON text: an array of rows, read one by one, or an object of columns, loaded whole.

mod elements;
mod value;

use std::io::Read;

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde_json::{Map, Value};

use self::elements::{Elements, parse};
use self::value::{cell, kind, scalars};
use super::cell::Cell;
use super::plan::{Plan, counted};
use super::source::Input;
use super::{Field, Row};

/// The rows of JSON text.
pub(super) struct JsonRows {
    label: String,
    plan: Plan,
    rows: Items,
    read: usize,
}

enum Items {
    /// The elements of an array are rows.
    Array(Elements),
    /// Every field has an array of its values.
    Columns(Map<String, Value>, usize),
}

impl JsonRows {
    /// Tells rows from columns by the first bracket; messages call the text `label`.
    ///
    /// # Errors
    /// If the text begins with neither, or is an object that does not hold a column for each
    /// field.
    pub(super) fn open(label: String, mut input: Input, plan: Plan) -> Result<Self> {
        let rows = match first_byte(&mut input)? {
            Some(b'[') => Items::Array(Elements::open(label.clone(), input)?),
            Some(b'{') => {
                let columns = read_object(input).with_context(|| format!("cannot read {label}"))?;
                let rows = column_length(&columns, &plan).with_context(|| label.clone())?;
                Items::Columns(columns, rows)
            }
            Some(_) => bail!("cannot read {label}: JSON data begins with '[' or '{{'"),
            None => bail!("{label} holds no rows"),
        };
        Ok(Self { label, plan, rows, read: 0 })
    }

    fn next_values(&mut self) -> Option<Result<Vec<Cell>>> {
        let plan = &self.plan;
        match &mut self.rows {
            Items::Array(elements) => {
                let place = || format!("{}, row {}", self.label, self.read + 1);
                Some(elements.next()?.and_then(|row| row_values(&row, plan).with_context(place)))
            }
            Items::Columns(columns, rows) => {
                (self.read < *rows).then(|| values_of(plan, |field| column(columns, field)?.get(self.read)))
            }
        }
    }
}

impl Iterator for JsonRows {
    type Item = Result<Row>;

    fn next(&mut self) -> Option<Self::Item> {
        let values = self.next_values()?;
        self.read += 1;
        Some(values.and_then(|values| {
            let mut values = values.into_iter();
            let cell = |_, _| values.next().context("a value is missing");
            self.plan.row(cell, |value| format!("{}, row {}, value {}", self.label, self.read, value + 1))
        }))
    }
}

/// The scalars of a JSON array.
///
/// # Errors
/// If the text is no JSON array, or an element is no scalar.
pub(super) fn scalar_list(label: &str, mut input: Input) -> Result<Vec<Cell>> {
    let first = first_byte(&mut input)?;
    ensure!(first == Some(b'['), "expected an array of values in {label}");
    let place = |index| format!("{label}, row {}", index + 1);
    let elements = Elements::open(label.to_owned(), input)?.enumerate();
    elements.map(|(index, element)| cell(&element?).with_context(|| place(index))).collect()
}

fn first_byte(input: &mut Input) -> Result<Option<u8>> {
    const MOST_BLANKS: usize = 1 << 16;
    input.skip_byte_order_mark()?;
    let is_text = |byte: &u8| !byte.is_ascii_whitespace();
    Ok(input.peek(MOST_BLANKS, |head| head.iter().any(is_text))?.iter().copied().find(is_text))
}

fn read_object(input: Input) -> Result<Map<String, Value>> {
    const MOST: u64 = 1 << 30;
    let mut text = Vec::new();
    input.take(MOST + 1).read_to_end(&mut text)?;
    ensure!(
        text.len() as u64 <= MOST,
        "an object of columns may take {MOST} bytes, this one takes more\nhint: write an array of rows, or csv"
    );
    match parse(&text)? {
        Value::Object(columns) => Ok(columns),
        other => bail!("expected an object, found {}", kind(&other)),
    }
}

/// The number of values in every column.
fn column_length(columns: &Map<String, Value>, plan: &Plan) -> Result<usize> {
    let mut length: Option<(&str, usize)> = None;
    for field in plan.fields() {
        let name = field.name.as_str();
        let rows = column(columns, field)
            .with_context(|| {
                format!("expected an array of rows called '{name}', found {}", found(columns, name))
            })?
            .len();
        match length {
            Some((first, other)) if other != rows => {
                bail!("'{first}' has {}, '{name}' has {rows}", counted(other, "row"))
            }
            _ => length = Some((name, rows)),
        }
    }
    Ok(length.map_or(0, |(_, rows)| rows))
}

fn column<'a>(columns: &'a Map<String, Value>, field: &Field) -> Option<&'a Vec<Value>> {
    columns.get(&field.name)?.as_array()
}

fn found(object: &Map<String, Value>, name: &str) -> String {
    match object.get(name) {
        Some(value) => kind(value),
        None if object.is_empty() => "no names".to_owned(),
        None => object.keys().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", "),
    }
}

fn row_values(row: &Value, plan: &Plan) -> Result<Vec<Cell>> {
    match (row, plan.fields()) {
        (Value::Object(parts), _) => {
            if let Some(missing) = plan.fields().iter().find(|field| !parts.contains_key(&field.name)) {
                bail!("expected a value called '{}', found {}", missing.name, found(parts, &missing.name));
            }
            values_of(plan, |field| parts.get(&field.name))
        }
        (Value::Array(items), [_, _, ..]) => {
            let (found, wanted) = (items.len(), plan.width());
            ensure!(found == wanted, "expected {}, found a list of {found}", plan.describe());
            items.iter().map(cell).collect()
        }
        (scalar, _) if !scalar.is_array() && plan.width() > 1 => bail!(
            "expected {}, found {}\nhint: write every row as a list, a lone row too: [[1, 2, 3]]",
            plan.describe(),
            kind(scalar)
        ),
        (row, _) => values_of(plan, |_| Some(row)),
    }
}

/// The cells of all fields, given the JSON value of each.
fn values_of<'a>(plan: &Plan, value: impl Fn(&Field) -> Option<&'a Value>) -> Result<Vec<Cell>> {
    let mut cells = Vec::with_capacity(plan.width());
    for field in plan.fields() {
        let of_field = || format!("'{}'", field.name);
        let value = value(field).ok_or_else(|| anyhow!("a value is missing")).with_context(of_field)?;
        let scalars = scalars(value, field).with_context(of_field)?;
        cells.extend(scalars.into_iter().map(cell).collect::<Result<Vec<_>>>().with_context(of_field)?);
    }
    Ok(cells)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::tensor::trial::{field, floats, message, numbers, read};
    use crate::tensor::{DType, Field};

    fn mixed() -> Vec<Field> {
        vec![field("a", DType::F32, &[2]), field("t", DType::Text, &[])]
    }

    #[test]
    fn rows_are_lists_nested_lists_or_objects() {
        for text in [
            "[[1,2,3,4],[5,6,7,8]]",
            " [ [[1, 2], [3, 4]],\n[[5,6],[7,8]] ] \n",
            r#"[{"x": [1,2,3,4], "y": 9}, {"x": [[5,6],[7,8]]}]"#,
            r#"{"x": [[1,2,3,4],[[5,6],[7,8]]], "y": "ignored"}"#,
            "\u{feff}[[1,2,3,4],[5,6,7,8]]",
        ] {
            let read = numbers("json", text.as_bytes(), &floats(&[2, 2]));
            assert_eq!(read, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0], "{text}");
        }
        assert_eq!(numbers("json", b"[1, true, 2.5]", &floats(&[])), [1.0, 1.0, 2.5]);
        assert!(numbers("json", b"[null]", &floats(&[1]))[0].is_nan());
    }

    #[test]
    fn several_fields_come_flat_or_by_name() {
        for text in
            [r#"[[1, 2, "],\"["]]"#, r#"[{"t": "],\"[", "a": [1, 2]}]"#, r#"{"t": ["],\"["], "a": [[1, 2]]}"#]
        {
            let rows = read("json", text.as_bytes(), &mixed()).unwrap();
            assert_eq!(rows[0][0].as_numbers().unwrap()[[0, 1]], 2.0);
            assert_eq!(rows[0][1].as_text().unwrap()[[0]], "],\"[");
        }
    }

    #[test]
    fn wrong_rows_are_named() {
        for (text, wanted) in [
            ("[[1,2],[3]]", "'data.json', row 2: 'x': expected 2 values, found a list of 1"),
            (
                "[[1,[2]]]",
                "'data.json', row 1: 'x': nested lists differ in length: expected a number or text, found a list of 1",
            ),
            ("[[1,\"a\"]]", "'data.json', row 1, value 2: expected a number, found 'a'"),
            (
                "[1,2]",
                "'data.json', row 1: expected 2 values, found 1\nhint: write every row as a list, a lone row too: [[1, 2, 3]]",
            ),
            ("[{\"y\": 1}]", "'data.json', row 1: expected a value called 'x', found 'y'"),
            ("{\"y\": 1}", "'data.json': expected an array of rows called 'x', found 'y'"),
            ("{\"x\": 1}", "'data.json': expected an array of rows called 'x', found 1"),
            ("{\"x\": [[1, 1e39]]}", "'data.json', row 1, value 2: 1e39 is beyond the range of float32"),
            ("[[1,2],,[3,4]]", "cannot read 'data.json', row 2: nothing stands between the commas"),
            ("[[1,2],]", "cannot read 'data.json', row 2: nothing stands between the commas"),
            ("[[1,2]", "cannot read 'data.json': it ends within row 1, its array is not closed"),
            ("[[1,2]] 3", "cannot read 'data.json': it goes on after the array of rows"),
            ("7", "cannot read 'data.json': JSON data begins with '[' or '{'"),
            ("[]", "'data.json' holds no rows"),
            ("{\"x\": []}", "'data.json' holds no rows"),
            ("", "'data.json' holds no rows"),
        ] {
            assert_eq!(message("json", text.as_bytes(), &floats(&[2])), wanted, "{text}");
        }
        let uneven = message("json", br#"{"a": [[1,2]], "t": ["u", "v"]}"#, &mixed());
        assert_eq!(uneven, "'data.json': 'a' has 1 row, 't' has 2");
        let number = message("json", br#"[[1, 2, 3]]"#, &mixed());
        assert_eq!(number, "'data.json', row 1, value 3: expected text, found the number 3.0");
        let nan = message("json", b"[[1, NaN]]", &floats(&[2]));
        assert!(
            nan.ends_with("\nhint: JSON has neither NaN nor infinity: write null for a missing value"),
            "{nan}"
        );
        let shape = message("json", b"[[[1,2,3]]]", &floats(&[2, 2]));
        let wanted = "'data.json', row 1: 'x': expected shape [2, 2] or a flat list of 4 values, \
                      found lists of shape [1, 3]";
        assert_eq!(shape, wanted);
    }

    #[test]
    fn deep_nesting_is_an_error_and_no_overflow() {
        for deep in ["[".repeat(100_000), "{\"x\":".repeat(100_000)] {
            assert!(read("json", deep.as_bytes(), &floats(&[2])).is_err());
        }
        let closed = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(message("json", closed.as_bytes(), &floats(&[2])).contains("recursion limit"));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in any::<Vec<u8>>(), text in "[\\[{][0-9ax,:\"\\[\\]{} .e-]{0,60}") {
            for fields in [floats(&[2]), mixed()] {
                let _ = read("json", &bytes, &fields);
                let _ = read("json", text.as_bytes(), &fields);
            }
        }
    }
}
