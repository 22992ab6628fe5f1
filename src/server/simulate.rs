//! The circuit on clear rows, with its noise, held against the float model and against known labels.

use anyhow::{Context, Result, bail};
use serde::Serialize;

use super::Simulator;
use crate::circuit::{Circuit, ClientSpec};
use crate::model::Model;
use crate::tensor::{Field, Labels, Row, Tensor};

/// Two numbers agree if they differ by at most this part of the range of the float model's values.
const TOLERANCE: f64 = 0.01;

/// The parts of a compiled model that a simulation runs.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    /// Encodes rows and decodes results.
    pub client: &'a ClientSpec,
    /// Runs on them.
    pub circuit: &'a Circuit,
    /// The float model that was compiled.
    pub model: &'a Model,
}

/// How well a circuit does what its model does.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Accuracy {
    /// Rows that were run.
    pub rows: usize,
    /// Values outside the calibrated range, which were clamped.
    pub clamped_values: usize,
    /// How often a lookup read what had left its calibrated range and wrapped around; only of networks.
    pub lookups_beyond_range: Option<usize>,
    /// The share of rows on which the circuit decides as the float model does: the same label, or
    /// the same largest score, or a number within a hundredth of the range of the model's numbers.
    pub agreement: f64,
    /// Where numbers are decided on, the share of the variance of the model's numbers that the circuit's do not
    /// explain.
    pub unexplained: Option<f64>,
    /// The largest difference of each output of floating-point numbers.
    pub largest_differences: Vec<Difference>,
    /// How well both do on known labels.
    pub score: Option<Score>,
}

impl Accuracy {
    /// What the circuit loses: of the score on known labels; else the share of rows that it decides otherwise or, of
    /// numbers, of variance that it does not explain.
    pub fn drop(&self) -> f64 {
        match (&self.score, self.unexplained) {
            (Some(score), _) => score.float - score.circuit,
            (None, Some(unexplained)) => unexplained,
            (None, None) => 1.0 - self.agreement,
        }
    }
}

/// The largest difference of one output from the float model's.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// The output.
    pub output: String,
    /// The largest absolute difference.
    pub largest: f64,
}

/// A measure on known labels.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Score {
    /// `accuracy`, or `R2`.
    pub measure: &'static str,
    /// The float model's.
    pub float: f64,
    /// The circuit's.
    pub circuit: f64,
}

/// Results of a circuit and of its model on the same rows.
pub struct Simulation {
    fields: Vec<Field>,
    float: Vec<Row>,
    circuit: Vec<Row>,
    clamped_values: usize,
    beyond: Option<usize>,
}

impl Simulation {
    /// Runs every row through both.
    ///
    /// # Errors
    /// If a row does not fit the model or cannot be encoded.
    pub fn run(parts: Parts<'_>, rows: impl Iterator<Item = Result<Row>>, seed: u64) -> Result<Self> {
        let mut simulator = Simulator::new(parts.circuit, seed);
        let fields = parts.model.outputs().iter().map(|output| output.field.clone()).collect();
        let mut simulation =
            Self { fields, float: Vec::new(), circuit: Vec::new(), clamped_values: 0, beyond: None };
        for (index, row) in rows.enumerate() {
            let row = row?;
            let encoded =
                parts.client.encode(&row).with_context(|| format!("cannot run row {}", index + 1))?;
            simulation.clamped_values += encoded.clamped.len();
            simulation.circuit.push(parts.client.decode(&simulator.evaluate(&encoded.integers))?);
            simulation.float.push(parts.model.evaluate(&row)?);
        }
        simulation.beyond = simulator.beyond();
        Ok(simulation)
    }

    /// What each row of results holds.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The circuit's results.
    pub fn rows(&self) -> &[Row] {
        &self.circuit
    }

    /// Compares both, and with `labels` if they are known.
    ///
    /// # Errors
    /// If there are no rows, or the labels are not of the model's kind.
    pub fn accuracy(&self, labels: Option<&Labels>) -> Result<Accuracy> {
        let decided = self.deciding_output().context("the model has no output to compare")?;
        let (float, circuit) =
            (self.decisions(&self.float, decided, labels)?, self.decisions(&self.circuit, decided, labels)?);
        let differences = self.fields.iter().enumerate().filter(|(_, field)| field.dtype.is_float());
        Ok(Accuracy {
            rows: self.circuit.len(),
            clamped_values: self.clamped_values,
            lookups_beyond_range: self.beyond,
            agreement: float.agreement(&circuit),
            unexplained: float.unexplained_by(&circuit),
            largest_differences: differences
                .map(|(place, field)| self.difference(place, field))
                .collect::<Result<_>>()?,
            score: labels.map(|labels| score(&float, &circuit, labels)).transpose()?,
        })
    }

    /// The output that is the model's answer: the first label, else the last one of numbers.
    fn deciding_output(&self) -> Option<usize> {
        let label = self.fields.iter().position(|field| !field.dtype.is_float() && field.len() == 1);
        label.or_else(|| self.fields.len().checked_sub(1))
    }

    /// Several numbers are scores of classes if they have names, or labels are their places.
    fn decisions(&self, rows: &[Row], place: usize, labels: Option<&Labels>) -> Result<Decisions> {
        let field = &self.fields[place];
        let tensors = rows.iter().map(|row| &row[place]);
        if field.dtype == crate::tensor::DType::Text {
            let texts =
                tensors.map(|tensor| Ok(tensor.as_text()?.iter().next().cloned().unwrap_or_default()));
            return Ok(Decisions::Labels(texts.collect::<Result<_>>()?));
        }
        if !field.dtype.is_float() {
            let numbers = tensors.map(|tensor| Ok(first(tensor)?.to_string()));
            return Ok(Decisions::Labels(numbers.collect::<Result<_>>()?));
        }
        if field.len() > 1
            && (field.columns.is_some() || labels.is_some_and(|labels| are_places(labels, field.len())))
        {
            let largest = tensors.map(|tensor| Ok(column(field, largest(tensor)?)));
            return Ok(Decisions::Labels(largest.collect::<Result<_>>()?));
        }
        let numbers = tensors.map(|tensor| Ok(tensor.as_numbers()?.iter().copied().collect()));
        Ok(Decisions::Numbers(numbers.collect::<Result<_>>()?))
    }

    fn difference(&self, place: usize, field: &Field) -> Result<Difference> {
        let mut largest = 0.0_f64;
        for (float, circuit) in self.float.iter().zip(&self.circuit) {
            let pairs = float[place].as_numbers()?.iter().zip(circuit[place].as_numbers()?);
            largest = pairs.map(|(a, b)| (a - b).abs()).fold(largest, f64::max);
        }
        Ok(Difference { output: field.name.clone(), largest })
    }
}

/// What was decided on each row.
enum Decisions {
    Labels(Vec<String>),
    Numbers(Vec<Vec<f64>>),
}

impl Decisions {
    fn agreement(&self, other: &Self) -> f64 {
        match (self, other) {
            (Self::Labels(a), Self::Labels(b)) => share(a.iter().zip(b).map(|(a, b)| a == b)),
            (Self::Numbers(a), Self::Numbers(b)) => {
                let all = || a.iter().flatten().copied();
                let range = all().fold(f64::NEG_INFINITY, f64::max) - all().fold(f64::INFINITY, f64::min);
                let close = |(a, b): (&f64, &f64)| (a - b).abs() <= TOLERANCE * range.max(f64::MIN_POSITIVE);
                share(a.iter().zip(b).map(|(a, b)| a.iter().zip(b).all(close)))
            }
            (Self::Labels(_), Self::Numbers(_)) | (Self::Numbers(_), Self::Labels(_)) => 0.0,
        }
    }

    /// The share of the variance of numbers that other numbers do not explain, all columns together.
    fn unexplained_by(&self, other: &Self) -> Option<f64> {
        let (Self::Numbers(float), Self::Numbers(circuit)) = (self, other) else { return None };
        let rows = float.len().max(1) as f64;
        let column = |place: usize| {
            let mean = float.iter().map(|row| row[place]).sum::<f64>() / rows;
            let total: f64 = float.iter().map(|row| (row[place] - mean).powi(2)).sum();
            let residual: f64 = float.iter().zip(circuit).map(|(a, b)| (a[place] - b[place]).powi(2)).sum();
            (residual, total)
        };
        // Rows of one output are of one length.
        let columns = 0..float.first().map_or(0, Vec::len);
        let sums = columns.map(column).fold((0.0, 0.0), |sum, own| (sum.0 + own.0, sum.1 + own.1));
        Some(if sums.1 > 0.0 { sums.0 / sums.1 } else { 0.0 })
    }
}

fn score(float: &Decisions, circuit: &Decisions, labels: &Labels) -> Result<Score> {
    match (float, circuit, labels) {
        (Decisions::Labels(float), Decisions::Labels(circuit), labels) => {
            let labels = match labels {
                Labels::Text(texts) => texts.clone(),
                Labels::Numbers(numbers) => numbers.iter().map(f64::to_string).collect(),
            };
            let accuracy = |decided: &[String]| share(decided.iter().zip(&labels).map(|(a, b)| a == b));
            Ok(Score { measure: "accuracy", float: accuracy(float), circuit: accuracy(circuit) })
        }
        (Decisions::Numbers(float), Decisions::Numbers(circuit), Labels::Numbers(targets)) => {
            Ok(Score { measure: "R2", float: r2(float, targets), circuit: r2(circuit, targets) })
        }
        (Decisions::Numbers(_), _, _) | (_, Decisions::Numbers(_), _) => {
            bail!("the labels are text, the model gives numbers")
        }
    }
}

/// Whether labels are whole numbers below a count of classes.
fn are_places(labels: &Labels, classes: usize) -> bool {
    let is_place = |number: &f64| number.fract() == 0.0 && (0.0..classes as f64).contains(number);
    match labels {
        Labels::Text(_) => false,
        Labels::Numbers(numbers) => numbers.iter().all(is_place),
    }
}

fn r2(rows: &[Vec<f64>], targets: &[f64]) -> f64 {
    let mean = targets.iter().sum::<f64>() / targets.len().max(1) as f64;
    let total: f64 = targets.iter().map(|target| (target - mean).powi(2)).sum();
    let first = |row: &Vec<f64>| row.first().copied().unwrap_or(f64::NAN);
    let residual: f64 = rows.iter().zip(targets).map(|(row, target)| (first(row) - target).powi(2)).sum();
    1.0 - residual / total
}

fn share(hits: impl Iterator<Item = bool>) -> f64 {
    let (hit, all) = hits.fold((0, 0), |(hit, all), one| (hit + usize::from(one), all + 1));
    if all == 0 { 0.0 } else { f64::from(hit as u32) / f64::from(all) }
}

fn first(tensor: &Tensor) -> Result<f64> {
    tensor.as_numbers()?.first().copied().context("an output is empty")
}

fn largest(tensor: &Tensor) -> Result<usize> {
    let numbers = tensor.as_numbers()?.iter().enumerate();
    let best = numbers.reduce(|best, next| if next.1 > best.1 { next } else { best });
    best.map(|(place, _)| place).context("an output is empty")
}

fn column(field: &Field, place: usize) -> String {
    let name = field.columns.as_ref().and_then(|columns| columns.get(place));
    name.cloned().unwrap_or_else(|| place.to_string())
}
