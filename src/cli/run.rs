//! `fhe-ml run`: the circuit on encrypted rows.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::ValueHint;

use super::console::Console;
use super::exit::ExitCode;
use super::paths;

/// Run a circuit on encrypted rows; goes on where it was interrupted
#[derive(clap::Args)]
pub struct Args {
    /// The server file, or the folder it lies in
    #[arg(value_hint = ValueHint::AnyPath)]
    server: PathBuf,
    /// The evaluation key, or the folder it lies in
    #[arg(long, value_name = "FILE", default_value = paths::KEYS, value_hint = ValueHint::AnyPath)]
    key: PathBuf,
    /// Encrypted rows
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    input: PathBuf,
    /// File for the encrypted results, by default named after the input
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    output: Option<PathBuf>,
}

/// Runs the rows one by one; finished rows stay if it is interrupted.
pub fn run(_args: Args, _console: &Console) -> Result<ExitCode> {
    bail!("`fhe-ml run` is not part of this build yet")
}
