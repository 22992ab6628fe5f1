//! `fhe-ml train`: learning from encrypted rows of several parties.

mod decrypt;
mod encrypt;
mod export;
mod plan;
mod run;
mod simulate;

use anyhow::Result;
use clap::Subcommand;

pub use decrypt::decrypt;
pub use encrypt::{Party, encrypt};

use super::console::Console;
use super::exit::ExitCode;

/// Train a model on encrypted rows of several parties
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Plan(plan::Args),
    Run(run::Args),
    Export(export::Args),
    Simulate(simulate::Args),
}

/// Does what the subcommand says.
pub fn run(args: Args, console: &Console) -> Result<ExitCode> {
    match args.command {
        Command::Plan(args) => plan::run(args, console),
        Command::Run(args) => run::run(args, console),
        Command::Export(args) => export::run(args, console),
        Command::Simulate(args) => simulate::run(args, console),
    }
}
