//! JSON values as the values of a row: nested lists flattened, with their shape.

use anyhow::{Result, bail};
use serde_json::Value;

use crate::tensor::Field;
use crate::tensor::cell::Cell;
use crate::tensor::plan::counted;

/// The scalars of a value that stands for `field`: as the field's shape, or as a flat list.
///
/// # Errors
/// If the shape of the value is another one.
pub(super) fn scalars<'a>(value: &'a Value, field: &Field) -> Result<Vec<&'a Value>> {
    let shape = shape_of(value);
    let flat = shape == [field.len()] || (shape.is_empty() && field.len() == 1);
    if !flat && shape != field.shape {
        let wanted = match field.shape.len() {
            0 | 1 => counted(field.len(), "value"),
            _ => format!("shape {:?} or a flat list of {}", field.shape, counted(field.len(), "value")),
        };
        match shape.as_slice() {
            [] => bail!("expected {wanted}, found {}", kind(value)),
            [length] => bail!("expected {wanted}, found a list of {length}"),
            shape => bail!("expected {wanted}, found lists of shape {shape:?}"),
        }
    }
    let mut scalars = Vec::with_capacity(field.len());
    flatten(value, &shape, &mut scalars)?;
    Ok(scalars)
}

/// A scalar as a cell.
///
/// # Errors
/// If it is a list or an object.
pub(super) fn cell(value: &Value) -> Result<Cell> {
    match value {
        Value::Null => Ok(Cell::Missing),
        Value::Bool(truth) => Ok(Cell::Bool(*truth)),
        // Every JSON number has a nearest `f64`.
        Value::Number(number) => Ok(Cell::Number(number.as_f64().unwrap_or(f64::NAN))),
        Value::String(text) => Ok(Cell::Text(text.clone())),
        Value::Array(_) | Value::Object(_) => bail!("expected a number or text, found {}", kind(value)),
    }
}

/// What a value is, for messages.
pub(super) fn kind(value: &Value) -> String {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(_) => "text".to_owned(),
        Value::Array(items) => format!("a list of {}", items.len()),
        Value::Object(_) => "an object".to_owned(),
    }
}

/// The lengths of nested lists, as their first elements have them.
fn shape_of(value: &Value) -> Vec<usize> {
    let mut shape = Vec::new();
    let mut value = Some(value);
    while let Some(Value::Array(items)) = value {
        shape.push(items.len());
        value = items.first();
    }
    shape
}

fn flatten<'a>(value: &'a Value, shape: &[usize], scalars: &mut Vec<&'a Value>) -> Result<()> {
    match (value, shape.split_first()) {
        (Value::Array(items), Some((&length, inner))) if items.len() == length => {
            items.iter().try_for_each(|item| flatten(item, inner, scalars))
        }
        (Value::Array(_), _) | (_, Some(_)) => {
            let wanted =
                shape.first().map_or("a number or text".to_owned(), |length| format!("a list of {length}"));
            bail!("nested lists differ in length: expected {wanted}, found {}", kind(value))
        }
        (_, None) => {
            scalars.push(value);
            Ok(())
        }
    }
}
