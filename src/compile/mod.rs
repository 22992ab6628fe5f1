//! A float model and calibration rows become a circuit and its client's half.
//!
//! Passes in order: [`split`] cuts the graph into prologue, core and epilogue; [`lower`] turns the
//! core into polynomials of the prologue's outputs; [`quantize`] chooses integers, and with them
//! the parameters, so that results are exact at the promised precision; [`report`] says what came
//! of it. Nothing here encrypts.

mod calibration;
mod lower;
mod quantize;
mod report;
mod split;
mod subgraph;

pub use report::{PartNames, Report, ScoreError};
pub use split::Unsupported;

use anyhow::Result;

use crate::circuit::{Circuit, ClientSpec};
use crate::crypto::RingParameters;
use crate::model::Model;
use crate::tensor::Row;
use calibration::Calibration;

/// What the user may choose.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Bits of encrypted inputs and weights; by default what keeps errors small beside the spread of
    /// each output.
    pub bits: Option<u32>,
    /// The largest allowed probability, as a base-2 logarithm, that one result is wrong.
    pub log2_p_error: f64,
    /// Use these parameters rather than the cheapest that fit.
    pub parameters: Option<RingParameters>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { bits: None, log2_p_error: -128.0, parameters: None }
    }
}

/// A compiled model.
#[derive(Clone, Debug, PartialEq)]
pub struct Compiled {
    /// The server's half.
    pub circuit: Circuit,
    /// The client's half.
    pub client: ClientSpec,
    /// What was chosen, what it costs, what it reveals.
    pub report: Report,
}

/// Where each operator of a model would run.
///
/// # Errors
/// [`Unsupported`] if the model's weights cannot all be evaluated encrypted.
pub fn parts(model: &Model) -> Result<PartNames> {
    Ok(PartNames::of(model, &split::split(model)?))
}

/// Compiles a model, with calibration rows that show the range of every input.
///
/// # Errors
/// [`Unsupported`] if the model's weights cannot all be evaluated encrypted; other errors if the
/// calibration rows do not fit or no parameters do.
pub fn compile(
    model: &Model,
    calibration: impl IntoIterator<Item = Result<Row>>,
    settings: &Settings,
) -> Result<Compiled> {
    let split = split::split(model)?;
    let prologue = subgraph::prologue(model, &split)?;
    let calibration = Calibration::collect(&prologue, calibration)?;
    let polynomials = lower::polynomials(model, &split, &prologue, calibration.centers())?;
    let quantized = quantize::quantize(&polynomials, &calibration, settings)?;
    let epilogue = subgraph::epilogue(model, &split)?;
    let circuit = Circuit::new(quantized.encoding, quantized.product)?;
    let client = ClientSpec {
        encoding: quantized.encoding,
        prologue,
        centers: calibration.centers().to_vec(),
        terms: quantized.terms,
        outputs: quantized.outputs,
        epilogue,
    };
    client.check()?;
    let report = report::report(model, &split, &circuit, &client, &calibration)?;
    Ok(Compiled { circuit, client, report })
}
