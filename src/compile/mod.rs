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
use split::{Products, Split};

/// Calibration rows after these are not read.
pub const MAX_CALIBRATION_ROWS: usize = calibration::MAX_ROWS;

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
    let split = split::split(model, Products::Expand).or_else(|_| split::split(model, Products::Compute))?;
    Ok(PartNames::of(model, &split))
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
    let rows = calibration.into_iter().take(calibration::MAX_ROWS).collect::<Result<Vec<_>>>()?;
    let expanded = attempt(model, Products::Expand, &rows, settings);
    let best = match expanded {
        Ok(expanded) if expanded.errors.are_small() => Ok(expanded),
        expanded => better(expanded, attempt(model, Products::Compute, &rows, settings)),
    };
    let Attempt { split, circuit, client, errors } = best?;
    let report = report::report(model, &split, &circuit, &client, errors, rows.len());
    Ok(Compiled { circuit, client, report })
}

/// The one with the smaller errors; the first one's failure if both failed.
fn better(first: Result<Attempt>, second: Result<Attempt>) -> Result<Attempt> {
    match (&first, &second) {
        (Ok(one), Ok(other)) if other.errors.relative < one.errors.relative => second,
        (Err(_), Ok(_)) => second,
        _ => first,
    }
}

/// A model compiled in one way, and what that does to its outputs.
struct Attempt {
    split: Split,
    circuit: Circuit,
    client: ClientSpec,
    errors: Errors,
}

/// Compiles with the smallest parameters that leave small errors, else with those that leave the least.
fn attempt(model: &Model, products: Products, rows: &[Row], settings: &Settings) -> Result<Attempt> {
    let split = split::split(model, products)?;
    let prologue = subgraph::prologue(model, &split)?;
    let epilogue = subgraph::epilogue(model, &split)?;
    let calibration = Calibration::collect(&prologue, rows)?;
    let polynomials = lower::polynomials(model, &split, &prologue, calibration.centers())?;
    let candidates: Vec<RingParameters> = match settings.parameters {
        Some(parameters) => vec![parameters],
        None => RingParameters::all_secure().collect(),
    };
    let mut best: Option<Attempt> = None;
    for parameters in &candidates {
        let quantized = quantize::quantize(&polynomials, &calibration, settings, *parameters)?;
        let Some(quantized) = quantized else { continue };
        let (circuit, client) = halves(quantized, &prologue, &epilogue, &calibration)?;
        let errors = Errors::measure(model, &split, &circuit, &client, rows)?;
        let is_enough = errors.are_small() || settings.bits.is_some();
        if best.as_ref().is_none_or(|best| errors.relative < best.errors.relative) {
            best = Some(Attempt { split: split.clone(), circuit, client, errors });
        }
        if is_enough {
            break;
        }
    }
    best.ok_or_else(|| nothing_fits(settings, &candidates))
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
