//! What compilation chose, what it costs and what it reveals.

use serde::Serialize;

use super::errors::{Errors, ScoreError};
use super::parameters::sigmas;
use super::quantize::Quantized;
use super::split::{Part, Split};
use super::{Binning, Precision, Work};
use crate::circuit::{Circuit, ClientSpec, Code, LookupCircuit};
use crate::crypto::{Gadget, LookupParameters, SECURITY_BITS};
use crate::model::{Model, NodeId, Op};

/// The facts of a compiled model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Where each operator runs.
    #[serde(flatten)]
    pub parts: PartNames,
    /// Rows that ranges and errors were taken from.
    pub calibration_rows: usize,
    /// Encrypted integers a row.
    pub features: usize,
    /// Results a row.
    pub outputs: usize,
    /// What depends on the kind of circuit.
    #[serde(flatten)]
    pub details: Details,
    /// Bits of a result, sign included.
    pub result_bits: u32,
    /// Coefficients of a ciphertext.
    pub polynomial_size: usize,
    /// Security of the parameters, in bits.
    pub security_bits: u32,
    /// Base-2 logarithm of the standard deviation of a result's noise, as a fraction of the torus.
    pub log2_noise: f64,
    /// Base-2 logarithm of the probability that one result is wrong; of networks, whose results have noise, that one
    /// lookup is off by more steps than [`LookupReport::most_steps`].
    pub log2_p_error: f64,
    /// Bytes of an evaluation key, if one is needed.
    pub key_bytes: Option<usize>,
    /// Rows that share a ciphertext.
    pub rows_per_block: usize,
    /// Bytes of one encrypted row by itself.
    pub input_row_bytes: usize,
    /// Bytes of a full block of encrypted rows.
    pub input_block_bytes: usize,
    /// Bytes of the results of one row by itself.
    pub output_row_bytes: usize,
    /// Bytes of the results of a full block.
    pub output_block_bytes: usize,
    /// The error of each decrypted score on the calibration rows, against the float model.
    pub scores: Vec<ScoreError>,
    /// What a holder of the client file can read from it.
    pub client_reveals: Vec<String>,
}

/// The facts of one kind of circuit.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Details {
    /// Of a linear model.
    Product(ProductReport),
    /// Of tree ensembles.
    Trees(TreeReport),
    /// Of networks.
    Networks(NetworkReport),
    /// Of nearest neighbours.
    Neighbors(NeighborReport),
}

/// What results reveal if distances are decrypted.
pub const DISTANCES: &str =
    "with the results of chosen rows: the distances to all points, and so the points themselves";

/// What results reveal if votes are compared in groups of trees.
const EXTREMES: &str = "with results: the least or the largest vote of each group of trees";

/// The facts of a search for nearest neighbours.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NeighborReport {
    /// The points that are searched.
    pub points: usize,
    /// The neighbours that are sought.
    pub neighbors: usize,
    /// The distances within which points are counted.
    pub thresholds: usize,
    /// The groups in which they are counted.
    pub groups: usize,
    /// The lookups that do it; bits and errors are those of distances.
    #[serde(flatten)]
    pub lookups: LookupReport,
}

/// The facts of a network.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NetworkReport {
    /// How precisely it is computed.
    pub precision: Precision,
    /// What lookups read, node by node.
    pub groups: Vec<GroupReport>,
    /// The lookups that do it.
    #[serde(flatten)]
    pub lookups: LookupReport,
}

/// The facts of layers of lookups.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LookupReport {
    /// How precisely lookups read, in bits of a range.
    pub bits: u32,
    /// The noise of what they read, as a standard deviation in steps of so many bits.
    pub noise: f64,
    /// Lookups of a row.
    pub lookups: usize,
    /// Layers of them.
    pub layers: usize,
    /// The parameter sets they use.
    pub sets: Vec<SetReport>,
    /// The predicted seconds of a lookup in a batch, on one thread, in the mean over those of a row.
    pub lookup_seconds: f64,
    /// The base-2 logarithm of an error probability.
    pub log2_lookup_p_error: f64,
    /// The steps by which noise moves what the noisiest lookup reads at most, but for that error probability.
    pub most_steps: f64,
}

/// A parameter set, and the lookups that use it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SetReport {
    /// The set.
    pub parameters: LookupParameters,
    /// Lookups of a row.
    pub lookups: usize,
    /// The predicted seconds of one in a batch, on one thread.
    pub lookup_seconds: f64,
    /// The bytes of its part of the evaluation key.
    pub key_bytes: usize,
}

/// Lookups of one node in one layer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GroupReport {
    /// The node.
    pub node: String,
    /// How many.
    pub lookups: usize,
    /// The least and the largest value that they read on calibration rows.
    pub calibrated: [f64; 2],
    /// The range that they tell apart; what lies beyond wraps around.
    pub range: [f64; 2],
}

/// The facts of a product of rows and a matrix.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ProductReport {
    /// Bits of encrypted inputs, sign included.
    pub input_bits: u32,
    /// Bits of the widest weight, sign included.
    pub weight_bits: u32,
}

/// The facts of decision diagrams made of trees.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TreeReport {
    /// How features become bins.
    pub binning: Binning,
    /// At quantiles, the bits of a bin.
    pub bin_bits: Option<u32>,
    /// The trees of the model.
    pub trees: usize,
    /// The tests of all trees.
    pub nodes: usize,
    /// Those that can come out in two ways, and matter; where an extreme vote counts, with copies.
    pub kept_nodes: usize,
    /// The extremes of groups of trees that are decrypted, where one diagram for all trees would be too large.
    pub extremes: usize,
    /// The features that are compared with anything.
    pub used_features: usize,
    /// The edges between bins of all features.
    pub edges: usize,
    /// The most digits of a bin.
    pub digits: usize,
    /// The gadget of the ciphertexts that multiply.
    pub gadget: Gadget,
    /// Base-2 logarithm of the standard deviation of the noise of expanded bits, as a fraction of the torus.
    pub log2_bit_noise: f64,
    /// The bits of a score's range that six standard deviations of rounding, to either side, leave.
    pub score_bits: f64,
    /// What the server does for a row.
    pub work: Work,
    /// The seconds that takes on this machine, if they were predicted.
    pub predicted_seconds: Option<f64>,
}

/// The operators of a model by the part they run in.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PartNames {
    /// Those that the client runs before encryption.
    pub prologue: Vec<String>,
    /// Those that the server runs on ciphertexts.
    pub core: Vec<String>,
    /// Those that the client runs after decryption.
    pub epilogue: Vec<String>,
}

impl PartNames {
    /// The operators of each part.
    pub(super) fn of(model: &Model, split: &Split) -> Self {
        Self {
            prologue: part_names(model, split, Part::Prologue),
            core: part_names(model, split, Part::Core),
            epilogue: part_names(model, split, Part::Epilogue),
        }
    }
}

/// Says what came of compilation.
pub fn report(
    model: &Model,
    split: &Split,
    circuit: &Circuit,
    client: &ClientSpec,
    (errors, details): (Errors, Details),
    calibration_rows: usize,
) -> Report {
    let encoding = circuit.encoding();
    let variance = circuit.noise_variances().into_iter().fold(0.0, f64::max);
    let rows = encoding.rows_per_block();
    let log2_p_error = match &details {
        Details::Networks(network) => network.lookups.log2_lookup_p_error,
        Details::Neighbors(neighbors) => neighbors.lookups.log2_lookup_p_error,
        Details::Product(_) | Details::Trees(_) => encoding.messages().log2_failure(variance),
    };
    Report {
        parts: PartNames::of(model, split),
        calibration_rows,
        features: encoding.features(),
        outputs: encoding.outputs(),
        client_reveals: client_reveals(client, &details),
        details,
        result_bits: encoding.messages().bits(),
        polynomial_size: encoding.polynomial_size(),
        security_bits: SECURITY_BITS,
        log2_noise: variance.sqrt().log2(),
        log2_p_error,
        key_bytes: Some(encoding.evaluation().key_bytes()).filter(|bytes| *bytes > 0),
        rows_per_block: rows,
        input_row_bytes: encoding.input_block_bytes(1),
        input_block_bytes: encoding.input_block_bytes(rows),
        output_row_bytes: encoding.output_block_bytes(1),
        output_block_bytes: encoding.output_block_bytes(rows),
        scores: errors.scores,
    }
}

impl LookupReport {
    /// The facts of a circuit whose lookups read so many bits with so much noise; `read` gives the variance and the bits
    /// of what some of them read.
    pub(super) fn of(
        circuit: &LookupCircuit,
        (bits, noise): (u32, f64),
        read: impl Iterator<Item = (f64, u32)>,
        log2_lookup_p_error: f64,
    ) -> Self {
        let (layers, lookups) = (&circuit.layers().parts().layers, circuit.layers().lookups().count());
        let set = |(place, set): (usize, &LookupParameters)| SetReport {
            parameters: *set,
            lookups: layers.iter().filter(|it| it.set as usize == place).map(|it| it.lookups.len()).sum(),
            lookup_seconds: set.seconds(),
            key_bytes: set.key_bytes(),
        };
        let steps = |(variance, bits): (f64, u32)| variance.sqrt() * f64::from(bits + 1).exp2();
        Self {
            bits,
            noise,
            lookups,
            layers: layers.len(),
            sets: circuit.encoding().parts().sets.iter().enumerate().map(set).collect(),
            lookup_seconds: circuit.seconds() / lookups.max(1) as f64,
            log2_lookup_p_error,
            most_steps: read.map(steps).fold(0.0, f64::max) * sigmas(log2_lookup_p_error),
        }
    }
}

impl ProductReport {
    /// The facts of a quantized core.
    pub(super) fn of(quantized: &Quantized) -> Self {
        let weights = quantized.product.weights.iter().flatten();
        let widest = weights.map(|weight| weight.unsigned_abs()).max().unwrap_or(0);
        let limit = quantized.terms.iter().map(|term| term.quantizer.limit()).max().unwrap_or(1);
        Self { input_bits: limit.ilog2() + 2, weight_bits: widest.max(1).ilog2() + 2 }
    }
}

fn part_names(model: &Model, split: &Split, part: Part) -> Vec<String> {
    let nodes = model.nodes().iter().enumerate();
    let inside = nodes.filter(|(index, node)| {
        split.part(NodeId(*index)) == part && !matches!(node.op, Op::Input(_) | Op::Constant(_))
    });
    inside.map(|(_, node)| format!("{} '{}'", node.op, node.name)).collect()
}

fn client_reveals(client: &ClientSpec, details: &Details) -> Vec<String> {
    let constants = |model: &Model| {
        let holders =
            model.nodes().iter().filter(|node| node.inputs.iter().any(|id| is_constant(model, *id)));
        let own = model.nodes().iter().filter(|node| matches!(node.op, Op::OneHot(_) | Op::Map(_)));
        holders.chain(own).map(|node| format!("{} '{}'", node.op, node.name)).collect::<Vec<_>>().join(", ")
    };
    let mut reveals = code_reveals(client, details);
    if let Details::Trees(TreeReport { extremes: 1.., .. }) = details {
        reveals.insert(0, EXTREMES.to_owned());
    }
    for (side, model) in [("before encryption", &client.prologue), ("after decryption", &client.epilogue)] {
        let holders = constants(model);
        if !holders.is_empty() {
            reveals.push(format!("the constants of what runs {side}: {holders}"));
        }
    }
    reveals.push(nothing_else(details).to_owned());
    reveals
}

/// What the numbers reveal that rows are encoded with.
fn code_reveals(client: &ClientSpec, details: &Details) -> Vec<String> {
    match (&client.code, details) {
        (Code::Terms { .. }, Details::Neighbors(_)) => vec![
            "the middle and the radius of the calibration rows; the scale of distances, and so how far the farthest point \
             lies from that middle; the scale of each result"
                .to_owned(),
        ],
        (Code::Terms { terms, .. }, _) => vec![format!(
            "the calibrated range of each of the {} encrypted inputs and the scale of each result",
            terms.len()
        )],
        (Code::Bins(_), Details::Trees(TreeReport { binning: Binning::Exact, edges, .. })) => vec![format!(
            "every threshold of the model ({edges} in all), which features are compared with them, and \
             which of them only in the lowest nodes; the scale of each result"
        )],
        (
            Code::Bins(_),
            Details::Trees(_) | Details::Product(_) | Details::Networks(_) | Details::Neighbors(_),
        ) => vec![
            "quantiles of the calibration rows for each used feature, and which features are used".to_owned(),
            "the scale of each result".to_owned(),
        ],
    }
}

fn nothing_else(details: &Details) -> &'static str {
    match details {
        Details::Neighbors(_) => "no point, no value of a point and no threshold",
        Details::Networks(_) => "no weights and no functions of the encrypted core",
        Details::Product(_) => "no weights of the encrypted core, but which of its inputs have none",
        Details::Trees(TreeReport { binning: Binning::Exact, .. }) => "no shape of a tree and no leaf",
        Details::Trees(TreeReport { binning: Binning::Quantile, .. }) => {
            "no threshold, no shape of a tree and no leaf"
        }
    }
}

fn is_constant(model: &Model, id: NodeId) -> bool {
    matches!(model.node(id).op, Op::Constant(_))
}
