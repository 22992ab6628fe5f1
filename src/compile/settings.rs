//! What the user of the compiler may choose.

use serde::Serialize;

use super::Precision;
use crate::circuit::{Encoding, EvaluationParameters};
use crate::crypto::{ExpansionParameters, RingParameters, SecretParameters};

/// Evaluation keys of lookups are no larger than this, if nobody says otherwise.
const MAX_KEY_BYTES: usize = 40_000_000;

/// What the user may choose.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Bits of encrypted inputs and weights; by default what keeps errors small beside the spread of
    /// each output. For trees the bits of a feature's bin, for networks in place of [`Precision::bits`].
    pub bits: Option<u32>,
    /// The largest allowed probability, as a base-2 logarithm, that one result is wrong, by default -128. Of networks,
    /// whose results have noise, the probability for which it is told how far lookups may be off, by default -40.
    pub log2_p_error: Option<f64>,
    /// Use the parameters of these keys rather than the cheapest that fit.
    pub parameters: Option<KeyParameters>,
    /// How the features of trees become bins.
    pub binning: Binning,
    /// Spend megabytes a row on the way to the server to save it time; for trees.
    pub lan: bool,
    /// The most bytes of an evaluation key of lookups.
    pub max_key_bytes: usize,
    /// How precisely networks are computed.
    pub precision: Precision,
    /// Let whoever decrypts learn the distances to all points, and find the nearest ones in the clear; for nearest
    /// neighbours.
    pub reveal_distances: bool,
}

/// How features become bins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Binning {
    /// At quantiles of the calibration rows: the client file holds no threshold of the model.
    Quantile,
    /// At the model's thresholds: results are the model's own, the client file holds the thresholds.
    Exact,
}

/// The parameters of a pair of keys.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyParameters {
    /// Those of the secret key.
    pub ring: RingParameters,
    /// Those of the evaluation key, if there is one.
    pub expansion: Option<ExpansionParameters>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            bits: None,
            log2_p_error: None,
            parameters: None,
            binning: Binning::Quantile,
            lan: false,
            max_key_bytes: MAX_KEY_BYTES,
            precision: Precision::default(),
            reveal_distances: false,
        }
    }
}

impl Settings {
    /// The largest allowed probability, as a base-2 logarithm, that an exact result is wrong.
    pub fn log2_exact_p_error(&self) -> f64 {
        self.log2_p_error.unwrap_or(-128.0)
    }

    /// The probability, as a base-2 logarithm, for which it is told how far noise moves what a lookup reads.
    pub fn log2_lookup_p_error(&self) -> f64 {
        self.log2_p_error.unwrap_or(-40.0)
    }
}

impl KeyParameters {
    /// The parameters of the keys that serve an encoding; `None` if they are for lookups, whose parameters belong
    /// to one circuit.
    pub fn of(encoding: &Encoding) -> Option<Self> {
        match (encoding.secret(), encoding.evaluation()) {
            (SecretParameters::Ring(ring), EvaluationParameters::Expansion(expansion)) => {
                Some(Self { ring, expansion: Some(expansion) })
            }
            (SecretParameters::Ring(ring), _) => Some(Self { ring, expansion: None }),
            (SecretParameters::Lookups(_) | SecretParameters::Shared(_), _) => None,
        }
    }
}
