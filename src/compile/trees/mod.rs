//! Tree ensembles become decision diagrams on the bits of bins.
//!
//! [`cut`] finds the trees; [`forest`] puts the features they test into bins, at quantiles or thresholds, and
//! leaves out what no row reaches; [`extreme`] joins trees that are not added up; [`plan`] chooses digits and parameters, with [`lower`] to make diagrams and
//! [`votes`] to make integers of what leaves vote.

mod bin_set;
mod binning;
mod candidates;
mod chains;
mod column;
mod cut;
mod digits;
mod ensembles;
mod epilogue;
mod extreme;
mod forest;
mod lower;
mod plan;
mod prune;
mod question;
mod votes;

pub use cut::split;

use anyhow::{Result, bail};

use super::errors::Errors;
use super::{Attempt, Binning, Details, Settings, TreeReport, calibration, subgraph};
use crate::circuit::{Circuit, ClientSpec, Code, Encoding};
use crate::model::Model;
use crate::tensor::Row;
use forest::{Forest, Size};
use plan::Planned;

/// Bits of a bin at quantiles, if nobody chose.
const DEFAULT_BITS: u32 = 6;
/// The fewest and the most of them.
const BITS: std::ops::RangeInclusive<u32> = 2..=8;

/// Compiles a model with trees.
///
/// # Errors
/// As [`super::compile`].
pub fn compile(model: &Model, rows: &[Row], settings: &Settings) -> Result<Attempt> {
    let split = cut::split(model)?;
    let prologue = subgraph::prologue(model, &split)?;
    let bits = bin_bits(settings)?;
    let variables = calibration::variables_of(&prologue, rows)?;
    let forest = Forest::new(model, &split, &variables, (settings.binning, bits))?;
    let epilogue = epilogue::epilogue(model, &split, &forest.extremes)?;
    let planned = plan::plan(&forest, &variables, settings)?;
    let details = Details::Trees(report(&forest, &planned, (settings.binning, bits)));
    let client = ClientSpec {
        encoding: Encoding::Bits(planned.circuit.encoding().clone()),
        prologue,
        code: Code::Bins(planned.code),
        outputs: planned.scores,
        epilogue,
    };
    client.check()?;
    let circuit = Circuit::Diagrams(planned.circuit);
    let errors = match forest.extremes.iter().all(Option::is_none) {
        true => Errors::measure(model, &split, &circuit, &client, rows)?,
        false => Errors::of_outputs(model, &circuit, &client, rows)?,
    };
    Ok(Attempt { split, circuit, client, errors, details })
}

fn bin_bits(settings: &Settings) -> Result<u32> {
    let bits = settings.bits.unwrap_or(DEFAULT_BITS);
    match settings.binning {
        Binning::Quantile if !BITS.contains(&bits) => bail!(
            "{bits} bits for the bins of a feature: trees take {} to {}\nhint: --exact-thresholds makes as many \
             bins as the model tells apart",
            BITS.start(),
            BITS.end()
        ),
        Binning::Quantile | Binning::Exact => Ok(bits),
    }
}

fn report(forest: &Forest, planned: &Planned, (binning, bits): (Binning, u32)) -> TreeReport {
    let Size { trees, nodes } = forest.size;
    let encoding = planned.circuit.encoding();
    TreeReport {
        binning,
        bin_bits: (binning == Binning::Quantile).then_some(bits),
        trees,
        nodes,
        kept_nodes: forest.branches(),
        extremes: forest.extremes.iter().flatten().flat_map(|extremes| &extremes.counts).sum(),
        used_features: forest.features.len(),
        edges: forest.features.iter().map(binning::Feature::edges).sum(),
        digits: planned.digits,
        gadget: encoding.gadget(),
        log2_bit_noise: encoding.item_variance().sqrt().log2(),
        score_bits: planned.score_bits,
        work: planned.work,
        predicted_seconds: None,
    }
}
