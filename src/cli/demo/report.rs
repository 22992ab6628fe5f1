//! What came of the demo: every stage, and encrypted rows beside clear ones.

use anyhow::{Context, Result};
use fhe_ml::tensor::Row;
use serde::Serialize;

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
    stages: Vec<Stage>,
    rows: Vec<Compared>,
    /// The share of rows with the same label as the clear model's.
    agreement: f64,
    /// The largest difference of a probability from the clear model's.
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
    /// If a row is not a label and two probabilities.
    pub fn new(stages: Vec<Stage>, decrypted: &[Row], clear: &[Row], labels: &[f64]) -> Result<Self> {
        let rows = decrypted.iter().zip(clear).zip(labels).enumerate();
        let rows = rows.map(|(index, ((decrypted, clear), label))| {
            let (encrypted_label, encrypted) = answer(decrypted)?;
            let (clear_label, clear) = answer(clear)?;
            Ok(Compared { row: index + 1, encrypted_label, encrypted, clear_label, clear, label: *label })
        });
        let rows = rows.collect::<Result<Vec<_>>>()?;
        let share = |hits: usize| hits as f64 / rows.len() as f64;
        Ok(Self {
            stages,
            agreement: share(rows.iter().filter(|row| row.encrypted_label == row.clear_label).count()),
            largest_difference: rows.iter().map(|row| (row.encrypted - row.clear).abs()).fold(0.0, f64::max),
            accuracy: share(rows.iter().filter(|row| row.encrypted_label == row.label).count()),
            rows,
        })
    }

    /// The report as people read it.
    pub fn human(&self) -> String {
        let heading = ["row", "encrypted", "probability", "clear", "probability", "truth"].map(str::to_owned);
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
             probability {:.1e}, accuracy {:.1} %",
            Table(lines.collect()),
            self.rows.len(),
            100.0 * self.agreement,
            self.largest_difference,
            100.0 * self.accuracy
        )
    }
}

/// The label and the probability of class 1.
fn answer(row: &Row) -> Result<(f64, f64)> {
    let number =
        |place: usize, element: usize| row.get(place)?.as_numbers().ok()?.iter().nth(element).copied();
    number(0, 0).zip(number(1, 1)).context("the embedded model gives a label and two probabilities")
}

fn name(label: f64) -> String {
    if label == 0.0 { "malignant".to_owned() } else { "benign".to_owned() }
}
