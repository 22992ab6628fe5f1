//! Models that are affine, or polynomials of low degree, in what is encrypted.

use anyhow::Result;

use super::calibration::Calibration;
use super::errors::Errors;
use super::quantize::Quantized;
use super::split::{self, Products, Split};
use super::{Attempt, Details, ProductReport, Settings, lower, quantize, subgraph};
use crate::circuit::{Circuit, ClientSpec, Code, Encoding, ProductCircuit};
use crate::crypto::RingParameters;
use crate::model::Model;
use crate::tensor::Row;

/// Where each operator would run.
///
/// # Errors
/// [`split::Unsupported`] if the weights cannot all be evaluated encrypted.
pub fn split(model: &Model) -> Result<Split> {
    split::split(model, Products::Expand).or_else(|_| split::split(model, Products::Compute))
}

/// Compiles in the way that leaves small errors, else in the one that leaves the smaller ones.
///
/// # Errors
/// As [`super::compile`].
pub fn compile(model: &Model, rows: &[Row], settings: &Settings) -> Result<Attempt> {
    match attempt(model, Products::Expand, rows, settings) {
        Ok(expanded) if expanded.errors.are_small() => Ok(expanded),
        expanded => better(expanded, attempt(model, Products::Compute, rows, settings)),
    }
}

/// The one with the smaller errors; the first one's failure if both failed.
fn better(first: Result<Attempt>, second: Result<Attempt>) -> Result<Attempt> {
    match (&first, &second) {
        (Ok(one), Ok(other)) if other.errors.relative < one.errors.relative => second,
        (Err(_), Ok(_)) => second,
        _ => first,
    }
}

/// Compiles with the smallest parameters that leave small errors, else with those that leave the least.
fn attempt(model: &Model, products: Products, rows: &[Row], settings: &Settings) -> Result<Attempt> {
    let split = split::split(model, products)?;
    let prologue = subgraph::prologue(model, &split)?;
    let epilogue = subgraph::epilogue(model, &split)?;
    let calibration = Calibration::collect(&prologue, rows)?;
    let polynomials = lower::polynomials(model, &split, &prologue, calibration.centers())?;
    let candidates: Vec<RingParameters> = match &settings.parameters {
        Some(parameters) => vec![parameters.ring],
        None => RingParameters::all_secure().collect(),
    };
    let mut best: Option<Attempt> = None;
    for parameters in &candidates {
        let quantized = quantize::quantize(&polynomials, &calibration, settings, *parameters)?;
        let Some(quantized) = quantized else { continue };
        let details = Details::Product(ProductReport::of(&quantized));
        let (circuit, client) = halves(quantized, &prologue, &epilogue, &calibration)?;
        let errors = Errors::measure(model, &split, &circuit, &client, rows)?;
        let is_enough = errors.are_small() || settings.bits.is_some();
        if best.as_ref().is_none_or(|best| errors.relative < best.errors.relative) {
            best = Some(Attempt { split: split.clone(), circuit, client, errors, details });
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
        encoding: Encoding::Rows(quantized.encoding),
        prologue: prologue.clone(),
        code: Code::Terms { centers: calibration.centers().to_vec(), terms: quantized.terms },
        outputs: quantized.outputs,
        epilogue: epilogue.clone(),
    };
    client.check()?;
    Ok((Circuit::Product(ProductCircuit::new(quantized.encoding, quantized.product)?), client))
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
