//! Nearest neighbours: which of many constant points are closest to a row, and what they vote for.
//!
//! [`search`] finds it in a model; [`rows`] makes sums of squared distances, [`thresholds`] finds where to count,
//! [`mod@groups`] what to count together, [`saturation`] how many of each group, [`counts`] what that is on the torus,
//! and [`layers`] the circuit. Distances are
//! not sorted: points are counted within each of some thresholds, and the first with k of them decides. So votes are
//! of k points or a few more, and a model's epilogue sees k of them: votes are scaled to that number.

mod counts;
mod groups;
mod layers;
mod rows;
mod saturation;
mod search;
mod thresholds;

pub use search::{Search, is_search};

use anyhow::{Context, Result, bail};
use ndarray::{Array2, ArrayD, Axis, IxDyn};

use super::errors::Errors;
use super::networks::torus;
use super::parameters::{Chosen, Requirement, Tolerance, fastest};
use super::split::Split;
use super::{Attempt, Details, LookupReport, NeighborReport, Settings, subgraph};
use crate::circuit::{
    Circuit, ClientSpec, Code, Encoding, LayerParts, Layers, LookupCircuit, Messages, OutputDigit,
    OutputValue, PackedValues, PackedValuesParts, Sum,
};
use crate::crypto::LookupSets;
use crate::model::op::{Binary, Move, SliceRange};
use crate::model::{Builder, Model, NodeId, Op};
use crate::tensor::{DType, Field, Row, Tensor};
use counts::Counts;
use groups::groups;
use layers::DISTANCES;
use rows::{BODY_BITS, INPUT_BITS, Rows};
use thresholds::Thresholds;

/// The bits that distances are read with, if nobody chose: as many as tell apart half the distance of a neighbour,
/// within these limits, if there are parameters for them.
const BITS: std::ops::RangeInclusive<u32> = 4..=8;
/// The most bits that somebody may choose.
const MOST_BITS: u32 = 10;
/// A lookup of so many bits is off by this part of a step, as a standard deviation.
const DEVIATION: f64 = 0.25;
/// Bits of results that are sent beyond those that are read.
const SPARE_BITS: u32 = 8;
/// The largest number of points: their distances are looked up one by one.
const MOST_POINTS: usize = 1 << 14;

/// Where each operator would run.
///
/// # Errors
/// [`Unsupported`](super::Unsupported) if the model makes anything of the neighbours that is no sum over them.
pub fn split(model: &Model) -> Result<Split> {
    Ok(Search::find(model)?.split)
}

/// Compiles a search for nearest neighbours.
///
/// # Errors
/// As [`super::compile`].
pub fn compile(model: &Model, calibration: &[Row], settings: &Settings) -> Result<Attempt> {
    if settings.parameters.is_some() {
        bail!(
            "the parameters of nearest neighbours belong to them alone\nhint: compile without --same-parameters-as, and \
             make keys for them"
        );
    }
    let Search { split, count, points, votes } = Search::find(model)?;
    if points.nrows() > MOST_POINTS {
        bail!("the model has {} points, the most is {MOST_POINTS}", points.nrows());
    }
    let rows = Rows::new(model, &split, &points, calibration)?;
    let thresholds = Thresholds::new(&rows, calibration, count)?;
    let views: Vec<_> = votes.iter().map(|vote| vote.values.view()).collect();
    let tally = Tally::new(ndarray::concatenate(Axis(1), &views)?);
    let groups = groups(&tally.values);
    let counts = saturation::counts(&groups, &thresholds, &tally.values, count);
    let most = thresholds.squares.len();
    let lookups = layers::lookups(points.nrows(), groups.len(), most, counts.steps.len());
    let counted = counts.requirements(groups.len(), most);
    let (chosen, bits) = parameters(&rows, &thresholds, settings, &lookups, &counted)?;
    let offsets = thresholds.offsets(rows.half, chosen.of(DISTANCES).polynomial_size());
    let layers = layers::layers(&rows, &groups, &counts, &offsets, &chosen);
    let circuit = circuit(layers, chosen.sets, counts.result_bits())?;
    let factors = votes.iter().flat_map(|vote| vec![vote.factor * count as f64; vote.values.ncols()]);
    let outputs = counts.steps.iter().enumerate().map(|(source, (_, step))| OutputValue {
        sums: vec![vec![OutputDigit { source, multiple: 1.0 }]],
        zero: 0.0,
        scale: *step,
        offset: 0.0,
    });
    let client = ClientSpec {
        encoding: Encoding::Values(circuit.encoding().clone()),
        code: Code::Terms { centers: vec![0.0; rows.inputs()], terms: rows.terms()? },
        outputs: outputs.collect(),
        epilogue: tally.epilogue(model, &split, &counts, factors.collect())?,
        prologue: rows.prologue,
    };
    client.check()?;
    let details = Details::Neighbors(NeighborReport {
        points: points.nrows(),
        neighbors: count,
        thresholds: offsets.len(),
        groups: groups.len(),
        lookups: LookupReport::of(
            &circuit,
            (bits, DEVIATION),
            circuit.lookup_variances().take(points.nrows()).map(|variance| (variance, bits)),
            settings.log2_lookup_p_error(),
        ),
    });
    let circuit = Circuit::Lookups(circuit);
    let errors = Errors::of_outputs(model, &circuit, &client, calibration)?;
    Ok(Attempt { split, circuit, client, errors, details })
}

/// The fastest parameters that read counts well, and distances with as many bits as were chosen; else with as many as
/// are of use, or as there are parameters for.
fn parameters(
    rows: &Rows,
    thresholds: &Thresholds,
    settings: &Settings,
    lookups: &[usize],
    counts: &[Requirement],
) -> Result<(Chosen, u32)> {
    let find = |bits: u32| {
        let tolerance = Tolerance::Deviation { steps: DEVIATION };
        let name = "distances".to_owned();
        let distances =
            Requirement { name, bits, tolerance, layer: Some(DISTANCES), norms2: vec![rows.norm2()] };
        fastest(&[&[distances], counts].concat(), lookups, settings.max_key_bytes)
    };
    if let Some(bits) = settings.bits {
        let (least, most) = (*BITS.start(), MOST_BITS);
        if !(least..=most).contains(&bits) {
            bail!("{bits} bits for distances: nearest neighbours take {least} to {most}");
        }
        return Ok((find(bits)?, bits));
    }
    let useful = (2.0 * rows.half / thresholds.median).log2().ceil();
    let useful = (useful.min(f64::from(*BITS.end())) as u32).max(*BITS.start());
    let mut bits = useful;
    loop {
        match find(bits) {
            Ok(chosen) => return Ok((chosen, bits)),
            Err(error) if bits == *BITS.start() => return Err(error),
            Err(_) => bits -= 1,
        }
    }
}

fn circuit(layers: LayerParts, sets: LookupSets, result_bits: u32) -> Result<LookupCircuit> {
    let messages = |bits| Messages::new(bits).context("widths of integers are not what they should be");
    let encoding = PackedValues::new(PackedValuesParts {
        sets,
        features: layers.inputs,
        outputs: layers.outputs.len(),
        inputs: messages(INPUT_BITS)?,
        messages: messages(result_bits)?,
        body_bits: BODY_BITS,
        output_bits: result_bits + SPARE_BITS,
    })?;
    LookupCircuit::new(encoding, Layers::new(layers)?)
}

/// The values of points, and how many points they are of.
struct Tally {
    /// The values of each point; the last column is 1 if the others do not tell the number of points.
    values: Array2<f64>,
    /// What the values of every point add up to, if that is one number.
    sum: Option<f64>,
    /// The values that are wanted.
    wanted: usize,
}

impl Tally {
    fn new(values: Array2<f64>) -> Self {
        let (wanted, sums) = (values.ncols(), values.sum_axis(Axis(1)));
        let first = sums.first().copied().unwrap_or(0.0);
        let is_one =
            first > 0.0 && sums.iter().all(|sum| *sum == first) && values.iter().all(|value| *value >= 0.0);
        if is_one {
            return Self { values, sum: Some(first), wanted };
        }
        let ones = Array2::ones((values.nrows(), 1));
        // As many rows as values.
        let with_ones = ndarray::concatenate(Axis(1), &[values.view(), ones.view()]);
        Self { values: with_ones.unwrap_or(values), sum: None, wanted }
    }

    /// From results to the model's outputs: votes of n points, scaled to those of k.
    fn epilogue(&self, model: &Model, split: &Split, counts: &Counts, factors: Vec<f64>) -> Result<Model> {
        let results = self.values.ncols();
        let lows: Vec<f64> = counts.steps.iter().map(|(low, _)| *low).collect();
        // The number of points is a weighted sum of results, each of which is short of its lowest value a point.
        let number = match self.sum {
            Some(sum) => vec![1.0 / (sum - lows.iter().sum::<f64>()); results],
            None => (0..results).map(|result| f64::from(u8::from(result == self.wanted))).collect(),
        };
        let value = |(row, column): (usize, usize)| {
            f64::from(u8::from(row == column)) + number[row] * lows[column] // a number and a lowest value a result
        };
        let values = Array2::from_shape_fn((results, self.wanted), value);
        subgraph::epilogue_after(model, split, |builder| {
            let field = |shape| Field { name: "votes".to_owned(), dtype: DType::F64, shape, columns: None };
            let votes = builder.input(field(vec![results]));
            let number = ArrayD::from_shape_vec(IxDyn(&[results, 1]), number.clone())?;
            let number = product(builder, "number of points", votes, number)?;
            let least = builder.constant("1/2", Tensor::f64s(ArrayD::from_elem(vec![1], 0.5)));
            let number = builder.push("number of points", Op::Binary(Binary::Max), &[number, least])?;
            let sums = product(builder, "sums of values", votes, values.into_dyn())?;
            let means = builder.push("means of values", Op::Binary(Binary::Div), &[sums, number])?;
            let factors = ArrayD::from_shape_vec(IxDyn(&[1, factors.len()]), factors)?;
            let factors = builder.constant("number of neighbours", Tensor::f64s(factors));
            let values = builder.push("votes", Op::Binary(Binary::Mul), &[means, factors])?;
            let mut start = 0;
            let mut part = |id: &NodeId| {
                let node = model.node(*id);
                let whole = SliceRange { start: 0, step: 1, count: 1 };
                let own = SliceRange { start, step: 1, count: node.shape.iter().product() };
                start += own.count;
                let slice = Op::Move(Move::Slice { ranges: vec![whole, own] });
                let slice = builder.push(&node.name, slice, &[values])?;
                builder.push(&node.name, Op::Cast(node.dtype), &[slice])
            };
            split.decrypted().iter().map(&mut part).collect()
        })
    }
}

fn product(builder: &mut Builder, name: &str, x: NodeId, matrix: ArrayD<f64>) -> Result<NodeId> {
    let matrix = builder.constant(name, Tensor::f64s(matrix));
    builder.push(name, Op::MatMul, &[x, matrix])
}

impl Rows {
    /// The number of encrypted numbers.
    fn inputs(&self) -> usize {
        self.features() + 1
    }

    /// The largest squared 2-norm of a sum.
    fn norm2(&self) -> f64 {
        let norm2 = |sum: Sum| sum.weights.iter().map(|(_, weight)| f64::from(*weight).powi(2)).sum();
        (0..self.points()).map(|point| norm2(self.sum(point))).fold(0.0, f64::max)
    }
}
