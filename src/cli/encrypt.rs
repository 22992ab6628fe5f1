//! `fhe-ml encrypt`: rows for a server.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::ValueHint;
use fhe_ml::artifact::{Kind, Reader};
use fhe_ml::circuit::files::CLIENT_FILE;
use fhe_ml::client::encrypt;
use fhe_ml::client::keys::{PUBLIC_KEY, SECRET_KEY};
use fhe_ml::tensor::Source;

use super::console::Console;
use super::exit::ExitCode;
use super::table::{bytes, counted};
use super::{passphrase, paths, train};

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
    /// The public key of a training, or the folder it lies in
    #[arg(long, value_name = "FILE", value_hint = ValueHint::AnyPath)]
    public_key: Option<PathBuf>,
    /// The labels of the rows, for a training (npy, csv or json)
    #[arg(long, value_name = "DATA", value_hint = ValueHint::FilePath)]
    labels: Option<PathBuf>,
    /// Who encrypts, by default the name of the input
    #[arg(long, value_name = "NAME")]
    party: Option<String>,
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
    let client = paths::file_or_in(&args.client, CLIENT_FILE);
    if Reader::open(&client)?.header().kind == Kind::TrainingClient {
        return party(&args, &client, (&input, &output), console);
    }
    if args.public_key.is_some() || args.labels.is_some() || args.party.is_some() {
        bail!(
            "'{}' belongs to a compiled model: its rows have no labels and no parties, and are encrypted with the secret \
             key",
            client.display()
        );
    }
    let passphrase = args.passphrase.read()?;
    let request = encrypt::Request {
        client: &client,
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

/// Encrypts rows with labels, for a training.
fn party(
    args: &Args,
    client: &Path,
    (input, output): (&Source, &Path),
    console: &Console,
) -> Result<ExitCode> {
    let Some(labels) = &args.labels else {
        bail!("rows of a training need their labels\nhint: add --labels");
    };
    let public_key = args.public_key.as_deref().unwrap_or(Path::new(paths::KEYS));
    let stem = output.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let party = train::Party {
        client,
        public_key: &paths::file_or_in(public_key, PUBLIC_KEY),
        input,
        labels: &Source::parse(labels),
        name: &args.party.clone().or(stem).unwrap_or_default(),
        output,
    };
    train::encrypt(party, console)
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
