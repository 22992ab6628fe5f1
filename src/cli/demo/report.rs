//! What came of the demo: every stage, and encrypted rows beside clear ones.

use anyhow::{Context, Result};
use fhe_ml::tensor::Row;
use serde::Serialize;

use super::example::Example;
use crate::cli::table::Table;

/// Rows of the table at the end.
const SHOWN: usize = 8;

/// One stage of the pipeline.
#[derive(Clone, Serialize)]
pub struct Stage {
    /// Its subcommand.
    pub stage: &'static str,
    /// How long it took.
    pub seconds: f64,
    /// The files it made, with their sizes.
    pub files: Vec<(String, u64)>,
}

/// What the demo shows in the end.
#[derive(Serialize)]
pub struct Report {
    #[serde(skip)]
    example: Example,
    stages: Vec<Stage>,
    rows: Vec<Compared>,
    /// The share of rows with the same label as the clear model's.
    agreement: f64,
    /// The largest difference of a probability or score from the clear model's.
    largest_difference: f64,
    /// The share of rows with the true label.
    accuracy: f64,
}

#[derive(Serialize)]
struct Compared {
    row: usize,
    encrypted_label: f64,
    encrypted: f64,
    clear_label: f64,
    clear: f64,
    label: f64,
}

impl Report {
    /// Compares decrypted rows with the clear model's and with the labels.
    ///
    /// # Errors
    /// If a row is neither a label and two probabilities nor a score of each class.
    pub fn new(
        example: Example,
        stages: Vec<Stage>,
        decrypted: &[Row],
        clear: &[Row],
        labels: &[f64],
    ) -> Result<Self> {
        let rows = decrypted.iter().zip(clear).zip(labels).enumerate();
        let rows = rows.map(|(index, ((decrypted, clear), label))| {
            let (encrypted_label, clear_label) = (decided(decrypted)?, decided(clear)?);
            let class = if clear.len() > 1 { 1 } else { clear_label as usize };
            let (encrypted, clear) = (number(decrypted, class)?, number(clear, class)?);
            Ok(Compared { row: index + 1, encrypted_label, encrypted, clear_label, clear, label: *label })
        });
        let rows = rows.collect::<Result<Vec<_>>>()?;
        let share = |hits: usize| hits as f64 / rows.len() as f64;
        Ok(Self {
            example,
            stages,
            agreement: share(rows.iter().filter(|row| row.encrypted_label == row.clear_label).count()),
            largest_difference: rows.iter().map(|row| (row.encrypted - row.clear).abs()).fold(0.0, f64::max),
            accuracy: share(rows.iter().filter(|row| row.encrypted_label == row.label).count()),
            rows,
        })
    }

    /// The report as people read it.
    pub fn human(&self) -> String {
        let (name, number) = (|label| self.example.name(label), self.example.number());
        let heading = ["row", "encrypted", number, "clear", number, "truth"].map(str::to_owned);
        let line = |row: &Compared| {
            vec![
                row.row.to_string(),
                name(row.encrypted_label),
                format!("{:.6}", row.encrypted),
                name(row.clear_label),
                format!("{:.6}", row.clear),
                name(row.label),
            ]
        };
        let lines = std::iter::once(heading.to_vec()).chain(self.rows.iter().take(SHOWN).map(line));
        format!(
            "{}\n{} rows that were not calibrated on: {:.1} % as the clear model says, largest difference of a \
             {number} {:.1e}, accuracy {:.1} %",
            Table(lines.collect()),
            self.rows.len(),
            100.0 * self.agreement,
            self.largest_difference,
            100.0 * self.accuracy
        )
    }
}

/// The label, or the place of the largest score where there is none.
fn decided(row: &Row) -> Result<f64> {
    let numbers: Vec<f64> = row.first().context(UNKNOWN)?.as_numbers()?.iter().copied().collect();
    match (row.len(), numbers.as_slice()) {
        (2, [label]) => Ok(*label),
        _ => {
            let largest = (0..numbers.len()).max_by(|a, b| numbers[*a].total_cmp(&numbers[*b]));
            Ok(largest.context(UNKNOWN)? as f64)
        }
    }
}

/// The probability or score of a class.
fn number(row: &Row, class: usize) -> Result<f64> {
    let numbers = row.last().context(UNKNOWN)?.as_numbers()?;
    numbers.iter().nth(class).copied().context(UNKNOWN)
}

const UNKNOWN: &str = "the embedded model gives a label and two probabilities, or scores";
