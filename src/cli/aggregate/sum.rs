//! `fhe-ml aggregate run`: the sum of encrypted updates.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context, Result, ensure};
use clap::ValueHint;
use fhe_ml::circuit::files::SERVER_FILE;
use fhe_ml::federated::{self, Aggregation, PartyWeight};

use crate::cli::console::Console;
use crate::cli::exit::ExitCode;
use crate::cli::paths;
use crate::cli::table::{bytes, counted, seconds};

/// Add up encrypted updates, each times a clear weight
#[derive(clap::Args)]
pub struct Args {
    /// The server file, or the folder it lies in
    #[arg(value_hint = ValueHint::AnyPath)]
    server: PathBuf,
    /// Encrypted updates, one of each party
    #[arg(required = true, value_name = "UPDATES", value_hint = ValueHint::FilePath)]
    updates: Vec<PathBuf>,
    /// Weights above 0 in the order of the updates, or by party: `a=120,b=80`; by default all the same
    #[arg(long, value_name = "W,...", value_delimiter = ',', allow_hyphen_values = true)]
    weights: Vec<Weight>,
    /// File for the encrypted sum
    #[arg(long, short, value_name = "FILE", default_value = "sum.ct", value_hint = ValueHint::FilePath)]
    output: PathBuf,
}

/// `120`, or `a=120`.
#[derive(Clone, Debug)]
struct Weight(PartyWeight);

impl FromStr for Weight {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (party, weight) = match text.split_once('=') {
            Some((party, weight)) => (Some(party.to_owned()), weight),
            None => (None, text),
        };
        let weight: u64 = weight.parse().ok().context("expected a whole number above 0, or PARTY=NUMBER")?;
        ensure!(weight > 0, "expected a weight above 0");
        Ok(Self(PartyWeight { party, weight }))
    }
}

/// Checks the updates and adds them up.
pub fn run(args: &Args, console: &Console) -> Result<ExitCode> {
    let weights: Vec<PartyWeight> = args.weights.iter().map(|weight| weight.0.clone()).collect();
    let request = Aggregation {
        server: &paths::file_or_in(&args.server, SERVER_FILE),
        updates: &args.updates,
        weights: &weights,
        output: &args.output,
    };
    let sum = federated::aggregate(&request, console)?;
    let text = format!(
        "{} of {} added up in {}: '{}', {}",
        counted(sum.parties.len() as u64, "update"),
        counted(sum.values, "value"),
        seconds(sum.seconds),
        args.output.display(),
        bytes(sum.bytes)
    );
    console.report(&sum, text)?;
    Ok(ExitCode::Done)
}
