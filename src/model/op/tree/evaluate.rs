//! What an ensemble gives for a row.

use anyhow::{Result, bail};
use ndarray::{Array2, ArrayD};

use super::ensemble::{Aggregate, TreeEnsemble, TreeParts};
use super::node::{TreeNode, Vote};
use crate::tensor::Tensor;

impl TreeEnsemble {
    /// The scores of one row: from `[1, features]` to `[1, targets]`, both of the ensemble's type.
    ///
    /// Votes are added tree by tree and rounded to that type after each addition, as onnxruntime
    /// does; where it shares the trees of a large batch out among threads, the last bit may differ.
    ///
    /// # Errors
    /// If the input has another type or shape.
    pub fn evaluate(&self, input: &Tensor) -> Result<Tensor> {
        let parts = self.parts();
        let row = features(parts, input)?;
        let mut scores = vec![None; parts.targets];
        for &root in &parts.roots {
            for vote in reached(parts, root, &row) {
                // Targets were checked to be fewer than there are scores.
                let score = &mut scores[vote.target];
                *score = Some(with_vote(parts, *score, vote.weight));
            }
        }
        let finished = scores.into_iter().zip(&parts.base).map(|(score, base)| finish(parts, score, *base));
        let finished = Array2::from_shape_vec((1, parts.targets), finished.collect())?;
        Tensor::numbers(parts.dtype, finished.into_dyn())
    }
}

fn features(parts: &TreeParts, input: &Tensor) -> Result<Vec<f64>> {
    let values: &ArrayD<f64> = input.as_numbers()?;
    if values.shape() != [1, parts.features] || input.dtype() != parts.dtype {
        let (features, dtype) = (parts.features, parts.dtype);
        bail!(
            "trees of {features} features take {dtype} [1, {features}], found {} {:?}",
            input.dtype(),
            values.shape()
        );
    }
    Ok(values.iter().copied().collect())
}

/// The votes of the leaf that a row comes to.
fn reached<'a>(parts: &'a TreeParts, root: usize, row: &[f64]) -> &'a [Vote] {
    let mut place = root;
    loop {
        // Places, features and votes of an ensemble exist, and no path has a circle.
        match &parts.nodes[place] {
            TreeNode::Branch { feature, test, missing_passes, passed, failed } => {
                let x = row[*feature];
                let passes = test.passes(x) || (*missing_passes && x.is_nan());
                place = if passes { *passed } else { *failed };
            }
            TreeNode::Leaf { votes } => return &parts.votes[votes.clone()],
        }
    }
}

/// A score with one more vote.
fn with_vote(parts: &TreeParts, score: Option<f64>, weight: f64) -> f64 {
    match parts.aggregate {
        Aggregate::Sum | Aggregate::Average => parts.dtype.round(score.unwrap_or(0.0) + weight),
        Aggregate::Min => score.map_or(weight, |score| score.min(weight)),
        Aggregate::Max => score.map_or(weight, |score| score.max(weight)),
    }
}

fn finish(parts: &TreeParts, score: Option<f64>, base: f64) -> f64 {
    let score = score.unwrap_or(0.0);
    let score = match parts.aggregate {
        Aggregate::Sum | Aggregate::Min | Aggregate::Max => score,
        Aggregate::Average => parts.dtype.round(score / parts.roots.len() as f64),
    };
    parts.dtype.round(score + base)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::op::tree::Test;
    use crate::tensor::DType;
    use ndarray::arr2;

    /// Two stumps on the two features; a leaf votes for one of two targets, or both.
    fn parts(aggregate: Aggregate) -> TreeParts {
        let branch = |feature, missing_passes, passed| TreeNode::Branch {
            feature,
            test: Test::AtMost(1.0),
            missing_passes,
            passed,
            failed: passed + 1,
        };
        let leaf = |votes| TreeNode::Leaf { votes };
        let vote = |target, weight| Vote { target, weight };
        TreeParts {
            dtype: DType::F64,
            features: 2,
            targets: 2,
            aggregate,
            base: vec![0.5, 0.25],
            nodes: vec![
                branch(0, false, 1),
                leaf(0..1),
                leaf(1..2),
                branch(1, true, 4),
                leaf(2..3),
                leaf(2..4),
            ],
            roots: vec![0, 3],
            votes: vec![vote(0, 1.0), vote(1, 2.0), vote(0, 4.0), vote(1, -8.0)],
        }
    }

    fn scores(aggregate: Aggregate, row: [f64; 2]) -> [f64; 2] {
        let ensemble = TreeEnsemble::new(parts(aggregate)).unwrap();
        let result = ensemble.evaluate(&Tensor::f64s(arr2(&[row]).into_dyn())).unwrap();
        let values = result.as_numbers().unwrap();
        [values[[0, 0]], values[[0, 1]]]
    }

    #[test]
    fn votes_become_scores() {
        for (aggregate, low, mixed) in [
            (Aggregate::Sum, [5.5, 0.25], [4.5, -5.75]),
            (Aggregate::Average, [3.0, 0.25], [2.5, -2.75]),
            (Aggregate::Min, [1.5, 0.25], [4.5, -7.75]),
            (Aggregate::Max, [4.5, 0.25], [4.5, 2.25]),
        ] {
            assert_eq!(scores(aggregate, [1.0, 1.0]), low, "{aggregate:?}");
            assert_eq!(scores(aggregate, [2.0, 2.0]), mixed, "{aggregate:?}");
        }
    }

    #[test]
    fn a_missing_feature_goes_its_own_way() {
        assert_eq!(scores(Aggregate::Sum, [f64::NAN, f64::NAN]), [4.5, 2.25]);
    }

    #[test]
    fn single_precision_is_rounded_after_each_tree() {
        let vote = Vote { target: 0, weight: 0.1 };
        let parts = TreeParts {
            dtype: DType::F32,
            features: 1,
            targets: 1,
            aggregate: Aggregate::Sum,
            base: vec![0.0],
            nodes: vec![TreeNode::Leaf { votes: 0..1 }; 10],
            roots: (0..10).collect(),
            votes: vec![vote],
        };
        let result = TreeEnsemble::new(parts).unwrap().evaluate(&Tensor::zeros(DType::F32, &[1, 1])).unwrap();
        let sum = (0..10).fold(0.0_f32, |sum, _| sum + 0.1);
        assert_eq!(result.as_numbers().unwrap()[[0, 0]], f64::from(sum));
        assert_ne!(sum, 1.0);
    }

    #[test]
    fn other_rows_are_refused() {
        let ensemble = TreeEnsemble::new(parts(Aggregate::Sum)).unwrap();
        let message = ensemble.evaluate(&Tensor::zeros(DType::F32, &[1, 3])).unwrap_err().to_string();
        assert_eq!(message, "trees of 2 features take float64 [1, 2], found float32 [1, 3]");
    }
}
