//! `fhe-ml man`: manual pages.

use anyhow::{Result, anyhow};
use clap::CommandFactory;
use clap_mangen::Man;

use super::Cli;
use super::console::Console;
use super::exit::ExitCode;

/// Write a manual page to stdout, for `man -l -`
#[derive(clap::Args)]
pub struct Args {
    /// A subcommand; by default the page is about fhe-ml as a whole
    command: Option<String>,
}

/// Writes the page.
pub fn run(args: Args, console: &Console) -> Result<ExitCode> {
    let mut root = Cli::command();
    root.build();
    let command = match &args.command {
        None => root,
        Some(name) => {
            let found = root.find_subcommand(name).cloned();
            found.ok_or_else(|| anyhow!("there is no subcommand '{name}'\nhint: `fhe-ml help` lists them"))?
        }
    };
    let mut page = Vec::new();
    Man::new(command).render(&mut page)?;
    console.write(&page)?;
    Ok(ExitCode::Done)
}
