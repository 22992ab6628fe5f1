//! `fhe-ml aggregate`: federated learning with encrypted updates.

mod plan;
mod sum;

use anyhow::Result;

use super::console::Console;
use super::exit::ExitCode;

/// Average encrypted updates of several parties
#[derive(clap::Subcommand)]
pub enum Command {
    Plan(plan::Args),
    Run(sum::Args),
}

/// Does what the subcommand says.
pub fn run(command: Command, console: &Console) -> Result<ExitCode> {
    match command {
        Command::Plan(args) => plan::run(&args, console),
        Command::Run(args) => sum::run(&args, console),
    }
}
