//! What a client makes of a row, and how squared distances of it become sums on the torus.
//!
//! A row x is moved by the calibrated middle, and drawn towards it if it lies outside the ball around all calibration
//! rows. It is sent together with its squared length: for a point p, |x - p|² = |x|² - 2 p·x + |p|² is a weighted sum
//! of what was sent. No distance is larger than the radius of the ball and the length of the longest point together,
//! so none is ever taken for a small one.

use anyhow::{Context, Result};
use ndarray::{Array1, Array2, ArrayD};

use crate::circuit::{Quantizer, Sum, Term};
use crate::compile::split::Split;
use crate::compile::subgraph;
use crate::model::op::{Binary, Move, Reduction};
use crate::model::{Builder, Model, NodeId, Op};
use crate::tensor::{DType, Row, Tensor};

/// The bits of encrypted inputs, and of what is kept of their ciphertexts.
pub const INPUT_BITS: u32 = 32;
pub const BODY_BITS: u32 = 40;
/// The largest integer weight.
const LARGEST_WEIGHT: f64 = 4095.0;
/// The radius of the ball of rows, in that of the calibration rows.
const RADIUS: f64 = 1.05;
/// Half the torus, in the largest possible squared distance: noise needs room at either end.
const ROOM: f64 = 1.05;

/// Rows and points on the scale of a circuit.
pub struct Rows {
    /// From raw rows to the numbers that are encrypted.
    pub prologue: Model,
    /// The squared distance that is half the torus.
    pub half: f64,
    /// Points less the middle, in integer weights.
    weights: Array2<i32>,
    /// The torus value of 1 in a feature.
    feature: f64,
    /// The largest length of a row.
    radius: f64,
}

impl Rows {
    /// Chooses middle, ball and scales.
    ///
    /// # Errors
    /// If there are no calibration rows.
    pub fn new(model: &Model, split: &Split, points: &Array2<f64>, rows: &[Row]) -> Result<Self> {
        let plain = subgraph::prologue(model, split)?;
        let mut calibration = Array2::zeros((rows.len(), points.ncols()));
        for (index, (row, mut own)) in rows.iter().zip(calibration.rows_mut()).enumerate() {
            let values = plain.evaluate(row).with_context(|| format!("calibration row {}", index + 1))?;
            let values = values.first().context("nothing is encrypted")?.as_numbers()?;
            own.assign(&Array1::from_iter(values.iter().copied()));
        }
        let middle = calibration.mean_axis(ndarray::Axis(0)).context("there are no calibration rows")?;
        let longest = |rows: &Array2<f64>| {
            let squares = (rows - &middle).rows().into_iter().map(|row| row.dot(&row)).fold(0.0, f64::max);
            squares.sqrt()
        };
        // Rows that never change may lie in any ball.
        let radius = Some(RADIUS * longest(&calibration)).filter(|radius| *radius > 0.0).unwrap_or(1.0);
        let half = ROOM * (radius + longest(points)).powi(2);
        let centered = points - &middle;
        let largest = centered.iter().fold(f64::MIN_POSITIVE, |most, value| most.max(value.abs()));
        let feature = largest / half / LARGEST_WEIGHT;
        let weights = centered.mapv(|value| (-value / half / feature).round() as i32);
        let prologue =
            subgraph::prologue_then(model, split, |builder, ids| within(builder, ids, &middle, radius))?;
        Ok(Self { prologue, half, weights, feature, radius })
    }

    /// The number of features.
    pub fn features(&self) -> usize {
        self.weights.ncols()
    }

    /// The number of points.
    pub fn points(&self) -> usize {
        self.weights.nrows()
    }

    /// How the client's numbers become integers: the features, and the squared length.
    ///
    /// # Errors
    /// If a range is empty: never, of finite rows.
    pub fn terms(&self) -> Result<Vec<Term>> {
        let steps = f64::from(INPUT_BITS).exp2();
        let term = |variable: usize| {
            let is_length = variable == self.weights.ncols();
            let (reach, scale) = match is_length {
                true => (self.radius.powi(2), 0.5 / self.half),
                false => (self.radius, self.feature),
            };
            let quantizer = Quantizer::with_scale(-reach, reach, 1.0 / (scale * steps))?;
            Ok(Term { variables: vec![variable as u32], quantizer })
        };
        (0..=self.weights.ncols()).map(term).collect()
    }

    /// The squared distance from a point, which is half the torus at most.
    pub fn sum(&self, point: usize) -> Sum {
        let weights = self.weights.row(point);
        let own = (0..).zip(weights.iter().copied()).filter(|(_, weight)| *weight != 0);
        let length = (self.weights.ncols() as u32, 1);
        Sum {
            weights: own.chain([length]).collect(),
            constant: super::torus(self.length(point) / self.half / 2.0),
        }
    }

    /// The squared distances of a row that the prologue has made, from all points as the weights have them.
    pub fn distances(&self, row: &[f64], length: f64) -> Vec<f64> {
        let distance = |point: usize| {
            let weights = self.weights.row(point);
            let product: f64 = weights.iter().zip(row).map(|(weight, x)| f64::from(*weight) * x).sum();
            // -2 p is a weight times what a weight stands for.
            length + 2.0 * self.half * self.feature * product + self.length(point)
        };
        (0..self.weights.nrows()).map(distance).collect()
    }

    /// The largest squared distance of a point from itself in integer weights.
    pub fn rounding(&self) -> f64 {
        self.weights.ncols() as f64 * (self.half * self.feature / 2.0).powi(2)
    }

    /// The squared length of a point.
    fn length(&self, point: usize) -> f64 {
        let unit = self.half * self.feature;
        self.weights.row(point).iter().map(|weight| (f64::from(*weight) * unit).powi(2)).sum()
    }
}

/// A row less the middle, drawn into the ball, and its squared length.
fn within(builder: &mut Builder, ids: Vec<NodeId>, middle: &Array1<f64>, radius: f64) -> Result<Vec<NodeId>> {
    let id = *ids.first().context("nothing is encrypted")?;
    let scalar = |value: f64| Tensor::f64s(ArrayD::from_elem(vec![1], value));
    let shape = vec![1, middle.len()];
    let name = "within the calibrated ball";
    let x = builder.push(name, Op::Cast(DType::F64), &[id])?;
    let x = builder.push(name, Op::Move(Move::Reshape { shape }), &[x])?;
    let middle = builder.constant("calibrated middle", Tensor::f64s(middle.clone().into_dyn()));
    let x = builder.push(name, Op::Binary(Binary::Sub), &[x, middle])?;
    let reduced = |reduction| Op::Reduce { reduction, axes: vec![1], keep_dims: true };
    let length = builder.push(name, reduced(Reduction::L2), &[x])?;
    let radius = builder.constant("calibrated radius", scalar(radius));
    let ratio = builder.push(name, Op::Binary(Binary::Div), &[radius, length])?;
    let one = builder.constant("1", scalar(1.0));
    let ratio = builder.push(name, Op::Binary(Binary::Min), &[ratio, one])?;
    let x = builder.push(name, Op::Binary(Binary::Mul), &[x, ratio])?;
    let square = builder.push("squared length", reduced(Reduction::SumSquare), &[x])?;
    Ok(vec![x, square])
}
