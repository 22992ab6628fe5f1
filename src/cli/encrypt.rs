//! `fhe-ml encrypt`: rows for a server.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::ValueHint;
use fhe_ml::circuit::files::CLIENT_FILE;
use fhe_ml::client::encrypt;
use fhe_ml::client::keys::SECRET_KEY;
use fhe_ml::tensor::Source;

use super::console::Console;
use super::exit::ExitCode;
use super::table::{bytes, counted};
use super::{passphrase, paths};

/// Encrypt rows of data for a server
#[derive(clap::Args)]
pub struct Args {
    /// The client file, or the folder it lies in
    #[arg(value_hint = ValueHint::AnyPath)]
    client: PathBuf,
    /// The secret key, or the folder it lies in
    #[arg(long, value_name = "FILE", default_value = paths::KEYS, value_hint = ValueHint::AnyPath)]
    key: PathBuf,
    /// Rows to encrypt (npy, npz, csv or json)
    #[arg(long, value_name = "DATA", value_hint = ValueHint::FilePath)]
    input: PathBuf,
    /// File for the ciphertexts, by default named after the input
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    output: Option<PathBuf>,
    #[command(flatten)]
    passphrase: passphrase::Args,
}

/// Runs the prologue in the clear and encrypts its results, row by row.
pub fn run(args: Args, console: &Console) -> Result<ExitCode> {
    let input = Source::parse(&args.input);
    let output = match (&args.output, &input) {
        (Some(output), _) => output.clone(),
        (None, Source::File(path)) => paths::encrypted(path),
        (None, Source::Stdin) => {
            bail!("rows from standard input need a name for their ciphertexts\nhint: add -o")
        }
    };
    let passphrase = args.passphrase.read()?;
    let request = encrypt::Request {
        client: &paths::file_or_in(&args.client, CLIENT_FILE),
        key: &paths::file_or_in(&args.key, SECRET_KEY),
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
