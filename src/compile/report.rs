//! What compilation chose, what it costs and what it reveals.

use serde::Serialize;

use super::errors::{Errors, ScoreError};
use super::split::{Part, Split};
use crate::circuit::{Circuit, ClientSpec};
use crate::crypto::SECURITY_BITS;
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
    /// Bits of encrypted inputs, sign included.
    pub input_bits: u32,
    /// Bits of the widest weight, sign included.
    pub weight_bits: u32,
    /// Bits of a result, sign included.
    pub result_bits: u32,
    /// Coefficients of a ciphertext.
    pub polynomial_size: usize,
    /// Security of the parameters, in bits.
    pub security_bits: u32,
    /// Base-2 logarithm of the standard deviation of a result's noise, as a fraction of the torus.
    pub log2_noise: f64,
    /// Base-2 logarithm of the probability that one result is wrong.
    pub log2_p_error: f64,
    /// Rows that share a ciphertext.
    pub rows_per_block: usize,
    /// Bytes of a full block of encrypted rows.
    pub input_block_bytes: usize,
    /// Bytes of the results of a full block.
    pub output_block_bytes: usize,
    /// The error of each decrypted score on the calibration rows, against the float model.
    pub scores: Vec<ScoreError>,
    /// What a holder of the client file can read from it.
    pub client_reveals: Vec<String>,
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

pub fn report(
    model: &Model,
    split: &Split,
    circuit: &Circuit,
    client: &ClientSpec,
    errors: Errors,
    calibration_rows: usize,
) -> Report {
    let encoding = circuit.encoding();
    let weights = circuit.product().weights.iter().flatten();
    let widest = weights.map(|weight| weight.unsigned_abs()).max().unwrap_or(0);
    let squared_norm2 = circuit.product().squared_norm2s().fold(0.0, f64::max);
    let variance = encoding.noise_variance(squared_norm2);
    let limit = client.terms.iter().map(|term| term.quantizer.limit()).max().unwrap_or(1);
    let rows = encoding.rows_per_block();
    Report {
        parts: PartNames::of(model, split),
        calibration_rows,
        features: encoding.features(),
        outputs: encoding.outputs(),
        input_bits: limit.ilog2() + 2,
        weight_bits: widest.max(1).ilog2() + 2,
        result_bits: encoding.message_bits(),
        polynomial_size: encoding.parameters().polynomial_size(),
        security_bits: SECURITY_BITS,
        log2_noise: variance.sqrt().log2(),
        log2_p_error: encoding.log2_failure(variance),
        rows_per_block: rows,
        input_block_bytes: encoding.input_block_bytes(rows),
        output_block_bytes: encoding.output_block_bytes(rows),
        scores: errors.scores,
        client_reveals: client_reveals(client),
    }
}

fn part_names(model: &Model, split: &Split, part: Part) -> Vec<String> {
    let nodes = model.nodes().iter().enumerate();
    let inside = nodes.filter(|(index, node)| {
        split.part(NodeId(*index)) == part && !matches!(node.op, Op::Input(_) | Op::Constant(_))
    });
    inside.map(|(_, node)| format!("{} '{}'", node.op, node.name)).collect()
}

fn client_reveals(client: &ClientSpec) -> Vec<String> {
    let constants = |model: &Model| {
        let holders =
            model.nodes().iter().filter(|node| node.inputs.iter().any(|id| is_constant(model, *id)));
        let own = model.nodes().iter().filter(|node| matches!(node.op, Op::OneHot(_) | Op::Map(_)));
        holders.chain(own).map(|node| format!("{} '{}'", node.op, node.name)).collect::<Vec<_>>().join(", ")
    };
    let mut reveals = vec![format!(
        "the calibrated range of each of the {} encrypted inputs and the scale of each result",
        client.terms.len()
    )];
    for (side, model) in [("before encryption", &client.prologue), ("after decryption", &client.epilogue)] {
        let holders = constants(model);
        if !holders.is_empty() {
            reveals.push(format!("the constants of what runs {side}: {holders}"));
        }
    }
    reveals.push("no weights of the encrypted core, but which of its inputs have none".to_owned());
    reveals
}

fn is_constant(model: &Model, id: NodeId) -> bool {
    matches!(model.node(id).op, Op::Constant(_))
}
