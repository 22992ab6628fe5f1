//! `fhe-ml decrypt`: results from a server.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::ValueHint;

use super::console::Console;
use super::exit::ExitCode;
use super::{passphrase, paths};

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
    /// File for the results (npy, csv or json), or - for stdout; by default named after the input
    #[arg(long, short, value_name = "DATA", value_hint = ValueHint::FilePath)]
    output: Option<PathBuf>,
    /// The output that npy holds, by default the last one of floating-point numbers
    #[arg(long, value_name = "NAME")]
    output_name: Option<String>,
    #[command(flatten)]
    passphrase: passphrase::Args,
}

/// Decrypts row by row and runs the epilogue in the clear.
pub fn run(_args: Args, _console: &Console) -> Result<ExitCode> {
    bail!("`fhe-ml decrypt` is not part of this build yet")
}
