//! What the calibration rows say of the values that will be encrypted.

use anyhow::{Context, Result, bail};

use crate::model::Model;
use crate::tensor::Row;

/// More rows than this do not change a range enough to be worth their memory.
const MAX_ROWS: usize = 10_000;

/// The values of one number over the calibration rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    /// The smallest value.
    pub low: f64,
    /// The largest value.
    pub high: f64,
    /// The standard deviation.
    pub deviation: f64,
}

/// The prologue's outputs on the calibration rows.
pub struct Calibration {
    inputs: Vec<Row>,
    /// The centered variables of each row.
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
        let centers = (0..first.len()).map(|variable| {
            let range = Range::of(values.iter().map(|row: &Vec<f64>| row[variable]));
            range.low + (range.high / 2.0 - range.low / 2.0)
        });
        let centers: Vec<f64> = centers.collect();
        for row in &mut values {
            row.iter_mut().zip(&centers).for_each(|(value, center)| *value -= center);
        }
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
    pub fn range_of(&self, function: impl Fn(&[f64]) -> f64) -> Range {
        Range::of(self.rows.iter().map(|row| function(row)))
    }
}

impl Range {
    fn of(values: impl Iterator<Item = f64> + Clone) -> Self {
        let count = values.clone().count().max(1) as f64;
        let mean = values.clone().sum::<f64>() / count;
        let variance = values.clone().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
        Self {
            low: values.clone().fold(f64::INFINITY, f64::min),
            high: values.fold(f64::NEG_INFINITY, f64::max),
            deviation: variance.sqrt(),
        }
    }

    /// The range with a part of its width added on either side; a single value gets its own size.
    pub fn widened(&self, margin: f64) -> (f64, f64) {
        let margin = match self.high - self.low {
            0.0 => self.low.abs().max(1.0),
            width => width * margin,
        };
        (self.low - margin, self.high + margin)
    }

    /// What steps are measured in: the standard deviation, but no less than a small part of the width,
    /// so that an outlier does not cost all the bits.
    pub fn unit(&self) -> f64 {
        let (low, high) = self.widened(0.0);
        self.deviation.max((high - low) * 2.0_f64.powi(-8))
    }
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
