//! `fhe-ml train export`: trained weights as an ONNX model.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::ValueHint;
use fhe_ml::artifact::OutputFile;
use fhe_ml::circuit::files::CLIENT_FILE;
use fhe_ml::onnx::{LinearModel, write_linear};
use fhe_ml::training::{Task, Weights, files};
use serde_json::json;

use crate::cli::console::Console;
use crate::cli::exit::ExitCode;
use crate::cli::paths;

/// Files of weights are no larger than this.
const MAX_BYTES: u64 = 16 << 20;

/// Write trained weights as an ONNX model
#[derive(clap::Args)]
pub struct Args {
    /// The plan's client file, or the folder it lies in
    #[arg(value_hint = ValueHint::AnyPath)]
    client: PathBuf,
    /// The decrypted weights
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    weights: PathBuf,
    /// File for the model
    #[arg(long, short, value_name = "FILE", default_value = "model.onnx", value_hint = ValueHint::FilePath)]
    output: PathBuf,
}

/// Writes the model.
pub fn run(args: Args, console: &Console) -> Result<ExitCode> {
    let client = files::open_client(&paths::file_or_in(&args.client, CLIENT_FILE))?.value;
    let weights = read(&args.weights)?;
    weights.check(&client.plan).with_context(|| format!("cannot use '{}'", args.weights.display()))?;
    let model = LinearModel {
        coefficients: &weights.coefficients,
        intercepts: &weights.intercepts,
        classifies: matches!(weights.task, Task::Logistic { .. }),
    };
    let mut file = OutputFile::create(&args.output)?;
    file.write_all(&write_linear(&model))?;
    file.finish()?;
    let text = format!("model written: '{}'", args.output.display());
    console.report(&json!({ "model": args.output }), text)?;
    Ok(ExitCode::Done)
}

fn read(path: &Path) -> Result<Weights> {
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(MAX_BYTES).read_to_string(&mut text))
        .with_context(|| format!("cannot read '{}'", path.display()))?;
    serde_json::from_str(&text).with_context(|| {
        format!(
            "cannot read '{}' as weights\nhint: `fhe-ml decrypt` with the client file of a plan writes them",
            path.display()
        )
    })
}
