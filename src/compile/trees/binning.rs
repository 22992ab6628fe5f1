//! Edges between the bins of a feature, and the bins that each test lets pass.

use anyhow::Result;

use super::bin_set::BinSet;
use super::question::Question;
use crate::circuit::{Bins, BinsParts};
use crate::model::op::Test;
use crate::tensor::DType;

/// The bins of one feature, all numbers and missing values among them.
#[derive(Clone, Debug, PartialEq)]
pub struct Feature {
    /// The variable that is compared.
    pub variable: u32,
    edges: Vec<f64>,
    first: u32,
    missing: u32,
}

/// Intervals, and the values that speak for each, in rising order.
#[derive(Clone, Debug, PartialEq)]
pub struct Intervals {
    edges: Vec<f64>,
    values: Vec<Vec<f64>>,
}

impl Feature {
    /// Gives missing values a bin, and says which bins each question lets pass.
    ///
    /// They share the bin of an interval that fares like them in every question; else they get one of their
    /// own, on the side where sets change less.
    pub fn new(variable: u32, intervals: Intervals, questions: &[Question<'_>]) -> (Self, Vec<BinSet>) {
        let sets: Vec<BinSet> =
            questions.iter().map(|question| question.passing(&intervals.values)).collect();
        let missing: Vec<bool> = questions.iter().map(Question::passes_missing).collect();
        let edges = intervals.edges;
        let count = edges.len() as u32 + 1;
        let fares_like =
            |bin: &u32| sets.iter().zip(&missing).all(|(set, passes)| set.contains(*bin) == *passes);
        if let Some(missing) = (0..count).rev().find(fares_like) {
            return (Self { variable, edges, first: 0, missing }, sets);
        }
        let pairs = || sets.iter().zip(&missing);
        let changes_before = pairs().filter(|(set, passes)| set.contains(0) != **passes).count();
        let changes_after = pairs().filter(|(set, passes)| set.has_last() != **passes).count();
        if changes_before < changes_after {
            let sets = pairs().map(|(set, passes)| set.after(*passes)).collect();
            return (Self { variable, edges, first: 1, missing: 0 }, sets);
        }
        let sets = pairs().map(|(set, passes)| set.clone().before(*passes)).collect();
        (Self { variable, edges, first: 0, missing: count }, sets)
    }

    /// The number of bins.
    pub fn bins(&self) -> u32 {
        (self.first + self.edges.len() as u32 + 1).max(self.missing + 1)
    }

    /// The bin of a value.
    pub fn bin(&self, value: f64) -> u32 {
        match value.is_nan() {
            true => self.missing,
            false => self.first + self.edges.partition_point(|edge| *edge < value) as u32,
        }
    }

    /// Merges bins, all but those that one of these boundaries parts: the numbers, in rising order, of bins
    /// that end there.
    pub fn merged(&self, kept: &[u32]) -> Self {
        let place = |bin: u32| kept.partition_point(|boundary| *boundary < bin) as u32;
        // The boundary after an interval is its upper edge; other boundaries part missing values off.
        let edge = |boundary: &u32| self.edges.get(boundary.checked_sub(self.first)? as usize).copied();
        let edges = kept.iter().filter_map(edge).collect();
        Self { variable: self.variable, edges, first: place(self.first), missing: place(self.missing) }
    }

    /// The bins in digits of these radices.
    ///
    /// # Errors
    /// If they are too few.
    pub fn coded(&self, radices: Vec<u32>) -> Result<Bins> {
        let Self { variable, edges, first, missing } = self.clone();
        Bins::new(BinsParts { variable, edges, first, missing: Some(missing), radices })
    }

    /// The number of edges: what the client file tells.
    pub fn edges(&self) -> usize {
        self.edges.len()
    }
}

impl Intervals {
    /// At most `most` intervals with about the same number of these values.
    pub fn at_quantiles(mut values: Vec<f64>, most: usize) -> Self {
        values.sort_by(f64::total_cmp);
        let distinct: Vec<&[f64]> = values.chunk_by(|a, b| a == b).collect();
        let mut intervals = Self { edges: Vec::new(), values: vec![Vec::new()] };
        let (mut open, mut rest) = (most.max(1), values.len());
        let mut inside: Vec<f64> = Vec::new();
        for (place, same) in distinct.iter().enumerate() {
            inside.extend(*same);
            let Some(next) = distinct.get(place + 1) else { break };
            // Ends where the share of an interval is met best; each value gets its own if that is possible.
            let is_full = (2 * inside.len() + next.len()) * open > 2 * rest;
            let are_few = distinct.len() - place - 1 < open;
            if open > 1 && (is_full || are_few) {
                (open, rest) = (open - 1, rest - inside.len());
                intervals.edges.push(between(same[0], next[0]));
                // There is an interval that was not ended yet.
                let last = intervals.values.len() - 1;
                intervals.values[last] = std::mem::take(&mut inside);
                intervals.values.push(Vec::new());
            }
        }
        if let Some(last) = intervals.values.last_mut() {
            // Without any value something must speak for the interval.
            *last = if inside.is_empty() { vec![0.0] } else { inside };
        }
        intervals
    }

    /// The intervals whose values no question can tell apart.
    pub fn at_thresholds(questions: &[Question<'_>], dtype: DType) -> Self {
        let mut edges: Vec<f64> = questions
            .iter()
            .flat_map(|question| cuts(question.test, dtype))
            .filter(|cut| *cut < f64::INFINITY)
            .collect();
        edges.sort_by(f64::total_cmp);
        edges.dedup_by(|a, b| a == b);
        let values = edges.iter().copied().chain([f64::INFINITY]).map(|value| vec![value]).collect();
        Self { edges, values }
    }

    /// The number of intervals.
    pub fn count(&self) -> usize {
        self.values.len()
    }
}

/// A number from `low` on and below `high`.
fn between(low: f64, high: f64) -> f64 {
    let middle = low / 2.0 + high / 2.0;
    if low <= middle && middle < high { middle } else { low }
}

/// The largest values of intervals that a test tells apart from what follows.
fn cuts(test: &Test, dtype: DType) -> Vec<f64> {
    match test {
        Test::AtMost(threshold) | Test::Above(threshold) => vec![*threshold],
        Test::Below(threshold) | Test::AtLeast(threshold) => vec![next_down(*threshold, dtype)],
        Test::Equal(_) | Test::NotEqual(_) | Test::Member(_) => {
            test.thresholds().iter().flat_map(|value| [next_down(*value, dtype), *value]).collect()
        }
    }
}

/// The largest value of the type below this one. Ensembles are of float32 or float64.
fn next_down(value: f64, dtype: DType) -> f64 {
    if dtype == DType::F32 { f64::from((value as f32).next_down()) } else { value.next_down() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(test: &Test) -> Question<'_> {
        Question { test, missing_passes: false }
    }

    #[test]
    fn few_values_get_a_bin_each_and_many_equal_shares() {
        let few = Intervals::at_quantiles(vec![3.0, 1.0, 1.0, f64::INFINITY, f64::NEG_INFINITY], 4);
        assert_eq!(few.edges, [f64::NEG_INFINITY, 2.0, 3.0]);
        assert_eq!(few.values[1], [1.0, 1.0]);
        let many = Intervals::at_quantiles((0..1000).map(f64::from).collect(), 8);
        assert!(many.values.iter().all(|values| values.len() == 125));
        let mut skewed = vec![0.0; 900];
        skewed.extend((1..=100).map(f64::from));
        let skewed = Intervals::at_quantiles(skewed, 5);
        assert_eq!(skewed.values.iter().map(Vec::len).collect::<Vec<_>>(), [900, 25, 25, 25, 25]);
        assert_eq!(Intervals::at_quantiles(Vec::new(), 5).values, [[0.0]]);
    }

    #[test]
    fn cuts_lie_where_outcomes_change() {
        let tests = [Test::Below(1.0), Test::Equal(2.0), Test::AtMost(f64::INFINITY), Test::AtMost(1.5)];
        let questions: Vec<_> = tests.iter().map(question).collect();
        let below = |value: f32| f64::from(value.next_down());
        let intervals = Intervals::at_thresholds(&questions, DType::F32);
        assert_eq!(intervals.edges, [below(1.0), 1.5, below(2.0), 2.0]);
        let (feature, sets) = Feature::new(7, intervals, &questions);
        let passing: Vec<bool> = [0.0, 1.0, 1.5, 2.0, 3.0].map(|x| sets[1].contains(feature.bin(x))).to_vec();
        assert_eq!(passing, [false, false, false, true, false]);
    }

    #[test]
    fn missing_values_share_a_bin_or_have_their_own() {
        let tests = [Test::AtMost(1.0), Test::AtMost(2.0)];
        let questions: Vec<_> = tests.iter().map(question).collect();
        let intervals = || Intervals::at_thresholds(&questions, DType::F64);
        let (shared, _) = Feature::new(0, intervals(), &questions);
        assert_eq!((shared.bins(), shared.bin(f64::NAN)), (3, 2));
        // Missing values pass the first test and fail the second: no interval does that.
        let mixed = [Question { missing_passes: true, ..questions[0] }, questions[1]];
        let (own, sets) = Feature::new(0, intervals(), &mixed);
        assert_eq!((own.bins(), own.bin(f64::NAN), own.bin(0.0)), (4, 3, 0));
        assert!(sets[0].contains(3) && !sets[1].contains(3));
    }

    #[test]
    fn merged_bins_keep_their_boundaries() {
        let feature = Feature { variable: 0, edges: vec![1.0, 2.0, 3.0], first: 1, missing: 0 };
        let values = [f64::NAN, 0.5, 1.5, 2.5, 3.5];
        let bins = |kept: &[u32]| values.map(|value| feature.merged(kept).bin(value));
        assert_eq!(bins(&[0, 1, 2, 3]), [0, 1, 2, 3, 4]);
        assert_eq!(bins(&[2]), [0, 0, 0, 1, 1]);
        assert_eq!(bins(&[0, 3]), [0, 1, 1, 1, 2]);
        let last = Feature { first: 0, missing: 4, ..feature.clone() };
        assert_eq!(values.map(|value| last.merged(&[1, 3]).bin(value)), [2, 0, 0, 1, 1]);
    }
}
