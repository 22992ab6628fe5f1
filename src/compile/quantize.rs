//! From real polynomials to integers: quantizers, integer weights, and the parameters that keep
//! results exact.
//!
//! An input is rounded to steps proportional to its standard deviation (not to its range, nor to its
//! weights, which the client must not learn), an output to units that split the allowed error evenly
//! between rounded inputs and rounded weights. Accumulators are bounded soundly: by the absolute
//! weights times the largest inputs, plus the bias. Of the precisions that some secure ring holds, the
//! smallest ring with a good one is taken.

use anyhow::{Result, bail};

use super::Settings;
use super::calibration::{Calibration, Range};
use super::lower::{Form, Polynomials};
use crate::circuit::{Messages, OutputDigit, OutputValue, PackedProduct, PackedRows, Quantizer, Term};
use crate::crypto::RingParameters;

/// The finest error aimed at, as -log2 of its part of an output's standard deviation.
const FINEST: u32 = 20;
/// An error coarser than this is refused.
const COARSEST: u32 = 6;
/// Inputs of more steps than this are a sign of ranges gone wild.
const MAX_STEPS: f64 = 4_294_967_290.0;
/// Bits of a result beyond the message that are worth sending.
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

/// Chooses integers: the finest that results under these parameters can hold, or `None` if even the
/// coarsest do not fit.
///
/// # Errors
/// If the model's output does not depend on its input, or a range is impossible.
pub fn quantize(
    polynomials: &Polynomials,
    calibration: &Calibration,
    settings: &Settings,
    parameters: RingParameters,
) -> Result<Option<Quantized>> {
    let any = Form { constant: 0.0, weights: vec![(0, 1.0)] };
    let basis = match Basis::of(&polynomials.forms) {
        // Constant outputs need no result, but a row must be encrypted as something.
        basis if basis.forms.is_empty() && !calibration.centers().is_empty() => {
            Basis { forms: vec![&any], ..basis }
        }
        basis if basis.forms.is_empty() => bail!("the model does not depend on its input"),
        basis => basis,
    };
    let used = used_terms(&basis.forms);
    let variables: Vec<&[u32]> = used.iter().map(|term| polynomials.terms.variables(*term)).collect();
    let values = |variables: &[u32], centered: &[f64]| -> f64 {
        variables.iter().map(|variable| centered[*variable as usize]).product()
    };
    let ranges: Vec<Range> = variables.iter().map(|variables| calibration.range_of(variables)).collect();
    let rows = basis.forms.iter().map(|form| {
        let weights = dense(form, &used);
        let score = |centered: &[f64]| {
            let terms = variables.iter().zip(&weights);
            terms.map(|(variables, weight)| weight * values(variables, centered)).sum()
        };
        let spread = calibration.deviation_of(score);
        RealRow { weights, constant: form.constant, spread }
    });
    let rows: Vec<RealRow> = rows.collect();
    let Some(found) = search(&Real { ranges: &ranges, rows: &rows }, settings, parameters)? else {
        return Ok(None);
    };
    let terms = variables
        .iter()
        .zip(&found.quantizers)
        .map(|(variables, quantizer)| Term { variables: variables.to_vec(), quantizer: *quantizer });
    let outputs = basis.outputs(&polynomials.forms, &found.rows);
    let product = PackedProduct {
        weights: found.rows.iter().map(|row| row.weights.clone()).collect(),
        bias: found.rows.iter().map(|row| row.bias).collect(),
    };
    Ok(Some(Quantized { terms: terms.collect(), product, encoding: found.encoding, outputs }))
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

    fn outputs(&self, forms: &[Form], rows: &[IntegerRow]) -> Vec<OutputValue> {
        let output = |(form, (source, factor)): (&Form, &(usize, f64))| match factor {
            0.0 => OutputValue { sums: Vec::new(), zero: 0.0, scale: 0.0, offset: form.constant },
            _ => {
                let sums = vec![vec![OutputDigit { source: *source, multiple: 1.0 }]];
                OutputValue { sums, zero: 0.0, scale: factor * rows[*source].unit, offset: 0.0 }
            }
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

fn dense(form: &Form, used: &[u32]) -> Vec<f64> {
    let mut weights = vec![0.0; used.len()];
    for (term, weight) in &form.weights {
        if let Ok(place) = used.binary_search(term) {
            weights[place] = *weight;
        }
    }
    weights
}

/// The polynomials in real numbers.
struct Real<'a> {
    ranges: &'a [Range],
    rows: &'a [RealRow],
}

/// One output: `constant + Σ weight · term`.
struct RealRow {
    weights: Vec<f64>,
    constant: f64,
    /// The standard deviation over the calibration rows.
    spread: f64,
}

/// One output over the quantized terms: `unit · (bias + Σ weight · integer)`.
struct IntegerRow {
    unit: f64,
    weights: Vec<i64>,
    bias: i64,
    bound: f64,
    squared_norm2: f64,
}

/// How finely to round.
#[derive(Clone, Copy)]
enum Precision {
    /// Inputs and weights of so many bits, sign included.
    Bits(u32),
    /// An error of 2^-n of each output's standard deviation.
    Relative(u32),
}

struct Found {
    quantizers: Vec<Quantizer>,
    rows: Vec<IntegerRow>,
    encoding: PackedRows,
}

/// The finest precision whose results are exact under these parameters.
fn search(real: &Real<'_>, settings: &Settings, parameters: RingParameters) -> Result<Option<Found>> {
    let precisions = match settings.bits {
        Some(bits) => vec![Precision::Bits(bits)],
        None => (COARSEST..=FINEST).rev().map(Precision::Relative).collect(),
    };
    for precision in precisions {
        let Some((quantizers, rows)) = real.round(precision)? else { continue };
        if let Some(encoding) = encoding(&rows, quantizers.len(), parameters, settings.log2_exact_p_error()) {
            return Ok(Some(Found { quantizers, rows, encoding }));
        }
    }
    Ok(None)
}

impl Real<'_> {
    /// Quantizers and integer rows, or `None` if an input would need too many steps.
    fn round(&self, precision: Precision) -> Result<Option<(Vec<Quantizer>, Vec<IntegerRow>)>> {
        let step = self.step(precision);
        let mut quantizers = Vec::with_capacity(self.ranges.len());
        for range in self.ranges {
            let Range { low, high, .. } = *range;
            quantizers.push(match precision {
                Precision::Bits(bits) => Quantizer::covering(low, high, bits)?,
                Precision::Relative(_) if high - low > step * range.unit() * MAX_STEPS => return Ok(None),
                Precision::Relative(_) => Quantizer::with_scale(low, high, step * range.unit())?,
            });
        }
        let rows = self.rows.iter().map(|row| row.round(precision, &quantizers, self.ranges)).collect();
        Ok(Some((quantizers, rows)))
    }

    /// The size of input steps, in standard deviations, that spends half of the allowed error.
    fn step(&self, precision: Precision) -> f64 {
        let allowed = |row: &RealRow| {
            let weights = row.weights.iter().zip(self.ranges);
            let norm: f64 =
                weights.map(|(weight, range)| (weight * range.unit()).powi(2)).sum::<f64>().sqrt();
            6.0_f64.sqrt() * row.error(precision, norm) / norm
        };
        self.rows.iter().map(allowed).fold(f64::INFINITY, f64::min)
    }
}

impl RealRow {
    /// The allowed error, given what the weights would spread independent inputs to.
    fn error(&self, precision: Precision, norm: f64) -> f64 {
        let spread = if self.spread > 1e-6 * norm { self.spread } else { norm };
        match precision {
            Precision::Bits(_) => spread,
            Precision::Relative(bits) => spread * (-f64::from(bits)).exp2(),
        }
    }

    /// The size of output units: by the largest weight, or so that rounded weights spend half of the
    /// allowed error.
    fn unit(&self, precision: Precision, quantizers: &[Quantizer], ranges: &[Range]) -> f64 {
        let scaled =
            || self.weights.iter().zip(quantizers).map(|(weight, quantizer)| weight * quantizer.scale());
        match precision {
            Precision::Bits(bits) => {
                let largest = scaled().map(f64::abs).fold(0.0, f64::max);
                largest / ((1_i64 << (bits - 1)) - 1) as f64
            }
            Precision::Relative(_) => {
                let units =
                    ranges.iter().zip(quantizers).map(|(range, quantizer)| range.unit() / quantizer.scale());
                let norm: f64 =
                    self.weights.iter().zip(ranges).map(|(w, range)| (w * range.unit()).powi(2)).sum();
                self.error(precision, norm.sqrt()) * (6.0 / units.map(|unit| unit * unit).sum::<f64>()).sqrt()
            }
        }
    }

    fn round(&self, precision: Precision, quantizers: &[Quantizer], ranges: &[Range]) -> IntegerRow {
        let unit = self.unit(precision, quantizers, ranges);
        let pairs = || self.weights.iter().zip(quantizers);
        let weights: Vec<f64> =
            pairs().map(|(w, quantizer)| (w * quantizer.scale() / unit).round()).collect();
        // The bias makes up for rounded weights on the average row, wherever that lies in the ranges.
        let on_average = pairs().zip(&weights).zip(ranges).map(|(((weight, quantizer), rounded), range)| {
            let rounded = rounded * unit / quantizer.scale();
            weight * range.mean - rounded * (range.mean - quantizer.center())
        });
        let bias = ((self.constant + on_average.sum::<f64>()) / unit).round();
        let reach =
            weights.iter().zip(quantizers).map(|(weight, quantizer)| weight.abs() * quantizer.limit() as f64);
        IntegerRow {
            unit,
            bound: reach.sum::<f64>() + bias.abs(),
            squared_norm2: weights.iter().map(|weight| weight * weight).sum(),
            weights: weights.iter().map(|weight| *weight as i64).collect(),
            bias: bias as i64,
        }
    }
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
    let messages = Messages::new(message_bits)?;
    let exact = |body_bits: u32, output_bits: u32| {
        let shape = (features, rows.len());
        let encoding = PackedRows::new(parameters, shape, messages, body_bits, output_bits).ok()?;
        let log2_failure = messages.log2_failure(encoding.noise_variance(squared_norm2));
        (log2_failure <= log2_p_error).then_some(encoding)
    };
    let most = (message_bits + MAX_GUARD_BITS).min(64);
    let output_bits = (message_bits..=most).find(|bits| exact(64, *bits).is_some())?;
    (message_bits..=64).find_map(|bits| exact(bits, output_bits))
}
