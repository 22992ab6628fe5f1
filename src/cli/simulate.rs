//! `fhe-ml simulate`: the circuit in the clear, with its noise.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::ValueHint;

use super::console::Console;
use super::exit::ExitCode;
use super::values;

/// Run a circuit in the clear, with its noise, and report its accuracy
#[derive(clap::Args)]
pub struct Args {
    /// The folder of the compiled model
    #[arg(value_hint = ValueHint::DirPath)]
    model: PathBuf,
    /// Rows to run (npy, npz, csv or json)
    #[arg(long, value_name = "DATA", value_hint = ValueHint::FilePath)]
    input: PathBuf,
    /// The true labels or values of the rows
    #[arg(long, value_name = "DATA", value_hint = ValueHint::FilePath)]
    labels: Option<PathBuf>,
    /// File for the results (npy, csv or json)
    #[arg(long, short, value_name = "DATA", value_hint = ValueHint::FilePath)]
    output: Option<PathBuf>,
    /// Fail with exit code 4 if a smaller share of the rows agrees with the model
    #[arg(long, value_name = "R", value_parser = values::share)]
    min_agreement: Option<f64>,
}

/// Runs the rows and reports how well the circuit agrees with the model.
pub fn run(_args: Args, _console: &Console) -> Result<ExitCode> {
    bail!("`fhe-ml simulate` is not part of this build yet")
}
