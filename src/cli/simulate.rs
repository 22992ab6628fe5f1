//! `fhe-ml simulate`: the circuit in the clear, with its noise.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::ValueHint;
use fhe_ml::circuit::files;
use fhe_ml::progress::Progress;
use fhe_ml::server::{Accuracy, Parts, Score, Simulation};
use fhe_ml::tensor::{Source, read_column, read_rows};

use super::console::Console;
use super::exit::{ExitCode, GateNotMet};
use super::table::counted;
use super::target::Target;
use super::values;

/// The same noise every time, so that a gate gives the same answer every time.
const SEED: u64 = 1;

/// Run a circuit in the clear, with its noise, and report its accuracy
#[derive(clap::Args)]
pub struct Args {
    /// The folder of the compiled model
    #[arg(value_hint = ValueHint::DirPath)]
    model: PathBuf,
    /// Rows to run (npy, npz, csv or json)
    #[arg(long, value_name = "DATA", value_hint = ValueHint::FilePath)]
    input: PathBuf,
    /// The true labels or values of the rows
    #[arg(long, value_name = "DATA", value_hint = ValueHint::FilePath)]
    labels: Option<PathBuf>,
    /// File for the results (csv, json, npy or npz)
    #[arg(long, short, value_name = "DATA", value_hint = ValueHint::FilePath)]
    output: Option<PathBuf>,
    /// Fail with exit code 4 if a smaller share of the rows agrees with the model
    #[arg(long, value_name = "R", value_parser = values::share)]
    min_agreement: Option<f64>,
}

/// Runs the rows and reports how well the circuit agrees with the model.
pub fn run(args: Args, console: &Console) -> Result<ExitCode> {
    let client = files::open_client(&args.model.join(files::CLIENT_FILE))?;
    let server = files::open_server(&args.model.join(files::SERVER_FILE))?;
    let model = files::open_model(&args.model.join(files::MODEL_FILE))?;
    for other in [server.circuit, model.circuit] {
        ensure!(
            other == client.circuit,
            "the files in '{}' belong to different circuits",
            args.model.display()
        );
    }
    let target = args.output.map(Target::of).transpose()?;
    let rows = read_rows(&Source::parse(&args.input), model.value.inputs())?;
    console.begin("simulate", rows.len_hint());
    let counted = rows.inspect(|_| console.advance(1));
    let parts = Parts { client: &client.value, circuit: &server.value, model: &model.value };
    let simulation = Simulation::run(parts, counted, SEED)?;
    console.end();
    let labels = match &args.labels {
        None => None,
        Some(path) => Some(read_column(&Source::parse(path))?.for_rows(simulation.rows().len())?),
    };
    let accuracy = simulation.accuracy(labels.as_ref())?;
    if let Some(target) = &target {
        let mut rows = target.begin(simulation.fields(), simulation.rows().len() as u64, None)?;
        simulation.rows().iter().try_for_each(|row| rows.write(row))?;
        rows.finish()?;
    }
    if target.as_ref().is_none_or(|target| target.path().is_some()) {
        console.report(&accuracy, human(&accuracy))?;
    }
    let least = args.min_agreement.unwrap_or(0.0);
    if accuracy.agreement < least {
        let sentence = format!("agreement {:.4} is below {least}", accuracy.agreement);
        return Err(GateNotMet(sentence).into());
    }
    Ok(ExitCode::Done)
}

fn human(accuracy: &Accuracy) -> String {
    let mut text = format!("{}: agreement {:.4}", counted(accuracy.rows as u64, "row"), accuracy.agreement);
    for difference in &accuracy.largest_differences {
        text += &format!("\n  '{}' differs by at most {:.1e}", difference.output, difference.largest);
    }
    if let Some(Score { measure, float, circuit }) = &accuracy.score {
        text += &format!("\n  {measure}: float model {float:.4}, circuit {circuit:.4}");
    }
    if accuracy.clamped_values > 0 {
        text += &format!(
            "\n  {} outside the calibrated range, clamped",
            counted(accuracy.clamped_values as u64, "value")
        );
    }
    if let Some(beyond) = accuracy.lookups_beyond_range.filter(|beyond| *beyond > 0) {
        text += &format!("\n  {} beyond their calibrated range", counted(beyond as u64, "lookup"));
    }
    text
}
