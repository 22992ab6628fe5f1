//! What the calibration rows say of the values that will be encrypted.

use anyhow::{Context, Result, bail};

use crate::model::Model;
use crate::tensor::Row;

/// More rows than this do not change a range enough to be worth their memory.
const MAX_ROWS: usize = 10_000;

/// The prologue's outputs on the calibration rows.
pub struct Calibration {
    inputs: Vec<Row>,
    rows: Vec<Vec<f64>>,
    centers: Vec<f64>,
}

impl Calibration {
    /// Runs the prologue on (at most the first 10,000 of) the rows.
    ///
    /// # Errors
    /// If there are no rows, a row cannot be read, or a value to be encrypted is not finite.
    pub fn collect(prologue: &Model, rows: impl IntoIterator<Item = Result<Row>>) -> Result<Self> {
        let mut inputs = Vec::new();
        let mut values = Vec::new();
        for (index, row) in rows.into_iter().take(MAX_ROWS).enumerate() {
            let row = row?;
            let row_values =
                variables(prologue, &row).with_context(|| format!("calibration row {}", index + 1))?;
            inputs.push(row);
            values.push(row_values);
        }
        let Some(first) = values.first() else { bail!("there are no calibration rows") };
        let range = |variable| range(values.iter().map(|row: &Vec<f64>| row[variable]));
        let centers = (0..first.len()).map(|variable| {
            let (low, high) = range(variable);
            low + (high / 2.0 - low / 2.0)
        });
        let centers = centers.collect();
        Ok(Self { inputs, rows: values, centers })
    }

    /// The raw calibration rows.
    pub fn inputs(&self) -> &[Row] {
        &self.inputs
    }

    /// The middle of each variable's range.
    pub fn centers(&self) -> &[f64] {
        &self.centers
    }

    /// The range of a function of the centered variables over all rows.
    pub fn range_of(&self, function: impl Fn(&[f64]) -> f64) -> (f64, f64) {
        let mut centered = vec![0.0; self.centers.len()];
        range(self.rows.iter().map(|row| {
            let values = row.iter().zip(&self.centers).map(|(value, center)| value - center);
            centered.iter_mut().zip(values).for_each(|(place, value)| *place = value);
            function(&centered)
        }))
    }
}

fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)))
}

fn variables(prologue: &Model, row: &Row) -> Result<Vec<f64>> {
    let mut values = Vec::new();
    for (tensor, output) in prologue.evaluate(row)?.iter().zip(prologue.outputs()) {
        let numbers = tensor.as_numbers()?;
        if let Some(place) = numbers.iter().position(|number| !number.is_finite()) {
            let number = numbers.iter().nth(place).copied().unwrap_or(f64::NAN);
            bail!(
                "'{}' element {place} is {number}\nhint: calibrate with complete rows, or export the model \
                 together with its imputer",
                output.field.name
            );
        }
        values.extend(numbers.iter().copied());
    }
    Ok(values)
}
