//! The `fhe-ml` command.
#![forbid(unsafe_code)]
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod cli;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let console = cli::Console::new(cli.manners());
    match cli::run(cli, &console) {
        Ok(code) => code.into(),
        Err(error) => console.fail(&error).into(),
    }
}
