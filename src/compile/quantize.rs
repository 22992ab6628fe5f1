//! From real polynomials to integers: quantizers, integer weights, and the parameters that keep
//! results exact.
//!
//! Each output is scaled so that its largest weight uses all its bits. An accumulator is bounded
//! soundly: by the sum of the absolute weights times the largest input, plus the bias. Weights get
//! as many bits as the noise allows at the smallest ring that allows enough.

use anyhow::{Result, bail};

use super::Settings;
use super::calibration::Calibration;
use super::lower::{Form, Polynomials};
use crate::circuit::{OutputValue, PackedProduct, PackedRows, Quantizer, Term};
use crate::crypto::RingParameters;

/// Part of a calibrated range that is added on either side.
const MARGIN: f64 = 0.5;
/// Weights with fewer bits would cost accuracy that the user did not give up.
const MIN_WEIGHT_BITS: u32 = 12;
const MAX_WEIGHT_BITS: u32 = 20;
/// Bits of a result beyond the message that are worth sending for a wider weight.
const MAX_GUARD_BITS: u32 = 10;

/// The core in integers.
#[derive(Debug)]
pub struct Quantized {
    /// The encrypted integers of a row.
    pub terms: Vec<Term>,
    /// The circuit's weights and biases.
    pub product: PackedProduct,
    /// Ciphertexts that hold the rows and the results.
    pub encoding: PackedRows,
    /// What the circuit's outputs stand for.
    pub outputs: Vec<OutputValue>,
}

/// Chooses integers and parameters.
///
/// # Errors
/// If the model's output does not depend on its input, or no parameters are large enough.
pub fn quantize(
    polynomials: &Polynomials,
    calibration: &Calibration,
    settings: &Settings,
) -> Result<Quantized> {
    let basis = Basis::of(&polynomials.forms);
    if basis.forms.is_empty() {
        bail!("no output of the model depends on a value that could be encrypted");
    }
    let used = used_terms(&basis.forms);
    let terms = used
        .iter()
        .map(|term| quantizer(polynomials.terms.variables(*term), calibration, settings.bits))
        .collect::<Result<Vec<_>>>()?;
    let rows: Vec<RealRow> = basis.forms.iter().map(|form| RealRow::new(form, &used, &terms)).collect();
    let (integers, encoding) = search(&rows, &terms, settings)?;
    let outputs = basis.outputs(&polynomials.forms, &rows, &integers);
    let product = PackedProduct {
        weights: integers.iter().map(|row| row.weights.clone()).collect(),
        bias: integers.iter().map(|row| row.bias).collect(),
    };
    Ok(Quantized { terms, product, encoding, outputs })
}

/// The forms that are evaluated; every other one is a multiple of one of them, or constant.
struct Basis<'a> {
    forms: Vec<&'a Form>,
    /// For each form its place in `forms` and its multiple of that one.
    sources: Vec<(usize, f64)>,
}

impl<'a> Basis<'a> {
    fn of(forms: &'a [Form]) -> Self {
        let mut basis = Self { forms: Vec::new(), sources: Vec::new() };
        for form in forms {
            let known = basis
                .forms
                .iter()
                .enumerate()
                .find_map(|(place, base)| form.multiple_of(base).map(|factor| (place, factor)));
            let source =
                known.unwrap_or_else(|| match form.weights.iter().all(|(_, weight)| *weight == 0.0) {
                    true => (0, 0.0),
                    false => {
                        basis.forms.push(form);
                        (basis.forms.len() - 1, 1.0)
                    }
                });
            basis.sources.push(source);
        }
        basis
    }

    fn outputs(&self, forms: &[Form], rows: &[RealRow], integers: &[IntegerRow]) -> Vec<OutputValue> {
        let output = |(form, (source, factor)): (&Form, &(usize, f64))| match factor {
            0.0 => OutputValue { source: 0, scale: 0.0, offset: form.constant },
            _ => OutputValue {
                source: *source,
                scale: factor * integers[*source].scale,
                offset: factor * rows[*source].offset,
            },
        };
        forms.iter().zip(&self.sources).map(output).collect()
    }
}

fn used_terms(forms: &[&Form]) -> Vec<u32> {
    let terms = forms.iter().flat_map(|form| &form.weights);
    let mut used: Vec<u32> = terms.filter(|(_, weight)| *weight != 0.0).map(|(term, _)| *term).collect();
    used.sort_unstable();
    used.dedup();
    used
}

fn quantizer(variables: &[u32], calibration: &Calibration, bits: u32) -> Result<Term> {
    let mut term = Term { variables: variables.to_vec(), quantizer: Quantizer::covering(-1.0, 1.0, bits)? };
    let (low, high) = calibration.range_of(|centered| term.value(centered));
    let margin = match high - low {
        0.0 => low.abs().max(1.0),
        width => width * MARGIN,
    };
    term.quantizer = Quantizer::covering(low - margin, high + margin, bits)?;
    Ok(term)
}

/// One output over the quantized terms: `offset + bias + Σ weight · integer`, in real numbers.
struct RealRow {
    weights: Vec<f64>,
    bias: f64,
    /// A public part of the bias, so that the encrypted one is small.
    offset: f64,
    limit: f64,
}

impl RealRow {
    fn new(form: &Form, used: &[u32], terms: &[Term]) -> Self {
        let mut weights = vec![0.0; used.len()];
        let mut middle = form.constant;
        for (term, weight) in form.weights.iter().filter(|(_, weight)| *weight != 0.0) {
            if let Ok(place) = used.binary_search(term) {
                let quantizer = &terms[place].quantizer;
                weights[place] = weight * quantizer.scale();
                middle += weight * quantizer.center();
            }
        }
        let limit = terms.iter().fold(0, |most, term| most.max(term.quantizer.limit())) as f64;
        Self { weights, bias: middle, offset: 0.0, limit }
    }

    fn quantize(&self, bits: u32) -> IntegerRow {
        let largest = self.weights.iter().fold(0.0_f64, |most, weight| most.max(weight.abs()));
        let scale = largest / ((1_i64 << (bits - 1)) - 1) as f64;
        let integer = |real: f64| (real / scale).round();
        let weights: Vec<f64> = self.weights.iter().map(|weight| integer(*weight)).collect();
        let norm1: f64 = weights.iter().map(|weight| weight.abs()).sum();
        let squared_norm2 = weights.iter().map(|weight| weight * weight).sum();
        let bound = norm1 * self.limit + integer(self.bias).abs();
        IntegerRow {
            scale,
            weights: weights.iter().map(|weight| *weight as i64).collect(),
            bias: integer(self.bias) as i64,
            bound,
            squared_norm2,
        }
    }
}

struct IntegerRow {
    scale: f64,
    weights: Vec<i64>,
    bias: i64,
    bound: f64,
    squared_norm2: f64,
}

/// The smallest ring that leaves weights enough bits, and as many bits as it allows.
fn search(rows: &[RealRow], terms: &[Term], settings: &Settings) -> Result<(Vec<IntegerRow>, PackedRows)> {
    let enough = MIN_WEIGHT_BITS.min(settings.bits);
    let candidates: Vec<RingParameters> = match settings.parameters {
        Some(parameters) => vec![parameters],
        None => RingParameters::all_secure().collect(),
    };
    let most = MAX_WEIGHT_BITS.min(settings.bits.max(2));
    for parameters in &candidates {
        for bits in (enough..=most).rev() {
            let integers: Vec<IntegerRow> = rows.iter().map(|row| row.quantize(bits)).collect();
            if let Some(encoding) = encoding(&integers, terms.len(), *parameters, settings.log2_p_error) {
                return Ok((integers, encoding));
            }
        }
    }
    let widest = rows.iter().map(|row| row.quantize(enough).bound).fold(0.0, f64::max);
    let sizes: Vec<usize> = candidates.iter().map(|candidate| candidate.polynomial_size()).collect();
    bail!(
        "no parameters fit: {} features of {} bits with weights of {enough} bits need {} bits of result, more than \
         polynomial sizes {sizes:?} allow\nhint: compile with fewer bits, for example --bits {}",
        terms.len(),
        settings.bits,
        (widest.log2() + 1.0).ceil(),
        settings.bits.saturating_sub(4).max(2),
    )
}

/// The leanest encoding whose results are exact but for a failure of probability 2^log2_p_error.
fn encoding(
    rows: &[IntegerRow],
    features: usize,
    parameters: RingParameters,
    log2_p_error: f64,
) -> Option<PackedRows> {
    let bound = rows.iter().map(|row| row.bound).fold(1.0, f64::max);
    let squared_norm2 = rows.iter().map(|row| row.squared_norm2).fold(1.0, f64::max);
    let message_bits = (bound + 1.0).log2().ceil() as u32 + 1;
    let exact = |body_bits: u32, output_bits: u32| {
        let shape = (features, rows.len());
        let encoding = PackedRows::new(parameters, shape, message_bits, body_bits, output_bits).ok()?;
        let log2_failure = encoding.log2_failure(encoding.noise_variance(squared_norm2));
        (log2_failure <= log2_p_error).then_some(encoding)
    };
    let most = (message_bits + MAX_GUARD_BITS).min(64);
    let output_bits = (message_bits..=most).find(|bits| exact(64, *bits).is_some())?;
    (message_bits..=64).find_map(|bits| exact(bits, output_bits))
}
