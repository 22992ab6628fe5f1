//! `fhe-ml decrypt`: results from a server.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::ValueHint;
use fhe_ml::circuit::files::CLIENT_FILE;
use fhe_ml::client::decrypt::{self, Results};
use fhe_ml::client::keys::SECRET_KEY;
use fhe_ml::federated::{self, Decryption};
use fhe_ml::training::weights;

use super::console::Console;
use super::exit::ExitCode;
use super::protocol::Protocol;
use super::table::counted;
use super::target::Target;
use super::{passphrase, paths, train};

/// Decrypt results: what the model itself would give on the same rows, an average of updates, or trained weights
#[derive(clap::Args)]
pub struct Args {
    /// The client file, or the folder it lies in
    #[arg(value_hint = ValueHint::AnyPath)]
    client: PathBuf,
    /// The secret key, or the folder it lies in
    #[arg(long, value_name = "FILE", default_value = paths::KEYS, value_hint = ValueHint::AnyPath)]
    key: PathBuf,
    /// Encrypted results
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    input: PathBuf,
    /// File for the results (csv, json, npy or npz; an average: npz or safetensors; weights: json), or - for stdout; by default
    /// named after the input
    #[arg(long, short, value_name = "DATA", value_hint = ValueHint::FilePath)]
    output: Option<PathBuf>,
    /// The output that npy holds, by default the last one of floating-point numbers
    #[arg(long, value_name = "NAME")]
    output_name: Option<String>,
    #[command(flatten)]
    passphrase: passphrase::Args,
}

/// Decrypts what the client file is for.
pub fn run(args: Args, console: &Console) -> Result<ExitCode> {
    let client = paths::file_or_in(&args.client, CLIENT_FILE);
    match Protocol::of(&client)? {
        Protocol::Model => rows(args, &client, console),
        Protocol::Aggregation => average(&args, &client, console),
        Protocol::Training => trained(&args, &client, console),
    }
}

/// Decrypts row by row and runs the epilogue in the clear.
fn rows(args: Args, client: &Path, console: &Console) -> Result<ExitCode> {
    let output = Target::of(args.output.unwrap_or_else(|| paths::decrypted(&args.input)))?;
    let passphrase = args.passphrase.read()?;
    let request = decrypt::Request {
        client,
        key: &paths::file_or_in(&args.key, SECRET_KEY),
        passphrase: passphrase.as_ref().map(|text| text.as_str()),
        input: &args.input,
    };
    let results = Results::open(&request, console)?;
    let rows = results.rows();
    let mut rows_out = output.begin(&results.fields(), rows, args.output_name.as_deref())?;
    results.decrypt(console, |row| rows_out.write(&row))?;
    rows_out.finish()?;
    output.report(rows, "decrypted", console)?;
    Ok(ExitCode::Done)
}

/// Decrypts trained weights.
fn trained(args: &Args, client: &Path, console: &Console) -> Result<ExitCode> {
    if args.output_name.is_some() {
        bail!("--output-name is for compiled models, '{}' belongs to a training", client.display());
    }
    let passphrase = args.passphrase.read()?;
    let request = weights::Request {
        client,
        key: &paths::file_or_in(&args.key, SECRET_KEY),
        passphrase: passphrase.as_ref().map(|text| text.as_str()),
        input: &args.input,
    };
    let output = args.output.clone().unwrap_or_else(|| args.input.with_extension("json"));
    train::decrypt(&request, &output, console)
}

/// Decrypts a sum of updates and divides it by the weights.
fn average(args: &Args, client: &Path, console: &Console) -> Result<ExitCode> {
    if args.output_name.is_some() {
        bail!("--output-name is for compiled models, '{}' belongs to an aggregation", client.display());
    }
    let output = args.output.clone().unwrap_or_else(|| paths::average(&args.input));
    let passphrase = args.passphrase.read()?;
    let request = Decryption {
        client,
        key: &paths::file_or_in(&args.key, SECRET_KEY),
        passphrase: passphrase.as_ref().map(|text| text.as_str()),
        input: &args.input,
        output: &output,
    };
    let decrypted = federated::decrypt(&request, console)?;
    let values = counted(decrypted.values, "value");
    console.report(&decrypted, format!("average of {values} decrypted: '{}'", output.display()))?;
    Ok(ExitCode::Done)
}
