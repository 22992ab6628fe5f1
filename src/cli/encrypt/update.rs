//! Updates of a model, for an aggregation.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::ValueHint;
use fhe_ml::client::keys::PUBLIC_KEY;
use fhe_ml::federated::{self, Encrypted, Encryption};

use crate::cli::console::Console;
use crate::cli::exit::ExitCode;
use crate::cli::table::{bytes, counted};
use crate::cli::{paths, values};

/// What is told of an update.
#[derive(clap::Args)]
#[command(next_help_heading = "For an aggregation or a training")]
pub struct Args {
    /// The public key, or the folder it lies in, by default keys
    #[arg(long, value_name = "FILE", value_hint = ValueHint::AnyPath, conflicts_with = "key")]
    pub(super) public_key: Option<PathBuf>,
    /// Who contributes the data, by default the name of its file
    #[arg(long, value_name = "NAME")]
    pub(super) party: Option<String>,
    /// Add Gaussian noise of this standard deviation to each value, for differential privacy
    #[arg(long, value_name = "S", value_parser = values::positive)]
    pub(super) dp_sigma: Option<f64>,
}

impl Args {
    /// A flag that was given.
    pub fn given(&self) -> Option<&'static str> {
        [
            (self.public_key.is_some(), "--public-key"),
            (self.party.is_some(), "--party"),
            (self.dp_sigma.is_some(), "--dp-sigma"),
        ]
        .into_iter()
        .find_map(|(given, flag)| given.then_some(flag))
    }
}

/// Clips, rounds and encrypts the values of an update.
pub fn run(
    args: &Args,
    client: &Path,
    input: &Path,
    output: Option<&Path>,
    console: &Console,
) -> Result<ExitCode> {
    let output = output.map_or_else(|| paths::encrypted(input), Path::to_owned);
    let stem = input.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let party =
        args.party.clone().or(stem).context("an update needs the name of a party\nhint: add --party")?;
    let public_key = args.public_key.as_deref().unwrap_or(Path::new(paths::KEYS));
    let request = Encryption {
        client,
        public_key: &paths::file_or_in(public_key, PUBLIC_KEY),
        input,
        party: &party,
        dp_sigma: args.dp_sigma,
        output: &output,
    };
    let encrypted = federated::encrypt(&request, console)?;
    warn_of_clipped(&encrypted, console);
    let text = format!(
        "{} of party '{}' encrypted: '{}', {}",
        counted(encrypted.values, "value"),
        encrypted.party,
        output.display(),
        bytes(encrypted.bytes)
    );
    console.report(&encrypted, text)?;
    Ok(ExitCode::Done)
}

fn warn_of_clipped(encrypted: &Encrypted, console: &Console) {
    if let (Some(norm), Some(most)) = (encrypted.norm, encrypted.clip_norm)
        && norm > most
    {
        console.say(format_args!("warning: the update has 2-norm {norm:.4}, scaled down to {most}"));
    }
    if encrypted.clipped_values > 0 {
        console.say(format_args!(
            "warning: {} of {} outside the range of the plan, clipped",
            counted(encrypted.clipped_values, "value"),
            encrypted.values
        ));
    }
}
