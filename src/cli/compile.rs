//! `fhe-ml compile`: from an ONNX model to a circuit.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::ValueHint;

use super::console::Console;
use super::exit::ExitCode;
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
    /// Bit width of quantized values, by default chosen for the model
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=16))]
    bits: Option<u8>,
    /// Probability that one lookup is wrong, as a number or a power such as 2^-40
    #[arg(long, value_name = "P", default_value = "2^-40", value_parser = values::p_error)]
    p_error: f64,
    /// Use the parameters of another client file, so that its keys serve this model too
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    same_parameters_as: Option<PathBuf>,
}

/// Compiles, writes both files and reports what they cost and reveal.
pub fn run(_args: Args, _console: &Console) -> Result<ExitCode> {
    bail!("`fhe-ml compile` is not part of this build yet")
}
