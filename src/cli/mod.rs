//! The command line: one file a subcommand, each with its arguments and what it does with them.
//!
//! A subcommand parses, calls the library, reports. Only [`Console`] writes to the terminal; the
//! library computes and knows nothing of this room.

mod console;
mod exit;
mod paths;
mod protocol;
mod signals;
mod table;
mod target;
mod values;

mod aggregate;
mod check;
mod compile;
mod completions;
mod decrypt;
mod demo;
mod encrypt;
mod estimate;
mod inspect;
mod keygen;
mod man;
mod passphrase;
mod run;
mod simulate;
mod train;

pub use console::Console;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

use console::Manners;
use exit::ExitCode;

const AFTER_HELP: &str = "\
Exit codes: 0 done; 1 failed; 2 usage; 3 the model is not supported; 4 a gate was not met.

The owner of a model compiles it; the client holds the data and the secret key; the server
computes on ciphertexts and learns nothing about the data:

  fhe-ml compile model.onnx --calibration sample.csv     writes model/client.fhe, model/server.fhe
  fhe-ml keygen  model                                   writes keys/secret.key, keys/evaluation.key
  fhe-ml encrypt model --input rows.csv                  writes rows.ct
  fhe-ml run     model --input rows.ct                   writes rows.out.ct
  fhe-ml decrypt model --input rows.out.ct               writes rows.out.csv";

/// Run machine learning models on encrypted data
#[derive(Parser)]
#[command(name = "fhe-ml", version, propagate_version = true, max_term_width = 100, after_help = AFTER_HELP)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    global: Global,
}

#[derive(Args)]
#[command(next_help_heading = "Everywhere")]
struct Global {
    /// Give one JSON object on stdout, and JSON lines on stderr
    #[arg(long, global = true)]
    json: bool,
    /// Tell errors only
    #[arg(long, short, global = true)]
    quiet: bool,
    /// Number of threads, by default one for each core
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
}

#[derive(Subcommand)]
enum Command {
    Demo(demo::Args),
    Check(check::Args),
    Compile(compile::Args),
    Estimate(estimate::Args),
    Simulate(simulate::Args),
    Keygen(keygen::Args),
    Encrypt(encrypt::Args),
    Run(run::Args),
    #[command(subcommand)]
    Aggregate(aggregate::Command),
    Decrypt(decrypt::Args),
    Train(train::Args),
    Inspect(inspect::Args),
    Completions(completions::Args),
    Man(man::Args),
}

impl Cli {
    /// How the command is to talk.
    pub fn manners(&self) -> Manners {
        Manners { json: self.global.json, quiet: self.global.quiet }
    }
}

/// Does what the command line says.
///
/// # Errors
/// What keeps the command from being done, for [`Console::fail`].
pub fn run(cli: Cli, console: &Console) -> Result<ExitCode> {
    signals::watch()?;
    if let Some(threads) = cli.global.threads {
        rayon::ThreadPoolBuilder::new().num_threads(usize::from(threads)).build_global()?;
    }
    match cli.command {
        Command::Demo(args) => demo::run(args, console),
        Command::Check(args) => check::run(args, console),
        Command::Compile(args) => compile::run(args, console),
        Command::Estimate(args) => estimate::run(args, console),
        Command::Simulate(args) => simulate::run(args, console),
        Command::Keygen(args) => keygen::run(args, console),
        Command::Encrypt(args) => encrypt::run(args, console),
        Command::Run(args) => run::run(args, console),
        Command::Aggregate(command) => aggregate::run(command, console),
        Command::Decrypt(args) => decrypt::run(args, console),
        Command::Train(args) => train::run(args, console),
        Command::Inspect(args) => inspect::run(args, console),
        Command::Completions(args) => completions::run(args, console),
        Command::Man(args) => man::run(args, console),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    /// The checks of clap itself are compiled out of optimised builds, so these are our own.
    #[test]
    fn every_command_and_argument_is_documented() {
        let mut root = Cli::command();
        root.build();
        visit(&root);
    }

    fn visit(command: &clap::Command) {
        let name = command.get_name();
        let about = command.get_about().unwrap_or_else(|| panic!("'{name}' has no help")).to_string();
        assert!(!about.ends_with('.'), "help of '{name}' ends in a period");
        for argument in command.get_arguments() {
            let id = argument.get_id();
            let help = argument.get_help().unwrap_or_else(|| panic!("'{name} {id}' has no help")).to_string();
            assert!(!help.ends_with('.') && !help.contains('\n'), "help of '{name} {id}': {help}");
        }
        flags_are_distinct(command);
        command.get_subcommands().filter(|inner| inner.get_name() != "help").for_each(visit);
    }

    fn flags_are_distinct(command: &clap::Command) {
        let shorts = command.get_arguments().filter_map(|argument| argument.get_short().map(String::from));
        let longs = command.get_arguments().filter_map(|argument| argument.get_long().map(String::from));
        let mut flags: Vec<String> = shorts.chain(longs).collect();
        flags.sort();
        let count = flags.len();
        flags.dedup();
        assert_eq!(flags.len(), count, "'{}' has a flag twice", command.get_name());
    }

    #[test]
    fn paths_are_completed_as_paths() {
        for command in Cli::command().get_subcommands() {
            for argument in command.get_arguments().filter(|argument| takes_a_path(argument)) {
                let (name, id) = (command.get_name(), argument.get_id());
                assert_ne!(
                    argument.get_value_hint(),
                    clap::ValueHint::Unknown,
                    "'{name} {id}' has no value hint"
                );
            }
        }
    }

    fn takes_a_path(argument: &clap::Arg) -> bool {
        argument.get_value_parser().type_id() == std::any::TypeId::of::<std::path::PathBuf>()
    }

    #[test]
    fn the_shortest_pipeline_parses() {
        for line in [
            "fhe-ml compile model.onnx --calibration sample.csv",
            "fhe-ml keygen model",
            "fhe-ml encrypt model --input rows.csv",
            "fhe-ml run model --input rows.ct --threads 2",
            "fhe-ml decrypt model --input rows.out.ct --json",
            "fhe-ml demo",
            "fhe-ml keygen round --public",
            "fhe-ml encrypt round --input update.npz --party a --public-key keys",
            "fhe-ml aggregate plan --like update.safetensors",
            "fhe-ml aggregate run round a.ct b.ct --weights 1,b=2",
        ] {
            Cli::try_parse_from(line.split(' ')).unwrap_or_else(|error| panic!("{line}: {error}"));
        }
    }

    #[test]
    fn values_out_of_range_are_usage_errors() {
        for line in [
            "fhe-ml demo --threads 0",
            "fhe-ml compile model.onnx --bits 0",
            "fhe-ml compile model.onnx --p-error 0.9",
            "fhe-ml compile model.onnx --input x",
            "fhe-ml simulate model --input rows.csv --min-agreement 1.5",
            "fhe-ml estimate model --rows 0",
            "fhe-ml estimate model --max-memory lots",
            "fhe-ml encrypt model",
            "fhe-ml encrypt round --input update.npz --public-key keys --key keys",
            "fhe-ml aggregate plan --like update.npz --bits 40",
            "fhe-ml aggregate run round",
            "fhe-ml aggregate run round a.ct --weights -1",
        ] {
            let error =
                Cli::try_parse_from(line.split(' ')).err().unwrap_or_else(|| panic!("{line}: accepted"));
            assert_eq!(error.exit_code(), 2, "{line}");
        }
    }
}
