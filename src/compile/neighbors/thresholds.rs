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

/// No more calibration rows than this are looked at, evenly spread.
const MAX_ROWS: usize = 400;

/// What calibration rows say of the distance of their neighbours.
pub struct Thresholds {
    /// Squared distances, in rising order.
    pub squares: Vec<f64>,
    /// The median squared distance of the last neighbour.
    pub median: f64,
    /// The points around calibration rows.
    pub neighborhoods: Vec<Neighborhood>,
}

/// The points around a row, the nearest first; a row that is a point itself is not its own neighbour.
pub struct Neighborhood {
    /// Squared distances.
    distances: Vec<f64>,
    /// Points.
    points: Vec<usize>,
    /// The middle between the last neighbour and the next point.
    between: f64,
}

impl Neighborhood {
    /// Points and their squared distances, which rise, of a row with so many neighbours.
    pub fn new(distances: Vec<f64>, points: Vec<usize>, count: usize) -> Self {
        let kth = distances.get(count.saturating_sub(1)).or(distances.last()).copied().unwrap_or(0.0);
        let next = distances.get(count).copied().unwrap_or(1.2 * kth);
        Self { between: kth / 2.0 + next / 2.0, distances, points }
    }

    /// The points within a distance.
    pub fn within(&self, square: f64) -> &[usize] {
        // There are as many points as distances.
        &self.points[..self.distances.partition_point(|distance| *distance < square)]
    }

    /// So many of the nearest points.
    pub fn nearest(&self, count: usize) -> &[usize] {
        self.points.get(..count).unwrap_or(&self.points)
    }
}

impl Thresholds {
    /// Those middles between the last neighbour and the next point of calibration rows for which the fewest points
    /// more than `count` are counted.
    ///
    /// # Errors
    /// If a row cannot be computed.
    pub fn new(rows: &Rows, calibration: &[Row], count: usize) -> Result<Self> {
        let step = calibration.len().div_ceil(MAX_ROWS).max(1);
        let mut neighborhoods = Vec::new();
        for row in calibration.iter().step_by(step) {
            neighborhoods.extend(neighborhood(rows, row, count)?);
        }
        neighborhoods.sort_by(|a, b| a.between.total_cmp(&b.between));
        let mut squares = fewest_counted(&neighborhoods, count, MOST - BEYOND.len() - 1);
        let largest = squares.last().copied().unwrap_or(0.0);
        squares.extend(BEYOND.iter().map(|factor| largest * factor));
        squares.retain(|square| *square < LAST * rows.half);
        squares.push(LAST * rows.half);
        let mut last: Vec<f64> =
            neighborhoods.iter().filter_map(|own| own.distances.get(..count)?.last().copied()).collect();
        last.sort_by(f64::total_cmp);
        let median = last.get(last.len() / 2).copied().unwrap_or(0.0);
        Ok(Self { squares, median, neighborhoods })
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

/// The points around a row, if it has a neighbour.
fn neighborhood(rows: &Rows, row: &Row, count: usize) -> Result<Option<Neighborhood>> {
    let values = rows.prologue.evaluate(row)?;
    let numbers = values.iter().map(|value| value.as_numbers()).collect::<Result<Vec<_>>>()?;
    let numbers: Vec<f64> = numbers.into_iter().flatten().copied().collect();
    let Some((length, features)) = numbers.split_last() else { return Ok(None) };
    let mut sorted: Vec<(f64, usize)> = rows.distances(features, *length).into_iter().zip(0..).collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let own = usize::from(
        sorted.first().is_some_and(|(nearest, _)| *nearest <= SAME * rows.half + rows.rounding()),
    );
    let (distances, points): (Vec<f64>, Vec<usize>) = sorted.into_iter().skip(own).unzip();
    Ok((!points.is_empty()).then(|| Neighborhood::new(distances, points, count)))
}

/// At most `most` of the middles of these rows, which come in rising order, in rising order too. The last one is among
/// them, and every row counts the points within the first that is no less than its own: the sum over rows of the share
/// of these points that are no neighbours is the least. Of equal choices the one of most thresholds is taken: noise moves distances.
fn fewest_counted(rows: &[Neighborhood], count: usize, most: usize) -> Vec<f64> {
    // For each threshold what it loses on the first rows, one row more an element.
    let lost = |square: f64| {
        let share = |row: &Neighborhood| 1.0 - count as f64 / row.within(square).len().max(count) as f64;
        let sums = rows.iter().scan(0.0, |sum, row| {
            *sum += share(row);
            Some(*sum)
        });
        std::iter::once(0.0).chain(sums).collect::<Vec<f64>>()
    };
    let lost: Vec<Vec<f64>> = rows.iter().map(|row| lost(row.between)).collect();
    // What all rows up to one lose if its middle is the last of so many thresholds. Places are those of rows.
    let mut least: Vec<f64> = lost.iter().zip(1..).map(|(lost, rows)| lost[rows]).collect();
    let mut before = Vec::new();
    for _ in 1..most {
        let best = |place: usize| {
            let one =
                |other: usize| (least[other] + lost[place][place + 1] - lost[place][other + 1], Some(other));
            (0..place)
                .map(one)
                .fold((least[place], None), |best, next| if next.0 <= best.0 { next } else { best })
        };
        let (values, choices): (Vec<f64>, Vec<Option<usize>>) = (0..rows.len()).map(best).unzip();
        least = values;
        before.push(choices);
    }
    let Some(mut place) = rows.len().checked_sub(1) else { return Vec::new() };
    let mut chosen = vec![rows[place].between];
    for choices in before.iter().rev() {
        if let Some(other) = choices[place] {
            place = other;
            chosen.push(rows[place].between);
        }
    }
    chosen.reverse();
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fewest_points_more_are_counted() {
        // Two neighbours each, and then a point every so often.
        let row = |first: f64, often: f64| {
            let distances: Vec<f64> = (0..20).map(|place| first + f64::from(place) * often).collect();
            Neighborhood { between: first + 1.5 * often, points: (0..20).collect(), distances }
        };
        let mut rows = vec![row(1.0, 0.5), row(1.1, 0.5), row(4.0, 0.4), row(4.1, 0.4), row(30.0, 2.0)];
        rows.sort_by(|a, b| a.between.total_cmp(&b.between));
        let chosen = |most: usize| fewest_counted(&rows, 2, most);
        assert_eq!(chosen(1), [33.0]);
        for (found, expected) in chosen(3).iter().zip([1.85, 4.7, 33.0]) {
            assert!((found - expected).abs() < 1e-9, "{found} for {expected}");
        }
        assert_eq!(chosen(9).len(), 5);
        assert!(fewest_counted(&[], 2, 3).is_empty());
    }

    #[test]
    fn neighborhoods_are_read_from_the_nearest_on() {
        let own = Neighborhood::new(vec![1.0, 2.0, 5.0], vec![7, 3, 4], 2);
        assert_eq!(
            (own.within(own.between), own.nearest(1), own.nearest(9)),
            (&[7, 3][..], &[7][..], &[7, 3, 4][..])
        );
        assert_eq!(own.between, 3.5);
    }
}
