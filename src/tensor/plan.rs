//! The fields of a row laid end to end, and the rows built from values in that order.

use anyhow::{Context, Result, bail};
use ndarray::{ArrayD, IxDyn};

use super::cell::Cell;
use super::{DType, Field, Row, Tensor};

/// The fields of a row laid end to end.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    fields: Vec<Field>,
    width: usize,
}

impl Plan {
    /// The plan of rows with these fields.
    ///
    /// # Errors
    /// If there is no field, or a field holds no value.
    pub(super) fn new(fields: &[Field]) -> Result<Self> {
        if fields.is_empty() {
            bail!("there is no field to read data for");
        }
        if let Some(empty) = fields.iter().find(|field| field.is_empty()) {
            bail!("field '{}' has shape {:?}, which holds no value", empty.name, empty.shape);
        }
        Ok(Self { fields: fields.to_vec(), width: fields.iter().map(Field::len).sum() })
    }

    /// The fields in order.
    pub(super) fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The number of values in a row.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// The element type of every value of a row.
    pub(super) fn dtypes(&self) -> impl Iterator<Item = DType> {
        self.fields.iter().flat_map(|field| std::iter::repeat_n(field.dtype, field.len()))
    }

    /// What a row looks like, for messages: `30 values`, or `30 values (shape [1, 5, 6])`.
    pub(super) fn describe(&self) -> String {
        let values = counted(self.width, "value");
        match self.fields.as_slice() {
            [field] if field.shape.len() > 1 => format!("{values} (shape {:?})", field.shape),
            _ => values,
        }
    }

    /// The row whose values `cell` gives, by index and expected element type.
    ///
    /// # Errors
    /// If a value cannot be had or does not fit its field; `place` says where it stands.
    pub(super) fn row(
        &self,
        mut cell: impl FnMut(usize, DType) -> Result<Cell>,
        place: impl Fn(usize) -> String,
    ) -> Result<Row> {
        let mut first = 0;
        let mut row = Vec::with_capacity(self.fields.len());
        for field in &self.fields {
            let indices = first..first + field.len();
            first = indices.end;
            row.push(tensor(field, indices, &mut cell, &place)?);
        }
        Ok(row)
    }
}

/// A count with its noun: `1 value`, `2 values`.
pub(super) fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

fn tensor(
    field: &Field,
    indices: std::ops::Range<usize>,
    cell: &mut impl FnMut(usize, DType) -> Result<Cell>,
    place: &impl Fn(usize) -> String,
) -> Result<Tensor> {
    let shape = IxDyn(&field.batch_shape());
    let cells = indices.map(|index| (index, cell(index, field.dtype)));
    if field.dtype == DType::Text {
        let texts: Result<Vec<String>> =
            cells.map(|(index, cell)| cell.and_then(Cell::into_text).with_context(|| place(index))).collect();
        return Ok(Tensor::text(ArrayD::from_shape_vec(shape, texts?)?));
    }
    let fit = |cell: Cell| cell.into_number(field.dtype);
    let numbers: Result<Vec<f64>> =
        cells.map(|(index, cell)| cell.and_then(fit).with_context(|| place(index))).collect();
    Tensor::numbers(field.dtype, ArrayD::from_shape_vec(shape, numbers?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str, dtype: DType, shape: &[usize]) -> Field {
        Field { name: name.into(), dtype, shape: shape.to_vec(), columns: None }
    }

    #[test]
    fn values_are_dealt_to_the_fields_in_order() {
        let plan = Plan::new(&[field("x", DType::F32, &[1, 2]), field("n", DType::I64, &[])]).unwrap();
        let row = plan.row(|index, _| Ok(Cell::Number(index as f64)), |_| String::new()).unwrap();
        assert_eq!(row[0].shape(), [1, 1, 2]);
        assert_eq!(row[1].shape(), [1]);
        assert_eq!(row[1].as_numbers().unwrap()[[0]], 2.0);
    }

    #[test]
    fn a_field_without_values_is_refused() {
        let message = Plan::new(&[field("x", DType::F32, &[3, 0])]).unwrap_err().to_string();
        assert_eq!(message, "field 'x' has shape [3, 0], which holds no value");
    }
}
