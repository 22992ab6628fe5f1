//! `fhe-ml encrypt`: rows for a server.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::ValueHint;

use super::console::Console;
use super::exit::ExitCode;
use super::{passphrase, paths};

/// Encrypt rows of data for a server
#[derive(clap::Args)]
pub struct Args {
    /// The client file, or the folder it lies in
    #[arg(value_hint = ValueHint::AnyPath)]
    client: PathBuf,
    /// The secret or public key, or the folder of the secret key
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
pub fn run(_args: Args, _console: &Console) -> Result<ExitCode> {
    bail!("`fhe-ml encrypt` is not part of this build yet")
}
