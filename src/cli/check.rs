//! `fhe-ml check`: can this model run?.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::ValueHint;

use super::console::Console;
use super::exit::ExitCode;
use super::values::InputShape;

/// Check whether a model can run encrypted: every problem in one pass, node by node
#[derive(clap::Args)]
pub struct Args {
    /// The ONNX model
    #[arg(value_hint = ValueHint::FilePath)]
    model: PathBuf,
    /// The shape of an input whose dimensions the model leaves open; may be given several times
    #[arg(long = "input", value_name = "NAME=SHAPE")]
    inputs: Vec<InputShape>,
}

/// Reads the model and tells what stands in the way.
pub fn run(_args: Args, _console: &Console) -> Result<ExitCode> {
    bail!("`fhe-ml check` is not part of this build yet")
}
