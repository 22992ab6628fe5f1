//! `fhe-ml run`: the circuit on encrypted rows.

use std::path::PathBuf;

use anyhow::Result;
use clap::ValueHint;
use fhe_ml::circuit::files::SERVER_FILE;
use fhe_ml::client::keys::EVALUATION_KEY;
use fhe_ml::server;

use super::console::Console;
use super::exit::ExitCode;
use super::paths;
use super::table::{bytes, counted, seconds};

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

/// Runs the rows block by block; finished blocks stay if it is interrupted.
pub fn run(args: Args, console: &Console) -> Result<ExitCode> {
    let output = args.output.unwrap_or_else(|| paths::results(&args.input));
    let request = server::Request {
        server: &paths::file_or_in(&args.server, SERVER_FILE),
        key: &paths::file_or_in(&args.key, EVALUATION_KEY),
        input: &args.input,
        output: &output,
    };
    let summary = server::run(&request, console)?;
    if summary.resumed_rows > 0 {
        console.say(format_args!("{} finished before", counted(summary.resumed_rows, "row")));
    }
    let text = format!(
        "{} evaluated in {}: '{}', {}",
        counted(summary.rows, "row"),
        seconds(summary.compute_seconds),
        output.display(),
        bytes(summary.bytes)
    );
    console.report(&summary, text)?;
    Ok(ExitCode::Done)
}
