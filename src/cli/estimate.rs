//! `fhe-ml estimate`: the cost on this machine before paying it.

use std::path::PathBuf;

use anyhow::Result;
use clap::ValueHint;
use fhe_ml::circuit::files;
use fhe_ml::server::{self, Estimate};

use super::console::Console;
use super::exit::{ExitCode, GateNotMet};
use super::table::{bytes, counted, seconds};
use super::{paths, values};

/// Estimate time, memory and sizes on this machine
#[derive(clap::Args)]
pub struct Args {
    /// The folder of the compiled model
    #[arg(value_hint = ValueHint::DirPath)]
    model: PathBuf,
    /// Number of rows
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    rows: u64,
    /// Fail with exit code 4 if the rows take longer
    #[arg(long, value_name = "S", value_parser = values::seconds)]
    max_seconds: Option<f64>,
    /// Fail with exit code 4 if more memory is needed, for instance 4G
    #[arg(long, value_name = "BYTES", value_parser = values::bytes)]
    max_memory: Option<u64>,
    /// Fail with exit code 4 if the evaluation key is larger, in megabytes
    #[arg(long, value_name = "K")]
    max_key_mb: Option<u64>,
}

/// Reports the costs and holds them against the gates.
pub fn run(args: Args, console: &Console) -> Result<ExitCode> {
    let server = files::open_server(&paths::file_or_in(&args.model, files::SERVER_FILE))?;
    let estimate = server::estimate(&server.value, args.rows)?;
    console.report(&estimate, human(&estimate))?;
    let over = |cost: f64, most: Option<f64>| most.is_some_and(|most| cost > most);
    let mut broken = Vec::new();
    if over(estimate.run_seconds, args.max_seconds) {
        let most = args.max_seconds.map_or_else(String::new, seconds);
        broken.push(format!("computing takes {}, more than {most}", seconds(estimate.run_seconds)));
    }
    if over(estimate.memory_bytes as f64, args.max_memory.map(|most| most as f64)) {
        let most = args.max_memory.map_or_else(String::new, bytes);
        broken.push(format!("memory is {}, more than {most}", bytes(estimate.memory_bytes)));
    }
    if over(estimate.evaluation_key_bytes as f64 / 1e6, args.max_key_mb.map(|most| most as f64)) {
        broken.push(format!("the evaluation key has {}", bytes(estimate.evaluation_key_bytes)));
    }
    if broken.is_empty() { Ok(ExitCode::Done) } else { Err(GateNotMet(broken.join("; ")).into()) }
}

fn human(estimate: &Estimate) -> String {
    let costs = format!(
        "{} on {}: {} of computing, {} for a single row\n  {} in, {} out, evaluation key {}, about {} of memory",
        counted(estimate.rows, "row"),
        counted(estimate.threads as u64, "thread"),
        seconds(estimate.run_seconds),
        seconds(estimate.latency_seconds),
        bytes(estimate.input_bytes),
        bytes(estimate.output_bytes),
        bytes(estimate.evaluation_key_bytes),
        bytes(estimate.memory_bytes)
    );
    match &estimate.lookups {
        None => costs,
        Some(lookups) => format!(
            "{costs}\n  {} a row, {} each on a thread: measured, {:.2} times as long as predicted",
            counted(lookups.lookups_per_row, "lookup"),
            seconds(lookups.measured_seconds),
            lookups.measured_seconds / lookups.predicted_seconds
        ),
    }
}
