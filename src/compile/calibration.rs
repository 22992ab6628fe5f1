//! What the calibration rows say of the values that will be encrypted.

use anyhow::{Context, Result, bail};

use crate::model::Model;
use crate::tensor::Row;

/// Variables of one input whose widths differ by less than this factor from the common width (the
/// pixels of an image, standardised columns) share one range, so that a pixel that was dark in every
/// calibration row may yet be bright.
const ONE_SCALE: f64 = 4.0;

/// Part of a calibrated range that is added on either side.
const MARGIN: f64 = 0.5;
/// More rows than this do not change a range enough to be worth their memory.
pub const MAX_ROWS: usize = 10_000;

/// The values of one number over the calibration rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    /// The smallest value.
    pub low: f64,
    /// The largest value.
    pub high: f64,
    /// The average.
    pub mean: f64,
    /// The standard deviation.
    pub deviation: f64,
}

/// The prologue's outputs on the calibration rows.
pub struct Calibration {
    /// The centered variables of each row.
    rows: Vec<Vec<f64>>,
    centers: Vec<f64>,
    /// How far from its center each variable is expected to go.
    reaches: Vec<f64>,
}

impl Calibration {
    /// Runs the prologue on the rows.
    ///
    /// # Errors
    /// If there are no rows, or a value to be encrypted is not finite.
    pub fn collect(prologue: &Model, rows: &[Row]) -> Result<Self> {
        let value = |(index, row)| {
            finite_variables(prologue, row).with_context(|| format!("calibration row {}", index + 1))
        };
        let mut values = rows.iter().enumerate().map(value).collect::<Result<Vec<_>>>()?;
        let Some(first) = values.first() else { bail!("there are no calibration rows") };
        let column = |variable: usize| values.iter().map(move |row: &Vec<f64>| row[variable]);
        let mut ranges: Vec<Range> = (0..first.len()).map(|variable| Range::of(column(variable))).collect();
        let mut rest = ranges.as_mut_slice();
        for output in prologue.outputs() {
            let (own, others) = rest.split_at_mut(output.field.len().min(rest.len()));
            share_scale(own);
            rest = others;
        }
        let centers: Vec<f64> = ranges.iter().map(|range| range.low / 2.0 + range.high / 2.0).collect();
        let reaches = ranges.iter().map(|range| range.half_width() * (1.0 + 2.0 * MARGIN)).collect();
        for row in &mut values {
            row.iter_mut().zip(&centers).for_each(|(value, center)| *value -= center);
        }
        Ok(Self { rows: values, centers, reaches })
    }

    /// The centered variables of each row.
    pub fn rows(&self) -> &[Vec<f64>] {
        &self.rows
    }

    /// The middle of each variable's range.
    pub fn centers(&self) -> &[f64] {
        &self.centers
    }

    /// The standard deviation of a function of the centered variables over all rows.
    pub fn deviation_of(&self, function: impl Fn(&[f64]) -> f64) -> f64 {
        Range::of(self.rows.iter().map(|row| function(row))).deviation
    }

    /// The range of a product of centered variables, margin included: sound as long as each variable
    /// stays within its own.
    pub fn range_of(&self, variables: &[u32]) -> Range {
        let value =
            |centered: &[f64]| variables.iter().map(|variable| centered[*variable as usize]).product();
        let high: f64 = variables.iter().map(|variable| self.reaches[*variable as usize]).product();
        let even = variables.chunks(2).all(|pair| matches!(pair, [a, b] if a == b));
        Range {
            low: if even { 0.0 } else { -high },
            high,
            ..Range::of(self.rows.iter().map(|row| value(row)))
        }
    }
}

/// Gives all these ranges the widest one if they are of one scale.
fn share_scale(ranges: &mut [Range]) {
    let mut widths: Vec<f64> =
        ranges.iter().map(|range| range.high - range.low).filter(|width| *width > 0.0).collect();
    widths.sort_by(f64::total_cmp);
    let Some(median) = widths.get(widths.len() / 2) else { return };
    let low = ranges.iter().map(|range| range.low).fold(f64::INFINITY, f64::min);
    let high = ranges.iter().map(|range| range.high).fold(f64::NEG_INFINITY, f64::max);
    if high - low <= ONE_SCALE * median {
        ranges.iter_mut().for_each(|range| (range.low, range.high) = (low, high));
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
            mean,
            deviation: variance.sqrt(),
        }
    }

    /// Half the width; a single value gets its own size.
    fn half_width(&self) -> f64 {
        match self.high - self.low {
            0.0 => self.low.abs().max(1.0),
            width => width / 2.0,
        }
    }

    /// What steps are measured in: the standard deviation, but no less than a small part of the width,
    /// so that an outlier does not cost all the bits.
    pub fn unit(&self) -> f64 {
        self.deviation.max((self.high - self.low) * 2.0_f64.powi(-8))
    }
}

/// The prologue's outputs on the rows, element by element; missing values may be among them.
///
/// # Errors
/// If there are no rows, or the prologue cannot be computed on one.
pub fn variables_of(prologue: &Model, rows: &[Row]) -> Result<Vec<Vec<f64>>> {
    if rows.is_empty() {
        bail!("there are no calibration rows");
    }
    let variables = |(index, row): (usize, &Row)| {
        let outputs = prologue.evaluate(row).with_context(|| format!("calibration row {}", index + 1))?;
        let mut variables = Vec::new();
        for output in &outputs {
            variables.extend(output.as_numbers()?.iter().copied());
        }
        Ok(variables)
    };
    rows.iter().enumerate().map(variables).collect()
}

fn finite_variables(prologue: &Model, row: &Row) -> Result<Vec<f64>> {
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
