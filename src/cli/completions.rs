//! `fhe-ml completions`: completion scripts for shells.

use anyhow::Result;
use clap::CommandFactory;
use clap_complete::Shell;

use super::Cli;
use super::console::Console;
use super::exit::ExitCode;

/// Write a completion script for a shell to stdout
#[derive(clap::Args)]
pub struct Args {
    /// The shell
    shell: Shell,
}

/// Writes the script.
pub fn run(args: Args, console: &Console) -> Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "fhe-ml", &mut script);
    console.write(&script)?;
    Ok(ExitCode::Done)
}
