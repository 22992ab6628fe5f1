//! `fhe-ml keygen`: keys for a client.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::ValueHint;
use fhe_ml::circuit::files::CLIENT_FILE;
use fhe_ml::client::keys::KeySet;
use fhe_ml::federated;
use fhe_ml::training;

use super::console::Console;
use super::exit::ExitCode;
use super::protocol::Protocol;
use super::table::Files;
use super::{passphrase, paths};

/// Make the keys of a client
#[derive(clap::Args)]
pub struct Args {
    /// The client file, or the folder it lies in
    #[arg(value_hint = ValueHint::AnyPath)]
    client: PathBuf,
    /// Also write public.key, with which others encrypt
    #[arg(long)]
    public: bool,
    /// Folder for secret.key and what others need: evaluation.key, public.key
    #[arg(long, short, value_name = "KEYS", default_value = paths::KEYS, value_hint = ValueHint::DirPath)]
    output: PathBuf,
    #[command(flatten)]
    passphrase: passphrase::Args,
}

/// Makes the keys and writes them, the secret key for this user alone.
pub fn run(args: Args, console: &Console) -> Result<ExitCode> {
    let client = paths::file_or_in(&args.client, CLIENT_FILE);
    let passphrase = args.passphrase.read()?;
    let set = key_set(&client, args.public)?;
    let keys = set.save(&args.output, passphrase.as_ref().map(|text| text.as_str()))?;
    console.report(&keys, Files { heading: format!("keys {}", keys.key.short()), files: &keys.files })?;
    Ok(ExitCode::Done)
}

/// Fresh keys for a client file of any kind.
fn key_set(client: &Path, public: bool) -> Result<KeySet> {
    match Protocol::of(client)? {
        Protocol::Aggregation => federated::key_set(client, public),
        Protocol::Training if public => training::files::key_set(client),
        Protocol::Training => bail!(
            "'{}' belongs to a training, whose parties encrypt with a public key\nhint: add --public",
            client.display()
        ),
        Protocol::Model if public => bail!(
            "'{}' belongs to a compiled model, whose rows are encrypted with the secret key alone\n\
             hint: leave out --public",
            client.display()
        ),
        Protocol::Model => KeySet::of_model(client),
    }
}
