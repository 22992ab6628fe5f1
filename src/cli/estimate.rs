//! `fhe-ml estimate`: the cost on this machine before paying it.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::ValueHint;

use super::console::Console;
use super::exit::ExitCode;
use super::values;

/// Estimate time, memory and sizes on this machine
#[derive(clap::Args)]
pub struct Args {
    /// The folder of the compiled model
    #[arg(value_hint = ValueHint::DirPath)]
    model: PathBuf,
    /// Number of rows
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    rows: u64,
    /// Fail with exit code 4 if the rows take longer
    #[arg(long, value_name = "S", value_parser = values::seconds)]
    max_seconds: Option<f64>,
    /// Fail with exit code 4 if more memory is needed, for instance 4G
    #[arg(long, value_name = "BYTES", value_parser = values::bytes)]
    max_memory: Option<u64>,
    /// Fail with exit code 4 if the evaluation key is larger, in megabytes
    #[arg(long, value_name = "K")]
    max_key_mb: Option<u64>,
}

/// Reports the costs and holds them against the gates.
pub fn run(_args: Args, _console: &Console) -> Result<ExitCode> {
    bail!("`fhe-ml estimate` is not part of this build yet")
}
