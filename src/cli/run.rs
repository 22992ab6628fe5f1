//! `fhe-ml run`: the circuit on encrypted rows.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::ValueHint;
use fhe_ml::circuit::files::SERVER_FILE;
use fhe_ml::client::keys::EVALUATION_KEY;
use fhe_ml::server;

use super::console::Console;
use super::exit::ExitCode;
use super::table::{bytes, counted, seconds};
use super::{paths, values};

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
    /// Keep the wires of unfinished rows of a network after so much computing, to go on from
    #[arg(long, value_name = "S", default_value_t = 60.0, value_parser = values::seconds)]
    keep_every: f64,
}

/// Runs the rows block by block; finished blocks stay if it is interrupted.
pub fn run(args: Args, console: &Console) -> Result<ExitCode> {
    let output = args.output.unwrap_or_else(|| paths::results(&args.input));
    let request = server::Request {
        server: &paths::file_or_in(&args.server, SERVER_FILE),
        key: &paths::file_or_in(&args.key, EVALUATION_KEY),
        input: &args.input,
        output: &output,
        keep_every: Duration::try_from_secs_f64(args.keep_every).unwrap_or(Duration::MAX),
    };
    let summary = server::run(&request, console)?;
    if summary.resumed_rows > 0 {
        console.say(format_args!("{} finished before", counted(summary.resumed_rows, "row")));
    }
    if summary.resumed_layers > 0 {
        let layers = counted(summary.resumed_layers as u64, "layer");
        console.say(format_args!("{layers} of the next rows finished before"));
    }
    let text = format!(
        "{} evaluated in {}, {} a row: '{}', {}",
        counted(summary.rows, "row"),
        seconds(summary.compute_seconds),
        seconds(summary.seconds_per_row),
        output.display(),
        bytes(summary.bytes)
    );
    console.report(&summary, text)?;
    Ok(ExitCode::Done)
}
