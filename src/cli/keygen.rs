//! `fhe-ml keygen`: keys for a client.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::ValueHint;
use fhe_ml::artifact::{Kind, Reader};
use fhe_ml::circuit::files::CLIENT_FILE;
use fhe_ml::client::keys::KeySet;
use fhe_ml::training;

use super::console::Console;
use super::exit::ExitCode;
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
    /// Folder for secret.key and evaluation.key
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
    let is_training = Reader::open(client)?.header().kind == Kind::TrainingClient;
    match (is_training, public) {
        (true, true) => training::files::key_set(client),
        (true, false) => bail!(
            "'{}' belongs to a training, whose parties encrypt with a public key\nhint: add --public",
            client.display()
        ),
        (false, true) => bail!(
            "'{}' belongs to a compiled model, whose rows are encrypted with the secret key alone\n\
             hint: leave out --public",
            client.display()
        ),
        (false, false) => KeySet::of_model(client),
    }
}
