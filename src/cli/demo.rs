//! `fhe-ml demo`: the whole pipeline on an embedded model.

use anyhow::{Result, bail};

use super::console::Console;
use super::exit::ExitCode;

/// Show the whole pipeline on an embedded model
#[derive(clap::Args)]
pub struct Args {}

/// Compiles, makes keys, encrypts, runs and decrypts, and says what each party sees.
pub fn run(_args: Args, _console: &Console) -> Result<ExitCode> {
    bail!("`fhe-ml demo` is not part of this build yet")
}
