//! Rows of JSON text: an array of rows, read one by one, or an object of columns, loaded whole.

mod elements;
mod value;

use std::io::Read;

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde_json::{Map, Value};

use self::elements::{Elements, parse};
use self::value::{cell, kind, scalars};
use super::cell::Cell;
use super::plan::Plan;
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
    Ok(input.peek(MOST_BLANKS, |head| head.iter().any(|byte| is_text(byte)))?.iter().copied().find(is_text))
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
            Some((first, other)) if other != rows => bail!("'{first}' has {other} rows, '{name}' has {rows}"),
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
