//! A float model and calibration rows become a circuit and its client's half.
//!
//! Passes in order: [`split`] cuts the graph into prologue, core and epilogue; [`lower`] turns the
//! core into polynomials of the prologue's outputs; [`quantize`] chooses the finest integers that a
//! parameter set can hold exactly; [`errors`] measures what they do to the model's outputs, which
//! decides between parameter sets; [`report`] says what came of it. Nothing here encrypts.

mod calibration;
mod errors;
mod lower;
mod quantize;
mod report;
mod split;
mod subgraph;

pub use errors::ScoreError;
pub use report::{PartNames, Report};
pub use split::Unsupported;

use anyhow::Result;

use crate::circuit::{Circuit, ClientSpec};
use crate::crypto::RingParameters;
use crate::model::Model;
use crate::tensor::Row;
use calibration::Calibration;
use errors::Errors;
use quantize::Quantized;

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
    let epilogue = subgraph::epilogue(model, &split)?;
    let calibration = Calibration::collect(&prologue, calibration)?;
    let polynomials = lower::polynomials(model, &split, &prologue, calibration.centers())?;
    let candidates: Vec<RingParameters> = match settings.parameters {
        Some(parameters) => vec![parameters],
        None => RingParameters::all_secure().collect(),
    };
    let mut best: Option<(Errors, Circuit, ClientSpec)> = None;
    for parameters in &candidates {
        let quantized = quantize::quantize(&polynomials, &calibration, settings, *parameters)?;
        let Some(quantized) = quantized else { continue };
        let (circuit, client) = halves(quantized, &prologue, &epilogue, &calibration)?;
        let errors = Errors::measure(model, &split, &circuit, &client, &calibration)?;
        let is_good = errors.are_small() || settings.bits.is_some();
        if best.as_ref().is_none_or(|(least, _, _)| errors.relative < least.relative) {
            best = Some((errors, circuit, client));
        }
        if is_good {
            break;
        }
    }
    let Some((errors, circuit, client)) = best else { return Err(nothing_fits(settings, &candidates)) };
    let report = report::report(model, &split, &circuit, &client, errors);
    Ok(Compiled { circuit, client, report })
}

fn halves(
    quantized: Quantized,
    prologue: &Model,
    epilogue: &Model,
    calibration: &Calibration,
) -> Result<(Circuit, ClientSpec)> {
    let client = ClientSpec {
        encoding: quantized.encoding,
        prologue: prologue.clone(),
        centers: calibration.centers().to_vec(),
        terms: quantized.terms,
        outputs: quantized.outputs,
        epilogue: epilogue.clone(),
    };
    client.check()?;
    Ok((Circuit::new(quantized.encoding, quantized.product)?, client))
}

fn nothing_fits(settings: &Settings, candidates: &[RingParameters]) -> anyhow::Error {
    let sizes: Vec<usize> = candidates.iter().map(|candidate| candidate.polynomial_size()).collect();
    let hint = match settings.bits {
        Some(bits) => {
            format!("compile with fewer bits, for example --bits {}", bits.saturating_sub(4).max(2))
        }
        None => "choose the precision by hand, for example --bits 8".to_owned(),
    };
    anyhow::anyhow!(
        "no parameters fit: the results need more bits than polynomial sizes {sizes:?} leave\nhint: {hint}"
    )
}
