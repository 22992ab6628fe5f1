//! `fhe-ml keygen`: keys for a client.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::ValueHint;

use super::console::Console;
use super::exit::ExitCode;
use super::{passphrase, paths};

/// Make the keys of a client
#[derive(clap::Args)]
pub struct Args {
    /// The client file, or the folder it lies in
    #[arg(value_hint = ValueHint::AnyPath)]
    client: PathBuf,
    /// Folder for secret.key and evaluation.key
    #[arg(long, short, value_name = "KEYS", default_value = paths::KEYS, value_hint = ValueHint::DirPath)]
    output: PathBuf,
    /// Also make public.key, which lets others encrypt
    #[arg(long)]
    public: bool,
    #[command(flatten)]
    passphrase: passphrase::Args,
}

/// Makes the keys and writes them, the secret key for this user alone.
pub fn run(_args: Args, _console: &Console) -> Result<ExitCode> {
    bail!("`fhe-ml keygen` is not part of this build yet")
}
