//! The distances at which neighbours are counted.

use anyhow::Result;

use super::rows::Rows;
use crate::tensor::Row;

/// The number of thresholds at most.
const MOST: usize = 16;
/// Those beyond the calibrated ones, in the largest of them: for rows that lie farther off.
const BEYOND: [f64; 2] = [1.5, 3.0];
/// The last one, in half the torus: nearly all points lie within.
const LAST: f64 = 0.9;
/// What is closer than this part of half the torus is a point itself.
const SAME: f64 = 1e-9;

/// What calibration rows say of the distance of their neighbours.
pub struct Thresholds {
    /// Squared distances, in rising order.
    pub squares: Vec<f64>,
    /// The median squared distance of the last neighbour.
    pub median: f64,
}

impl Thresholds {
    /// Quantiles of the middle between the last neighbour and the next point; a calibration row that is a point
    /// itself does not count as its own neighbour.
    ///
    /// # Errors
    /// If a row cannot be computed.
    pub fn new(rows: &Rows, calibration: &[Row], count: usize) -> Result<Self> {
        let (mut last, mut between) = (Vec::new(), Vec::new());
        for row in calibration {
            let values = rows.prologue.evaluate(row)?;
            let numbers: Vec<f64> = values
                .iter()
                .map(|value| value.as_numbers())
                .collect::<Result<Vec<_>>>()?
                .into_iter()
                .flatten()
                .copied()
                .collect();
            let Some((length, features)) = numbers.split_last() else { continue };
            let mut distances = rows.distances(features, *length);
            distances.sort_by(f64::total_cmp);
            let own = usize::from(distances.first().is_some_and(|nearest| *nearest < SAME * rows.half));
            let Some(kth) = distances.get(count - 1 + own).or(distances.last()) else { continue };
            let next = distances.get(count + own).copied().unwrap_or(1.2 * kth);
            last.push(*kth);
            between.push(kth / 2.0 + next / 2.0);
        }
        last.sort_by(f64::total_cmp);
        between.sort_by(f64::total_cmp);
        let quantiles = MOST - BEYOND.len() - 1;
        let mut squares: Vec<f64> =
            (0..quantiles).filter_map(|place| quantile(&between, place, quantiles - 1)).collect();
        let largest = squares.last().copied().unwrap_or(0.0);
        squares.extend(BEYOND.iter().map(|factor| largest * factor));
        squares.retain(|square| *square < LAST * rows.half);
        squares.push(LAST * rows.half);
        Ok(Self { squares, median: quantile(&last, 1, 2).unwrap_or(0.0) })
    }

    /// The places of a rotation by which a squared distance passes half of one where it passes a threshold: in falling
    /// order, each once.
    pub fn offsets(&self, half: f64, polynomial_size: usize) -> Vec<u64> {
        let places = polynomial_size as f64;
        let mut offsets: Vec<u64> = self
            .squares
            .iter()
            .map(|square| (places * (1.0 - square / half)).floor().min(places - 1.0) as u64)
            .collect();
        offsets.dedup();
        offsets.into_iter().map(|offset| offset << (63 - polynomial_size.ilog2())).collect()
    }
}

fn quantile(sorted: &[f64], place: usize, last: usize) -> Option<f64> {
    sorted.get(place * sorted.len().saturating_sub(1) / last.max(1)).copied()
}
