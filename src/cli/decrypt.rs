//! `fhe-ml decrypt`: results from a server.

use std::path::PathBuf;

use anyhow::Result;
use clap::ValueHint;
use fhe_ml::artifact::{Kind, Reader};
use fhe_ml::circuit::files::CLIENT_FILE;
use fhe_ml::client::decrypt::{self, Results};
use fhe_ml::client::keys::SECRET_KEY;
use fhe_ml::training::weights;

use super::console::Console;
use super::exit::ExitCode;
use super::target::Target;
use super::{passphrase, paths, train};

/// Decrypt results: what the model itself would give on the same rows
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
    /// File for the results (csv, json, npy or npz), or - for stdout; by default named after the input
    #[arg(long, short, value_name = "DATA", value_hint = ValueHint::FilePath)]
    output: Option<PathBuf>,
    /// The output that npy holds, by default the last one of floating-point numbers
    #[arg(long, value_name = "NAME")]
    output_name: Option<String>,
    #[command(flatten)]
    passphrase: passphrase::Args,
}

/// Decrypts row by row and runs the epilogue in the clear.
pub fn run(args: Args, console: &Console) -> Result<ExitCode> {
    let client = paths::file_or_in(&args.client, CLIENT_FILE);
    let key = paths::file_or_in(&args.key, SECRET_KEY);
    let passphrase = args.passphrase.read()?;
    if Reader::open(&client)?.header().kind == Kind::TrainingClient {
        let request = weights::Request {
            client: &client,
            key: &key,
            passphrase: passphrase.as_ref().map(|text| text.as_str()),
            input: &args.input,
        };
        return train::decrypt(
            &request,
            &args.output.unwrap_or_else(|| args.input.with_extension("json")),
            console,
        );
    }
    let output = Target::of(args.output.unwrap_or_else(|| paths::decrypted(&args.input)))?;
    let request = decrypt::Request {
        client: &client,
        key: &key,
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
