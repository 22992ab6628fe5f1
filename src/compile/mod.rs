//! A float model and calibration rows become a circuit and its client's half.
//!
//! Passes in order: [`split`] cuts the graph into prologue, core and epilogue. Of a linear model,
//! [`lower`] turns the core into polynomials of the prologue's outputs and [`quantize`] chooses the
//! finest integers that a parameter set can hold exactly; [`trees`] puts features into bins, makes
//! diagrams of ensembles and votes integers; [`neighbors`] counts points within distances. [`errors`] measures what that does to the model's outputs,
//! [`report`] says what came of it. Nothing here encrypts.

mod calibration;
mod cost;
mod errors;
mod linear;
mod lower;
mod neighbors;
mod networks;
pub mod parameters;
mod quantize;
mod report;
mod settings;
mod split;
mod subgraph;
mod trees;

pub use cost::Work;
pub use errors::ScoreError;
pub use networks::{NodePrecision, Precision, Range};
pub use parameters::NoParameters;
pub use report::{
    Details, GroupReport, LookupReport, NeighborReport, NetworkReport, PartNames, ProductReport, Report,
    SetReport, TreeReport,
};
pub use settings::{Binning, KeyParameters, Settings};
pub use split::Unsupported;

use anyhow::Result;

use crate::circuit::{Circuit, ClientSpec};
use crate::model::{Model, Op};
use crate::tensor::Row;
use errors::Errors;
use split::Split;

/// Calibration rows after these are not read.
pub const MAX_CALIBRATION_ROWS: usize = calibration::MAX_ROWS;

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

/// A model compiled in one way, and what that does to its outputs.
struct Attempt {
    split: Split,
    circuit: Circuit,
    client: ClientSpec,
    errors: Errors,
    details: Details,
}

/// Where each operator of a model would run.
///
/// # Errors
/// [`Unsupported`] if the model's weights cannot all be evaluated encrypted.
pub fn parts(model: &Model) -> Result<PartNames> {
    let split = match Family::of(model) {
        Family::Trees => trees::split(model)?,
        Family::Neighbors => neighbors::split(model)?,
        Family::Linear => linear::split(model)?,
        Family::Networks => networks::split(model)?,
    };
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
    let family = Family::of(model);
    let reveals = settings.reveal_distances && family == Family::Neighbors;
    let attempt = match family {
        Family::Trees => trees::compile(model, &rows, settings)?,
        Family::Neighbors if reveals => linear::compile(model, &rows, settings)?,
        Family::Neighbors => neighbors::compile(model, &rows, settings)?,
        Family::Linear => linear::compile(model, &rows, settings)?,
        Family::Networks => networks::compile(model, &rows, settings)?,
    };
    let Attempt { split, circuit, client, errors, details } = attempt;
    let mut report = report::report(model, &split, &circuit, &client, (errors, details), rows.len());
    if reveals {
        report.client_reveals.insert(0, report::DISTANCES.to_owned());
    }
    Ok(Compiled { circuit, client, report })
}

/// How a model is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Trees,
    Neighbors,
    Linear,
    Networks,
}

impl Family {
    /// Trees if there are any, neighbours if they are looked for; else the cheapest that can hold all weights.
    fn of(model: &Model) -> Self {
        if model.nodes().iter().any(|node| matches!(node.op, Op::Trees(_))) {
            return Self::Trees;
        }
        if neighbors::is_search(model) {
            return Self::Neighbors;
        }
        // Where neither can, what linear models lack says more of a model that has no functions between weights.
        match linear::split(model).is_err() && networks::is_network(model) {
            true => Self::Networks,
            false => Self::Linear,
        }
    }
}
