//! What rounding does to the model's outputs, measured on the calibration rows.

use anyhow::{Context, Result};
use rayon::prelude::*;
use serde::Serialize;

use super::split::Split;
use crate::circuit::{Circuit, ClientSpec};
use crate::model::{Model, NodeId};
use crate::tensor::{Row, Tensor};

/// Measured on no more rows than this.
const MAX_ROWS: usize = 500;
/// Errors of outputs below this part of their range are worth no larger parameters.
const SMALL: f64 = 1.0 / 8192.0;

/// How far a circuit's values lie from its model's.
#[derive(Clone, Debug, PartialEq)]
pub struct Errors {
    /// For each decrypted value.
    pub scores: Vec<ScoreError>,
    /// The largest error of the model's outputs of floating-point numbers, as a part of their range.
    pub relative: f64,
}

/// How far decrypted scores lie from the float model's, before the epilogue.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ScoreError {
    /// The model's node.
    pub node: String,
    /// Root mean square error on the calibration rows.
    pub rms: f64,
    /// Largest error on the calibration rows.
    pub max: f64,
}

/// The float model's and the circuit's values for one row.
struct Pair {
    scores: [Row; 2],
    outputs: [Row; 2],
}

impl Errors {
    /// Runs the float model and the circuit, in the clear, on calibration rows.
    ///
    /// # Errors
    /// If the model cannot be evaluated on one of them.
    pub fn measure(
        model: &Model,
        split: &Split,
        circuit: &Circuit,
        client: &ClientSpec,
        rows: &[Row],
    ) -> Result<Self> {
        let rows = rows.par_iter().take(MAX_ROWS);
        let pairs = rows.map(|row| {
            let integers = circuit.evaluate(&client.encode(row)?.integers);
            let results = model.evaluate_nodes(row)?;
            let float = |id: &NodeId| results[id.0].clone().into_owned();
            Ok(Pair {
                scores: [split.decrypted().iter().map(float).collect(), client.scores(&integers)?],
                outputs: [
                    model.outputs().iter().map(|output| float(&output.node)).collect(),
                    client.decode(&integers)?,
                ],
            })
        });
        let pairs = pairs.collect::<Result<Vec<_>>>()?;
        let scores = split.decrypted().iter().enumerate().map(|(place, id)| {
            let differences =
                pairs.iter().map(|pair| differences(&pair.scores, place)).collect::<Result<Vec<_>>>()?;
            score_error(&model.node(*id).name, &differences.concat())
        });
        let floats = model.outputs().iter().enumerate().filter(|(_, output)| output.field.dtype.is_float());
        let relative = floats.map(|(place, _)| relative_error(&pairs, place)).collect::<Result<Vec<_>>>()?;
        Ok(Self {
            scores: scores.collect::<Result<_>>()?,
            relative: relative.into_iter().fold(0.0, f64::max),
        })
    }

    /// The same for a circuit whose decrypted values are not those of its model: errors are those of outputs.
    ///
    /// # Errors
    /// If the model cannot be evaluated on one of the rows.
    pub fn of_outputs(model: &Model, circuit: &Circuit, client: &ClientSpec, rows: &[Row]) -> Result<Self> {
        let pairs = rows.par_iter().take(MAX_ROWS).map(|row| {
            let integers = circuit.evaluate(&client.encode(row)?.integers);
            let outputs = [model.evaluate(row)?, client.decode(&integers)?];
            Ok(Pair { scores: [Row::new(), Row::new()], outputs })
        });
        let pairs = pairs.collect::<Result<Vec<_>>>()?;
        let (mut scores, mut relative) = (Vec::new(), 0.0_f64);
        for (place, output) in
            model.outputs().iter().enumerate().filter(|(_, output)| output.field.dtype.is_float())
        {
            let differences =
                pairs.iter().map(|pair| differences(&pair.outputs, place)).collect::<Result<Vec<_>>>()?;
            scores.push(score_error(&output.field.name, &differences.concat())?);
            relative = relative.max(relative_error(&pairs, place)?);
        }
        Ok(Self { scores, relative })
    }

    /// Whether they are too small to matter to a user of the model.
    pub fn are_small(&self) -> bool {
        self.relative < SMALL
    }
}

fn relative_error(pairs: &[Pair], place: usize) -> Result<f64> {
    let (mut largest, mut low, mut high) = (0.0_f64, f64::INFINITY, f64::NEG_INFINITY);
    for pair in pairs {
        largest = differences(&pair.outputs, place)?.into_iter().fold(largest, f64::max);
        for value in pair.outputs[0][place].as_numbers()?.iter().filter(|value| value.is_finite()) {
            (low, high) = (low.min(*value), high.max(*value));
        }
    }
    Ok(largest / (high - low).max(f64::MIN_POSITIVE))
}

/// Absolute differences; where the float model's value is not finite there is none.
fn differences([float, circuit]: &[Row; 2], place: usize) -> Result<Vec<f64>> {
    let numbers =
        |tensor: &Tensor| tensor.as_numbers().map(|numbers| numbers.iter().copied().collect::<Vec<_>>());
    let pairs = numbers(&float[place])?.into_iter().zip(numbers(&circuit[place])?);
    Ok(pairs.map(|(a, b)| (a - b).abs()).filter(|difference| difference.is_finite()).collect())
}

fn score_error(node: &str, errors: &[f64]) -> Result<ScoreError> {
    let max = errors.iter().copied().reduce(f64::max).context("no calibration rows")?;
    let squares: f64 = errors.iter().map(|error| error * error).sum();
    Ok(ScoreError { node: node.to_owned(), rms: (squares / errors.len() as f64).sqrt(), max })
}
