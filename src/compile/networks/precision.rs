//! How precisely a network is computed, as its user chooses it: for all nodes, and for single ones.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

/// The fewest and the most bits of what a lookup tells apart.
const BITS: RangeInclusive<u32> = 2..=8;
/// The fewest and the most bits of an integer weight.
const WEIGHT_BITS: RangeInclusive<u32> = 2..=10;
/// The least and the most noise, in steps.
const NOISE: RangeInclusive<f64> = 0.01..=2.0;
/// The least and the most margin, in widths of a range.
const MARGIN: RangeInclusive<f64> = 0.0..=10.0;

/// How precisely a network is computed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Precision {
    /// Lookups tell 2^bits steps of their range apart: 2 to 8.
    pub bits: u32,
    /// The noise of what a lookup reads, as a standard deviation in steps.
    pub noise: f64,
    /// Bits of integer weights, sign included: 2 to 10.
    pub weight_bits: u32,
    /// The part of a calibrated range that is added on either side.
    pub margin: f64,
    /// Which range lookups read.
    pub range: Range,
    /// Nodes whose lookups have a precision of their own.
    pub nodes: BTreeMap<String, NodePrecision>,
}

/// How the range that a group of lookups reads is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Range {
    /// The calibrated one, with the margin.
    #[default]
    Calibrated,
    /// A part of it, or all of it with the margin, for which noise and what leaves the range make the least error on
    /// calibration rows.
    Error,
}

/// What one node has of its own; the rest is that of all nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NodePrecision {
    /// Bits of what its lookups tell apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bits: Option<u32>,
    /// The noise of what its lookups read, in steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub noise: Option<f64>,
    /// Bits of the weights that its results meet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight_bits: Option<u32>,
    /// The part of its calibrated range that is added on either side.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub margin: Option<f64>,
    /// Which range its lookups read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range: Option<Range>,
}

impl Default for Precision {
    fn default() -> Self {
        Self {
            bits: 5,
            noise: 0.25,
            weight_bits: 5,
            margin: 0.2,
            range: Range::Calibrated,
            nodes: BTreeMap::new(),
        }
    }
}

impl Precision {
    /// Checks everything against its limits.
    ///
    /// # Errors
    /// If a number is beyond them.
    pub fn check(&self) -> Result<()> {
        let all = NodePrecision {
            bits: Some(self.bits),
            noise: Some(self.noise),
            weight_bits: Some(self.weight_bits),
            margin: Some(self.margin),
            range: Some(self.range),
        };
        all.check("networks take")?;
        self.nodes.iter().try_for_each(|(name, node)| node.check(&format!("node '{name}' takes")))
    }

    /// The precision of one node.
    pub fn of(&self, node: &str) -> Self {
        let own = self.nodes.get(node).copied().unwrap_or_default();
        Self {
            bits: own.bits.unwrap_or(self.bits),
            noise: own.noise.unwrap_or(self.noise),
            weight_bits: own.weight_bits.unwrap_or(self.weight_bits),
            margin: own.margin.unwrap_or(self.margin),
            range: own.range.unwrap_or(self.range),
            nodes: BTreeMap::new(),
        }
    }

    /// The largest integer weight.
    pub fn largest_weight(&self) -> f64 {
        f64::from(self.weight_bits - 1).exp2() - 1.0
    }
}

impl NodePrecision {
    fn check(&self, takes: &str) -> Result<()> {
        for (value, limits, what) in [
            (self.bits, BITS, "bits of what lookups tell apart"),
            (self.weight_bits, WEIGHT_BITS, "bits of a weight"),
        ] {
            let (least, most) = (limits.start(), limits.end());
            ensure!(
                value.is_none_or(|value| limits.contains(&value)),
                "{} {what}: {takes} {least} to {most}",
                value.unwrap_or_default()
            );
        }
        for (value, limits, what) in
            [(self.noise, NOISE, "steps of noise"), (self.margin, MARGIN, "of a range as margin")]
        {
            let (least, most) = (limits.start(), limits.end());
            ensure!(
                value.is_none_or(|value| limits.contains(&value)),
                "{} {what}: {takes} {least} to {most}",
                value.unwrap_or_default()
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_has_what_is_its_own_and_the_rest_of_all() {
        let text = r#"{"bits": 6, "nodes": {"relu": {"bits": 4, "margin": 0.5}}}"#;
        let precision: Precision = serde_json::from_str(text).unwrap();
        assert!(precision.check().is_ok());
        let (own, other) = (precision.of("relu"), precision.of("tanh"));
        assert_eq!((own.bits, own.margin, own.noise), (4, 0.5, 0.25));
        assert_eq!((other.bits, other.margin), (6, 0.2));
        assert_eq!(own.largest_weight(), 15.0);
    }

    #[test]
    fn numbers_beyond_their_limits_are_refused() {
        for (text, sentence) in [
            (r#"{"bits": 9}"#, "9 bits of what lookups tell apart: networks take 2 to 8"),
            (r#"{"nodes": {"relu": {"weight_bits": 1}}}"#, "1 bits of a weight: node 'relu' takes 2 to 10"),
            (r#"{"noise": 0}"#, "0 steps of noise: networks take 0.01 to 2"),
        ] {
            let precision: Precision = serde_json::from_str(text).unwrap();
            assert_eq!(precision.check().unwrap_err().to_string(), sentence);
        }
        assert!(serde_json::from_str::<Precision>(r#"{"bit": 5}"#).is_err());
    }
}
