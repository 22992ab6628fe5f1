//! `fhe-ml compile`: from an ONNX model to a circuit.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::ValueHint;
use fhe_ml::circuit::files::{self, Saved};
use fhe_ml::compile::{self, Report, ScoreError, Settings};
use fhe_ml::onnx;
use fhe_ml::tensor::{Source, read_rows};
use serde::Serialize;

use super::console::Console;
use super::exit::ExitCode;
use super::paths;
use super::table::{Files, bytes, counted};
use super::values::{self, InputShape};

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
    /// Bit width of quantized inputs and weights, by default chosen for the precision of the outputs
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(2..=20))]
    bits: Option<u8>,
    /// Probability that one result is wrong, as a number or a power such as 2^-40, by default 2^-128
    #[arg(long, value_name = "P", value_parser = values::p_error)]
    p_error: Option<f64>,
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
    let rows = read_rows(&Source::parse(calibration), model.inputs())?;
    let compiled = compile::compile(&model, rows, &settings(&args)?)?;
    let folder = args.output.unwrap_or_else(|| paths::folder_for_model(&args.model));
    let saved =
        files::save(&folder, &compiled.circuit, &compiled.client, &model, &compiled.report.client_reveals)?;
    console.report(&Outcome { saved: &saved, report: &compiled.report }, human(&saved, &compiled.report))?;
    Ok(ExitCode::Done)
}

#[derive(Serialize)]
struct Outcome<'a> {
    #[serde(flatten)]
    saved: &'a Saved,
    #[serde(flatten)]
    report: &'a Report,
}

fn settings(args: &Args) -> Result<Settings> {
    let defaults = Settings::default();
    let parameters = match &args.same_parameters_as {
        None => None,
        Some(path) => {
            let client = files::open_client(&paths::file_or_in(path, files::CLIENT_FILE))?;
            Some(*client.value.encoding.parameters())
        }
    };
    Ok(Settings {
        bits: args.bits.map(u32::from),
        log2_p_error: args.p_error.map_or(defaults.log2_p_error, f64::log2),
        parameters,
    })
}

fn human(saved: &Saved, report: &Report) -> String {
    let heading = format!("circuit {}", saved.circuit.short());
    let files = Files { heading, files: &saved.files };
    let listed = |names: &[String]| if names.is_empty() { "-".to_owned() } else { names.join(", ") };
    let error =
        |score: &ScoreError| format!("'{}' {:.1e} (largest {:.1e})", score.node, score.rms, score.max);
    let lines = [
        ("before encryption", listed(&report.parts.prologue)),
        ("encrypted", listed(&report.parts.core)),
        ("after decryption", listed(&report.parts.epilogue)),
        ("calibrated on", calibrated_on(report.calibration_rows)),
        (
            "numbers",
            format!(
                "{} inputs of {} bits, weights of {} bits, {} results of {} bits",
                report.features, report.input_bits, report.weight_bits, report.outputs, report.result_bits
            ),
        ),
        (
            "parameters",
            format!("ring of size {}, {} bits of security", report.polynomial_size, report.security_bits),
        ),
        (
            "exactness",
            format!(
                "noise 2^{:.1}, a result is wrong with probability 2^{:.0}",
                report.log2_noise, report.log2_p_error
            ),
        ),
        (
            "sizes",
            format!(
                "{} a ciphertext: {} in, {} out; no evaluation key needed",
                counted(report.rows_per_block as u64, "row"),
                bytes(report.input_block_bytes as u64),
                bytes(report.output_block_bytes as u64)
            ),
        ),
        ("error against float", report.scores.iter().map(error).collect::<Vec<_>>().join(", ")),
        ("client file reveals", report.client_reveals.join("; ")),
    ];
    let lines = lines.iter().map(|(name, value)| format!("\n  {name:19}  {value}"));
    format!("{files}{}", lines.collect::<String>())
}

fn calibrated_on(rows: usize) -> String {
    match rows {
        compile::MAX_CALIBRATION_ROWS.. => format!("the first {rows} rows; more are not read"),
        _ => counted(rows as u64, "row"),
    }
}
