//! `fhe-ml encrypt`: rows or an update for a server.

mod update;

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::ValueHint;
use fhe_ml::circuit::files::CLIENT_FILE;
use fhe_ml::client::encrypt;
use fhe_ml::client::keys::{PUBLIC_KEY, SECRET_KEY};
use fhe_ml::tensor::Source;

use super::console::Console;
use super::exit::ExitCode;
use super::protocol::Protocol;
use super::table::{bytes, counted};
use super::{passphrase, paths, train};

/// Encrypt rows of data, or an update of a model, for a server
#[derive(clap::Args)]
pub struct Args {
    /// The client file, or the folder it lies in
    #[arg(value_hint = ValueHint::AnyPath)]
    client: PathBuf,
    /// The secret key, or the folder it lies in, by default keys
    #[arg(long, value_name = "FILE", value_hint = ValueHint::AnyPath)]
    key: Option<PathBuf>,
    /// Rows to encrypt (npy, npz, csv or json), or an update (npz or safetensors)
    #[arg(long, value_name = "DATA", value_hint = ValueHint::FilePath)]
    input: PathBuf,
    /// The labels of the rows, for a training (npy, csv or json)
    #[arg(long, value_name = "DATA", value_hint = ValueHint::FilePath)]
    labels: Option<PathBuf>,
    /// File for the ciphertexts, by default named after the input
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    output: Option<PathBuf>,
    #[command(flatten)]
    passphrase: passphrase::Args,
    #[command(flatten)]
    update: update::Args,
}

/// Encrypts what the client file is for.
pub fn run(args: Args, console: &Console) -> Result<ExitCode> {
    let client = paths::file_or_in(&args.client, CLIENT_FILE);
    match Protocol::of(&client)? {
        Protocol::Model => rows(&args, &client, console),
        Protocol::Aggregation => {
            if args.key.is_some() {
                bail!(
                    "updates are encrypted with a public key\nhint: give it with --public-key, without --key"
                );
            }
            if args.labels.is_some() {
                bail!("--labels is for trainings, '{}' belongs to an aggregation", client.display());
            }
            update::run(&args.update, &client, &args.input, args.output.as_deref(), console)
        }
        Protocol::Training => labelled_rows(&args, &client, console),
    }
}

/// Encrypts rows with labels under a public key, for a training.
fn labelled_rows(args: &Args, client: &Path, console: &Console) -> Result<ExitCode> {
    if args.key.is_some() || args.update.dp_sigma.is_some() {
        bail!("rows of a training are encrypted with --public-key, without --key and --dp-sigma");
    }
    let Some(labels) = &args.labels else {
        bail!("rows of a training need their labels\nhint: add --labels");
    };
    let input = Source::parse(&args.input);
    let output = output(args, &input)?;
    let stem = output.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let public_key = args.update.public_key.as_deref().unwrap_or(Path::new(paths::KEYS));
    let party = train::Party {
        client,
        public_key: &paths::file_or_in(public_key, PUBLIC_KEY),
        input: &input,
        labels: &Source::parse(labels),
        name: &args.update.party.clone().or(stem).unwrap_or_default(),
        output: &output,
    };
    train::encrypt(party, console)
}

/// Where the ciphertexts of rows go.
fn output(args: &Args, input: &Source) -> Result<PathBuf> {
    match (&args.output, input) {
        (Some(output), _) => Ok(output.clone()),
        (None, Source::File(path)) => Ok(paths::encrypted(path)),
        (None, Source::Stdin) => {
            bail!("rows from standard input need a name for their ciphertexts\nhint: add -o")
        }
    }
}

/// Runs the prologue in the clear and encrypts its results, row by row.
fn rows(args: &Args, client: &Path, console: &Console) -> Result<ExitCode> {
    if let Some(flag) = args.update.given().or(args.labels.is_some().then_some("--labels")) {
        bail!(
            "{flag} is for several parties, '{}' belongs to a compiled model, whose rows are encrypted with --key",
            client.display()
        );
    }
    let input = Source::parse(&args.input);
    let output = output(args, &input)?;
    let passphrase = args.passphrase.read()?;
    let key = args.key.as_deref().unwrap_or(Path::new(paths::KEYS));
    let request = encrypt::Request {
        client,
        key: &paths::file_or_in(key, SECRET_KEY),
        passphrase: passphrase.as_ref().map(|text| text.as_str()),
        input: &input,
        output: &output,
    };
    let summary = encrypt::encrypt(&request, console)?;
    warn_of_clamped(&summary, console);
    let text = format!(
        "{} encrypted: '{}', {}",
        counted(summary.rows, "row"),
        output.display(),
        bytes(summary.bytes)
    );
    console.report(&summary, text)?;
    Ok(ExitCode::Done)
}

fn warn_of_clamped(summary: &encrypt::Summary, console: &Console) {
    if summary.clamped_values == 0 {
        return;
    }
    let mut inputs: Vec<_> = summary.clamped_inputs.iter().collect();
    inputs.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let named: Vec<String> = inputs.iter().take(5).map(|(name, count)| format!("{name} ({count})")).collect();
    let more = inputs.len().saturating_sub(named.len());
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    console.say(format_args!(
        "warning: {} in {} of {} outside the calibrated range, clamped: {}{more}",
        counted(summary.clamped_values, "value"),
        summary.clamped_rows,
        counted(summary.rows, "row"),
        named.join(", ")
    ));
}
