//! Trained weights: encrypted, decrypted, and as numbers that people use.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::files::open_client;
use super::parameters::RING;
use super::{ClientPlan, Plan, Task};
use crate::artifact::{Kind, Reader};
use crate::client::keys::open_secret_key;
use crate::crypto::{RingCiphertext, RingDecryptor, Secret, SwitchedRing, pack, packed_bytes, unpack};
use crate::progress::Progress;

/// The bits of a coefficient that are sent back.
const WEIGHT_BITS: u32 = 48;
/// The layout of a file of weights.
const SCHEMA: u32 = 1;

/// Coefficients in the units of the data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weights {
    /// The layout of this file.
    pub schema: u32,
    /// What they were trained for.
    pub task: Task,
    /// For each class, or for the one that is told from the other, or for the number: a coefficient a feature.
    pub coefficients: Vec<Vec<f64>>,
    /// What is added to each.
    pub intercepts: Vec<f64>,
}

impl Weights {
    /// Those of standardised features, with the bias last, in the units of the data.
    pub fn of(client: &ClientPlan, standardised: &[Vec<f64>]) -> Self {
        let task = client.plan.settings().literal().task;
        let unscaled = standardised.iter().map(|weights| client.features.unscale(weights));
        let (mut coefficients, mut intercepts): (Vec<Vec<f64>>, Vec<f64>) = unscaled.unzip();
        if let Task::Linear { low, high } = task {
            let (half, middle) = ((high - low) / 2.0, (high + low) / 2.0);
            coefficients.iter_mut().flatten().for_each(|value| *value *= half);
            intercepts.iter_mut().for_each(|value| *value = *value * half + middle);
        }
        Self { schema: SCHEMA, task, coefficients, intercepts }
    }

    /// Refuses weights that do not fit a plan.
    ///
    /// # Errors
    /// If they have another layout, task or number.
    pub fn check(&self, plan: &Plan) -> Result<()> {
        let literal = plan.settings().literal();
        ensure!(
            self.schema == SCHEMA,
            "weights of schema {}, this fhe-ml reads schema {SCHEMA}",
            self.schema
        );
        ensure!(self.task == literal.task, "weights for {:?}, the plan is for {:?}", self.task, literal.task);
        let targets = plan.settings().targets();
        ensure!(
            self.coefficients.len() == targets && self.intercepts.len() == targets,
            "{} rows of coefficients and {} intercepts, where the plan has {targets}",
            self.coefficients.len(),
            self.intercepts.len()
        );
        if let Some(row) = self.coefficients.iter().find(|row| row.len() != literal.features) {
            anyhow::bail!("{} coefficients, where the plan has {} features", row.len(), literal.features);
        }
        Ok(())
    }

    /// What is learnt of a row: the class, or the number.
    pub fn predict(&self, row: &[f64]) -> f64 {
        let scores: Vec<f64> = self
            .coefficients
            .iter()
            .zip(&self.intercepts)
            .map(|(weights, bias)| weights.iter().zip(row).map(|(weight, x)| weight * x).sum::<f64>() + bias)
            .collect();
        match (self.task, scores.as_slice()) {
            (Task::Linear { .. }, scores) => scores.first().copied().unwrap_or_default(),
            (Task::Logistic { .. }, [score]) => f64::from(*score > 0.0),
            (Task::Logistic { .. }, scores) => {
                let best = scores.iter().enumerate().max_by(|(_, a), (_, b)| a.total_cmp(b));
                best.map_or(0.0, |(class, _)| class as f64)
            }
        }
    }
}

/// The files of a decryption.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The plan's client file.
    pub client: &'a Path,
    /// The secret key.
    pub key: &'a Path,
    /// Opens a sealed key.
    pub passphrase: Option<&'a str>,
    /// The encrypted weights.
    pub input: &'a Path,
}

/// Decrypts weights.
///
/// # Errors
/// If the files do not belong together or are damaged.
pub fn decrypt(request: &Request<'_>, progress: &dyn Progress) -> Result<Weights> {
    let opened = open_client(request.client)?;
    let client = opened.value;
    let mut input = Reader::open(request.input)?;
    input.require(Kind::EncryptedOutput)?;
    input.require_circuit(opened.circuit, request.client)?;
    let key = open_secret_key(request.key, request.passphrase)?;
    input.require_key(key.id, request.key)?;
    input.verify(progress)?;
    let Secret::Lookups(secrets) = &key.secret else {
        anyhow::bail!("'{}' is not for training", request.key.display());
    };
    let secret = secrets.first();
    ensure!(
        secret.parameters() == *client.plan.parameters().lookup(),
        "'{}' was made for other parameters than '{}'",
        request.key.display(),
        request.client.display()
    );
    let (found, due) = (input.payload_len(), client.plan.settings().targets() * target_bytes(&client.plan));
    ensure!(
        found == due as u64,
        "'{}' holds {found} bytes of weights, {due} are due",
        request.input.display()
    );
    let bytes = input.read_at(0, due)?;
    let decryptor = RingDecryptor::new(&secret.as_ring_key()?)?;
    let program = client.plan.program();
    let open = |target: &[u8]| {
        let positions = positions(&client.plan);
        let switched = read_target(target, positions.len())?;
        let values = decryptor.decrypt(&switched, WEIGHT_BITS, &positions);
        Ok(values.into_iter().map(|value| program.weight(value)).collect())
    };
    let weights = bytes.chunks(target_bytes(&client.plan)).map(open).collect::<Result<Vec<Vec<f64>>>>();
    Ok(Weights::of(&client, &weights.with_context(|| format!("cannot read '{}'", request.input.display()))?))
}

/// The bytes of encrypted weights: of each target the mask, and the body where weights lie.
pub fn write_weights(plan: &Plan, weights: &[RingCiphertext]) -> Vec<u8> {
    let modulus = u64::MAX >> (64 - WEIGHT_BITS);
    let mut bytes = Vec::with_capacity(weights.len() * target_bytes(plan));
    for target in weights {
        let switched = target.switch_modulus(WEIGHT_BITS, &positions(plan));
        for values in [switched.mask, switched.bodies] {
            let values: Vec<u64> = values.iter().map(|value| value & modulus).collect();
            bytes.extend(pack(&values, WEIGHT_BITS));
        }
    }
    bytes
}

fn read_target(bytes: &[u8], weights: usize) -> Result<SwitchedRing> {
    let parts = bytes.split_at_checked(packed_bytes(RING, WEIGHT_BITS));
    let (mask, bodies) = parts.context("weights that end early")?;
    let open = |bytes, count| unpack(bytes, count, WEIGHT_BITS).context("weights that end early");
    Ok(SwitchedRing { mask: open(mask, RING)?, bodies: open(bodies, weights)? })
}

fn target_bytes(plan: &Plan) -> usize {
    packed_bytes(RING, WEIGHT_BITS) + packed_bytes(plan.program().weights(), WEIGHT_BITS)
}

/// The coefficients of weights.
fn positions(plan: &Plan) -> Vec<usize> {
    let stride = plan.packing().stride();
    (0..plan.program().weights()).map(|weight| weight * stride).collect()
}
