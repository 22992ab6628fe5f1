//! What nodes ask of a feature.

use super::bin_set::BinSet;
use crate::model::op::Test;

/// The test of a node, missing values included.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// What is asked of a number.
    pub test: &'a Test,
    /// Whether a missing one passes in any case.
    pub missing_passes: bool,
}

impl Question<'_> {
    /// Whether a missing value passes.
    pub fn passes_missing(&self) -> bool {
        self.missing_passes || self.test.passes(f64::NAN)
    }

    /// The intervals that pass, each given by its values in rising order: those of which the majority does.
    pub fn passing(&self, intervals: &[Vec<f64>]) -> BinSet {
        let passes = |interval: &Vec<f64>| match self.test {
            Test::AtMost(_) | Test::Below(_) | Test::AtLeast(_) | Test::Above(_) => {
                self.passes_middle(interval)
            }
            Test::Equal(_) | Test::NotEqual(_) | Test::Member(_) => {
                2 * interval.iter().filter(|value| self.test.passes(**value)).count() > interval.len()
            }
        };
        let count = intervals.len() as u32;
        match self.test {
            Test::AtMost(_) | Test::Below(_) => {
                BinSet::split_at(count, intervals.partition_point(passes) as u32, true)
            }
            Test::AtLeast(_) | Test::Above(_) => {
                let failing = intervals.partition_point(|interval| !passes(interval));
                BinSet::split_at(count, failing as u32, false)
            }
            Test::Equal(_) | Test::NotEqual(_) | Test::Member(_) => BinSet::of(intervals.iter().map(passes)),
        }
    }

    /// Whether the lower median passes: what the majority does, if the test is monotonic.
    fn passes_middle(&self, interval: &[f64]) -> bool {
        interval.get(interval.len().saturating_sub(1) / 2).is_some_and(|value| self.test.passes(*value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_majority_decides() {
        let intervals = vec![vec![0.0, 1.0], vec![2.0, 3.0, 4.0], vec![5.0]];
        let passing = |test: Test| {
            let set = Question { test: &test, missing_passes: false }.passing(&intervals);
            [0, 1, 2].map(|bin| set.contains(bin))
        };
        assert_eq!(passing(Test::AtMost(3.0)), [true, true, false]);
        assert_eq!(passing(Test::Below(3.0)), [true, false, false]);
        assert_eq!(passing(Test::Above(2.0)), [false, true, true]);
        assert_eq!(passing(Test::AtLeast(9.0)), [false, false, false]);
        assert_eq!(passing(Test::Member(vec![0.0, 2.0, 4.0])), [false, true, false]);
        assert_eq!(passing(Test::NotEqual(5.0)), [true, true, false]);
    }

    #[test]
    fn missing_values_pass_if_the_node_or_inequality_says_so() {
        let passes = |test, missing_passes| Question { test: &test, missing_passes }.passes_missing();
        assert!(passes(Test::AtMost(0.0), true) && !passes(Test::AtMost(0.0), false));
        assert!(passes(Test::NotEqual(0.0), false));
    }
}
