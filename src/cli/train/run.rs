//! `fhe-ml train run`: the descent on ciphertexts.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::ValueHint;
use fhe_ml::circuit::files::SERVER_FILE;
use fhe_ml::client::keys::EVALUATION_KEY;
use fhe_ml::training::run;

use crate::cli::console::Console;
use crate::cli::exit::ExitCode;
use crate::cli::table::{bytes, counted, seconds};
use crate::cli::{paths, values};

/// Train on the encrypted rows of all parties; an interrupted run goes on where it was
#[derive(clap::Args)]
pub struct Args {
    /// The plan's server file, or the folder it lies in
    #[arg(value_hint = ValueHint::AnyPath)]
    server: PathBuf,
    /// The evaluation key, or the folder it lies in
    #[arg(long, value_name = "FILE", default_value = paths::KEYS, value_hint = ValueHint::AnyPath)]
    key: PathBuf,
    /// The encrypted rows of each party
    #[arg(long, value_name = "FILE", num_args = 1.., required = true, value_hint = ValueHint::FilePath)]
    data: Vec<PathBuf>,
    /// File for the encrypted weights
    #[arg(long, short, value_name = "FILE", default_value = "weights.ct", value_hint = ValueHint::FilePath)]
    output: PathBuf,
    /// Keep the weights after so much computing, to go on from
    #[arg(long, value_name = "S", default_value_t = 10.0, value_parser = values::seconds)]
    keep_every: f64,
}

/// Trains, and tells what was done.
pub fn run(args: Args, console: &Console) -> Result<ExitCode> {
    let request = run::Request {
        server: &paths::file_or_in(&args.server, SERVER_FILE),
        key: &paths::file_or_in(&args.key, EVALUATION_KEY),
        data: &args.data,
        output: &args.output,
        keep_every: Duration::try_from_secs_f64(args.keep_every).unwrap_or(Duration::MAX),
    };
    let summary = run::run(&request, console)?;
    if summary.resumed_steps > 0 {
        console.say(format_args!("{} done before", counted(summary.resumed_steps, "step")));
    }
    let text = format!(
        "{} of {} parties, {} in {}, {} a row and step; noise of a weight {:.3}: '{}', {}",
        counted(summary.rows, "row"),
        summary.parties,
        counted(summary.steps, "step"),
        seconds(summary.compute_seconds),
        seconds(summary.seconds_per_row),
        summary.weight_noise,
        args.output.display(),
        bytes(summary.bytes)
    );
    console.report(&summary, text)?;
    Ok(ExitCode::Done)
}
