//! `fhe-ml train simulate`: what a plan would learn.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::ValueHint;
use fhe_ml::circuit::files::CLIENT_FILE;
use fhe_ml::tensor::Source;
use fhe_ml::training::{Data, files, simulate};

use crate::cli::console::Console;
use crate::cli::exit::ExitCode;
use crate::cli::paths;
use crate::cli::table::counted;

/// The same noise every time.
const SEED: u64 = 1;

/// Run a plan in the clear, with its noise, and compare with floating point
#[derive(clap::Args)]
pub struct Args {
    /// The plan's client file, or the folder it lies in
    #[arg(value_hint = ValueHint::AnyPath)]
    client: PathBuf,
    /// Rows of each party
    #[arg(long, value_name = "DATA", num_args = 1.., required = true, value_hint = ValueHint::FilePath)]
    input: Vec<PathBuf>,
    /// Their labels
    #[arg(long, value_name = "DATA", num_args = 1.., required = true, value_hint = ValueHint::FilePath)]
    labels: Vec<PathBuf>,
    /// Other rows to measure on, by default those of the parties
    #[arg(long, value_name = "DATA", requires = "test_labels", value_hint = ValueHint::FilePath)]
    test_input: Option<PathBuf>,
    /// Their labels
    #[arg(long, value_name = "DATA", requires = "test_input", value_hint = ValueHint::FilePath)]
    test_labels: Option<PathBuf>,
}

/// Simulates and reports.
pub fn run(args: Args, console: &Console) -> Result<ExitCode> {
    let client = files::open_client(&paths::file_or_in(&args.client, CLIENT_FILE))?.value;
    ensure!(
        args.input.len() == args.labels.len(),
        "{} files of rows and {} of labels: each party has one of both",
        args.input.len(),
        args.labels.len()
    );
    let read = |(input, labels): (&PathBuf, &PathBuf)| {
        Data::read(&client, &Source::parse(input), &Source::parse(labels))
    };
    let parties = args.input.iter().zip(&args.labels).map(read).collect::<Result<Vec<Data>>>()?;
    let test = match (&args.test_input, &args.test_labels) {
        (Some(input), Some(labels)) => read((input, labels))?,
        (_, _) => Data {
            rows: parties.iter().flat_map(|party| party.rows.clone()).collect(),
            labels: parties.iter().flat_map(|party| party.labels.clone()).collect(),
        },
    };
    let report = simulate::simulate(&client, parties, &test, SEED)?;
    if report.beyond_range > 0 {
        console.say(format_args!(
            "warning: w·x + b was beyond the range {} times\nhint: plan with a larger --range or smaller --learning-rate",
            report.beyond_range
        ));
    }
    let text = format!(
        "{} in {}: {} {:.4} as encryption would give it, {:.4} without noise, {:.4} in floating point\n\
         predicted noise: {:.3} of a weight, {:.2} of w·x + b as it is read",
        counted(report.rows, "row"),
        counted(report.steps, "step"),
        report.metric,
        report.simulated,
        report.clear,
        report.float,
        report.weight_noise,
        report.reading_noise
    );
    console.report(&report, text)?;
    Ok(ExitCode::Done)
}
