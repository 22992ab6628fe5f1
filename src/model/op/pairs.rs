//! Probabilities of classes from the decisions of a classifier between each two of them.

use anyhow::{Context, Result, bail};
use ndarray::{Array2, ArrayD, Axis};
use serde::{Deserialize, Serialize};

use crate::tensor::Tensor;

/// The probability of a class against another one stays so far from 0 and 1.
const LEAST: f64 = 1e-7;
/// Rounds of improvement, unless there are more classes.
const ROUNDS: usize = 100;
/// What the conditions of the best probabilities may be off, divided by the number of classes.
const CLOSE: f64 = 0.005;

/// A sigmoid for each pair of classes: a decision f between them is the probability 1 / (1 + exp(slope · f + shift))
/// of the first. Pairs come in the order (0, 1), (0, 2) … (1, 2) …
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PairSigmoids {
    classes: usize,
    slopes: Vec<f64>,
    shifts: Vec<f64>,
}

impl PairSigmoids {
    /// Sigmoids with these slopes and shifts.
    ///
    /// # Errors
    /// If there are not as many of each as pairs of so many classes, or fewer than two classes.
    pub fn new(classes: usize, slopes: Vec<f64>, shifts: Vec<f64>) -> Result<Self> {
        let pairs = classes.checked_mul(classes.saturating_sub(1)).context("too many classes")? / 2;
        if pairs == 0 || [slopes.len(), shifts.len()] != [pairs, pairs] {
            bail!(
                "{classes} classes have {pairs} pairs, but there are {} slopes and {} shifts of sigmoids",
                slopes.len(),
                shifts.len()
            );
        }
        Ok(Self { classes, slopes, shifts })
    }

    /// The number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The most products that the probability of one class takes.
    pub fn work(&self) -> usize {
        self.rounds().saturating_mul(self.classes)
    }

    /// The probabilities of all classes in each row of decisions.
    ///
    /// # Errors
    /// If rows do not have a decision for each pair.
    pub(super) fn evaluate(&self, decisions: &Tensor) -> Result<Tensor> {
        let values = decisions.as_numbers()?;
        let &[rows, pairs] = values.shape() else {
            bail!("expected rows of decisions, found the shape {:?}", values.shape());
        };
        if pairs != self.slopes.len() {
            bail!("expected decisions of {} pairs of classes, found {pairs}", self.slopes.len());
        }
        let mut found = Vec::with_capacity(rows * self.classes);
        for row in values.lanes(Axis(1)) {
            let decided: Vec<f64> = row.iter().copied().collect();
            found.extend(self.coupled(&self.pairwise(&decided)));
        }
        Tensor::numbers(decisions.dtype(), ArrayD::from_shape_vec(vec![rows, self.classes], found)?)
    }

    /// The probability of each class against each other one.
    fn pairwise(&self, decided: &[f64]) -> Array2<f64> {
        let mut against = Array2::zeros((self.classes, self.classes));
        let pairs = (0..self.classes).flat_map(|i| (i + 1..self.classes).map(move |j| (i, j)));
        let sigmoids = self.slopes.iter().zip(&self.shifts);
        for (((i, j), f), (slope, shift)) in pairs.zip(decided).zip(sigmoids) {
            let probability = 1.0 / (1.0 + (slope * f + shift).exp());
            let probability = probability.clamp(LEAST, 1.0 - LEAST);
            // Both are classes.
            against[[i, j]] = probability;
            against[[j, i]] = 1.0 - probability;
        }
        against
    }

    /// The probabilities p of sum 1 for which the sum of (r_ji p_i - r_ij p_j)² over all pairs is least: the second
    /// method of Wu, Lin and Weng, *Probability Estimates for Multi-class Classification by Pairwise Coupling* (2004).
    ///
    /// At the least sum all elements of Q p are equal, where Q is its matrix. Each step makes one of them equal to
    /// their mean p Q p, and scales p to sum 1 again.
    fn coupled(&self, against: &Array2<f64>) -> Vec<f64> {
        let classes = self.classes;
        let mut matrix =
            Array2::from_shape_fn((classes, classes), |(i, j)| -against[[j, i]] * against[[i, j]]);
        for (class, lost) in against.columns().into_iter().enumerate() {
            matrix[[class, class]] = lost.dot(&lost); // a class, whose own entry is 0
        }
        let mut found = ndarray::Array1::from_elem(classes, 1.0 / classes as f64);
        for _ in 0..self.rounds() {
            let mut products = matrix.dot(&found);
            let mut mean = found.dot(&products);
            let off = products.iter().map(|product| (product - mean).abs()).fold(0.0, f64::max);
            if off < CLOSE / classes as f64 {
                break;
            }
            for class in 0..classes {
                // Vectors have an element for each class.
                let own = matrix[[class, class]];
                let step = (mean - products[class]) / own;
                mean = (mean + step * (step * own + 2.0 * products[class])) / (1.0 + step).powi(2);
                products.scaled_add(step, &matrix.row(class));
                found[class] += step;
                products /= 1.0 + step;
                found /= 1.0 + step;
            }
        }
        found.to_vec()
    }

    fn rounds(&self) -> usize {
        ROUNDS.max(self.classes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::arr2;

    fn probabilities(sigmoids: &PairSigmoids, decisions: &[f64]) -> Vec<f64> {
        let decisions = ArrayD::from_shape_vec(vec![1, decisions.len()], decisions.to_vec()).unwrap();
        sigmoids.evaluate(&Tensor::f64s(decisions)).unwrap().as_numbers().unwrap().iter().copied().collect()
    }

    #[test]
    fn of_two_classes_the_sigmoid_is_the_probability() {
        let sigmoids = PairSigmoids::new(2, vec![-2.0], vec![0.5]).unwrap();
        for f in [-3.0, -0.4, 0.0, 0.25, 1.0, 40.0] {
            let found = probabilities(&sigmoids, &[f]);
            let wanted = 1.0 / (1.0 + (-2.0 * f + 0.5).exp());
            // The iteration ends where it is nearly there.
            assert!(
                (found[0] - wanted).abs() < CLOSE && (found[0] + found[1] - 1.0).abs() < 1e-12,
                "{found:?}"
            );
        }
    }

    #[test]
    fn probabilities_that_all_pairs_agree_on_are_found() {
        let wanted: [f64; 4] = [0.4, 0.3, 0.2, 0.1];
        let pairs = (0..4).flat_map(|i| (i + 1..4).map(move |j| (i, j)));
        let decisions: Vec<f64> = pairs.map(|(i, j)| (wanted[i] / wanted[j]).ln()).collect();
        let sigmoids = PairSigmoids::new(4, vec![-1.0; 6], vec![0.0; 6]).unwrap();
        let found = probabilities(&sigmoids, &decisions);
        for (found, wanted) in found.iter().zip(wanted) {
            assert!((found - wanted).abs() < CLOSE, "{found} {wanted}");
        }
    }

    #[test]
    fn rows_are_coupled_by_themselves_and_extremes_stay_finite() {
        let sigmoids = PairSigmoids::new(3, vec![-1.0; 3], vec![0.0; 3]).unwrap();
        let rows = arr2(&[[1e6, 1e6, 0.0], [-1e6, 0.0, 1e6]]).into_dyn();
        let found = sigmoids.evaluate(&Tensor::f64s(rows)).unwrap();
        let found = found.as_numbers().unwrap();
        assert!(found[[0, 0]] > 0.99 && found[[1, 1]] > 0.99, "{found}");
        assert!(found.sum_axis(Axis(1)).iter().all(|sum| (sum - 1.0).abs() < 1e-9), "{found}");
    }

    #[test]
    fn numbers_that_fit_no_pairs_are_refused() {
        let error = PairSigmoids::new(3, vec![-1.0; 3], vec![0.0; 2]).unwrap_err().to_string();
        assert_eq!(error, "3 classes have 3 pairs, but there are 3 slopes and 2 shifts of sigmoids");
        assert!(PairSigmoids::new(1, Vec::new(), Vec::new()).is_err());
        let sigmoids = PairSigmoids::new(2, vec![-2.0], vec![0.5]).unwrap();
        let error = sigmoids.evaluate(&Tensor::f64s(arr2(&[[1.0, 2.0]]).into_dyn())).unwrap_err().to_string();
        assert_eq!(error, "expected decisions of 1 pairs of classes, found 2");
    }
}
