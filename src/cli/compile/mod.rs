//! `fhe-ml compile`: from an ONNX model to a circuit.

mod human;
mod precision;

use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use clap::ValueHint;
use fhe_ml::circuit::files::{self, Saved};
use fhe_ml::compile::{self, Binning, Compiled, Details, KeyParameters, Report, Settings};
use fhe_ml::crypto::SecretParameters;
use fhe_ml::model::Model;
use fhe_ml::onnx;
use fhe_ml::server;
use fhe_ml::tensor::{Source, read_column, read_rows};
use fhe_ml::tune::{self, Goal, Trial};
use serde::Serialize;

use super::console::Console;
use super::exit::ExitCode;
use super::paths;
use super::values::{self, Bits, InputShape};

/// What `--bits auto` may lose, if nobody says.
const MAX_DROP: f64 = 0.01;

/// Compile a model to a client file and a server file
#[derive(clap::Args)]
pub struct Args {
    /// The ONNX model
    #[arg(value_hint = ValueHint::FilePath)]
    model: PathBuf,
    /// The shape of an input whose dimensions the model leaves open; may be given several times
    #[arg(long = "input", value_name = "NAME=SHAPE")]
    inputs: Vec<InputShape>,
    /// Rows that show the usual range of the inputs (npy, npz, csv or json)
    #[arg(long, value_name = "DATA", value_hint = ValueHint::FilePath)]
    calibration: Option<PathBuf>,
    /// Folder for client.fhe and server.fhe, by default named after the model
    #[arg(long, short, value_name = "DIR", value_hint = ValueHint::DirPath)]
    output: Option<PathBuf>,
    /// Bit width of quantized inputs and weights, by default chosen for the precision of the outputs; of trees,
    /// the bits of a feature's bin (2 to 8), by default 6; of networks, what lookups tell apart (2 to 8), by default
    /// 5, or `auto`: the cheapest precision that loses no more than --max-drop on the calibration rows
    #[arg(long, value_name = "N|auto")]
    bits: Option<Bits>,
    /// What `--bits auto` may lose: of the score on known labels, else the share of rows decided otherwise (of
    /// numbers, of their variance), by default 0.01
    #[arg(long, value_name = "D", value_parser = values::share)]
    max_drop: Option<f64>,
    /// The true labels or values of the calibration rows, for `--bits auto`
    #[arg(long, value_name = "DATA", value_hint = ValueHint::FilePath)]
    labels: Option<PathBuf>,
    /// A file of the precision of networks, for all nodes and for single ones: read if it is there, else written
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    settings: Option<PathBuf>,
    /// Compare the features of trees with the model's own thresholds: labels are the model's on every row, and
    /// the client file holds the thresholds
    #[arg(long, conflicts_with = "bits")]
    exact_thresholds: bool,
    /// Let clients of tree ensembles send every bit ready to multiply: megabytes a row, less time, no
    /// evaluation key
    #[arg(long)]
    lan: bool,
    /// Let whoever decrypts learn the distances to all points of nearest neighbours: no evaluation key, less time
    #[arg(long)]
    reveal_distances: bool,
    /// Probability that one result is wrong, as a number or a power such as 2^-40, by default 2^-128; of networks, that
    /// noise moves what a lookup reads further than the report says, by default 2^-40
    #[arg(long, value_name = "P", value_parser = values::p_error)]
    p_error: Option<f64>,
    /// The largest evaluation key of networks and nearest neighbours, in megabytes, by default 40: larger ones may make
    /// layers faster that need less precision than others
    #[arg(long, value_name = "MB", value_parser = clap::value_parser!(u32).range(1..=4096))]
    max_key_mb: Option<u32>,
    /// Use the parameters of another client file, so that its keys serve this model too
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    same_parameters_as: Option<PathBuf>,
}

/// Compiles, writes the files and reports what they cost and reveal.
pub fn run(args: Args, console: &Console) -> Result<ExitCode> {
    let Some(calibration) = &args.calibration else {
        bail!(
            "calibration rows are missing: they show the usual range of each input\nhint: add --calibration DATA, \
             some rows like those that will be encrypted"
        );
    };
    let model = onnx::read(&args.model, &values::options(&args.inputs))?;
    let mut settings = settings(&args)?;
    let written = match &args.settings {
        Some(path) => precision::read_or_begin(path, &mut settings)?,
        None => None,
    };
    let source = Source::parse(calibration);
    let (mut compiled, trials) = match args.bits {
        Some(Bits::Auto) => tuned(&model, &source, &settings, &args, console)?,
        Some(Bits::Number(_)) | None => {
            ensure!(
                args.max_drop.is_none() && args.labels.is_none(),
                "--max-drop and --labels say what --bits auto may lose\nhint: add --bits auto"
            );
            (compile::compile(&model, read_rows(&source, model.inputs())?, &settings)?, Vec::new())
        }
    };
    if let (Details::Trees(trees), SecretParameters::Ring(ring)) =
        (&mut compiled.report.details, compiled.circuit.encoding().secret())
    {
        let unit = server::seconds_per_transform(&ring);
        trees.predicted_seconds = Some(trees.work.seconds(unit, rayon::current_num_threads()));
    }
    if let (Some(path), Details::Product(_) | Details::Trees(_) | Details::Neighbors(_)) =
        (&args.settings, &compiled.report.details)
    {
        bail!("the model is no network: it cannot take the settings in '{}'", path.display());
    }
    let folder = args.output.unwrap_or_else(|| paths::folder_for_model(&args.model));
    let saved =
        files::save(&folder, &compiled.circuit, &compiled.client, &model, &compiled.report.client_reveals)?;
    if let (Some(written), Details::Networks(network)) = (written, &compiled.report.details) {
        precision::finish(written, network)?;
    }
    let human = human::human(&saved, &compiled.report, &trials);
    console.report(&Outcome { saved: &saved, report: &compiled.report, trials }, human)?;
    Ok(ExitCode::Done)
}

#[derive(Serialize)]
struct Outcome<'a> {
    #[serde(flatten)]
    saved: &'a Saved,
    #[serde(flatten)]
    report: &'a Report,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    trials: Vec<Trial>,
}

/// Compiles at the cheapest precision that is good enough on the calibration rows.
fn tuned(
    model: &Model,
    calibration: &Source,
    settings: &Settings,
    args: &Args,
    console: &Console,
) -> Result<(Compiled, Vec<Trial>)> {
    let rows = read_rows(calibration, model.inputs())?.take(compile::MAX_CALIBRATION_ROWS);
    let rows = rows.collect::<Result<Vec<_>>>()?;
    let labels = match &args.labels {
        None => None,
        Some(path) => Some(read_column(&Source::parse(path))?.for_rows(rows.len())?),
    };
    let goal = Goal { max_drop: args.max_drop.unwrap_or(MAX_DROP), labels: labels.as_ref() };
    tune::tune(model, &rows, settings, goal, console)
}

fn settings(args: &Args) -> Result<Settings> {
    let defaults = Settings::default();
    let parameters = match &args.same_parameters_as {
        None => None,
        Some(path) => {
            let client = files::open_client(&paths::file_or_in(path, files::CLIENT_FILE))?;
            let parameters = KeyParameters::of(&client.value.encoding);
            Some(parameters.with_context(|| {
                format!("the keys of '{}' are for lookups: they serve that circuit alone", path.display())
            })?)
        }
    };
    Ok(Settings {
        bits: args.bits.and_then(Bits::number),
        log2_p_error: args.p_error.map(f64::log2),
        parameters,
        binning: if args.exact_thresholds { Binning::Exact } else { Binning::Quantile },
        lan: args.lan,
        reveal_distances: args.reveal_distances,
        max_key_bytes: args
            .max_key_mb
            .map_or(defaults.max_key_bytes, |megabytes| megabytes as usize * 1_000_000),
        precision: defaults.precision,
    })
}
