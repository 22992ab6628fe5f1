//! One node of a tree.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// A question about one feature, or an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum TreeNode {
    /// Goes on to one of two other nodes.
    Branch {
        /// The feature that is tested.
        feature: usize,
        /// The test.
        test: Test,
        /// Whether a missing feature (NaN) counts as one that passes. Otherwise the test decides,
        /// which NaN fails unless it asks for inequality.
        missing_passes: bool,
        /// The place of the node after a passed test.
        passed: usize,
        /// The place of the node after a failed test.
        failed: usize,
    },
    /// Ends with these of the ensemble's votes.
    Leaf {
        /// Places of votes, at most one for each target.
        votes: Range<usize>,
    },
}

/// What is asked of a feature x.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Test {
    /// x ≤ threshold
    AtMost(f64),
    /// x < threshold
    Below(f64),
    /// x ≥ threshold
    AtLeast(f64),
    /// x > threshold
    Above(f64),
    /// x = value
    Equal(f64),
    /// x ≠ value
    NotEqual(f64),
    /// x is one of these.
    Member(Vec<f64>),
}

/// What a leaf adds to the score of a target.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Vote {
    /// The target, counted from 0.
    pub target: usize,
    /// The weight of the vote.
    pub weight: f64,
}

impl Test {
    /// Whether a feature passes. NaN is unequal to everything and passes no other test.
    pub fn passes(&self, x: f64) -> bool {
        match self {
            Self::AtMost(threshold) => x <= *threshold,
            Self::Below(threshold) => x < *threshold,
            Self::AtLeast(threshold) => x >= *threshold,
            Self::Above(threshold) => x > *threshold,
            Self::Equal(value) => x == *value,
            Self::NotEqual(value) => x != *value,
            Self::Member(values) => values.contains(&x),
        }
    }

    /// The numbers that features are compared with.
    pub fn thresholds(&self) -> &[f64] {
        match self {
            Self::AtMost(value) | Self::Below(value) | Self::AtLeast(value) | Self::Above(value) => {
                std::slice::from_ref(value)
            }
            Self::Equal(value) | Self::NotEqual(value) => std::slice::from_ref(value),
            Self::Member(values) => values,
        }
    }

    /// The same numbers, to change.
    pub(super) fn thresholds_mut(&mut self) -> &mut [f64] {
        match self {
            Self::AtMost(value) | Self::Below(value) | Self::AtLeast(value) | Self::Above(value) => {
                std::slice::from_mut(value)
            }
            Self::Equal(value) | Self::NotEqual(value) => std::slice::from_mut(value),
            Self::Member(values) => values,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_at_their_threshold_and_on_nan() {
        let inputs = [1.0, 2.0, 3.0, f64::NAN];
        let passed = |test: Test| inputs.map(|x| test.passes(x));
        assert_eq!(passed(Test::AtMost(2.0)), [true, true, false, false]);
        assert_eq!(passed(Test::Below(2.0)), [true, false, false, false]);
        assert_eq!(passed(Test::AtLeast(2.0)), [false, true, true, false]);
        assert_eq!(passed(Test::Above(2.0)), [false, false, true, false]);
        assert_eq!(passed(Test::Equal(2.0)), [false, true, false, false]);
        assert_eq!(passed(Test::NotEqual(2.0)), [true, false, true, true]);
        assert_eq!(passed(Test::Member(vec![3.0, 1.0])), [true, false, true, false]);
    }
}
