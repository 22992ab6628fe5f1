//! How many points of a group are counted at most: the more, the truer are votes, but the closer together they lie on
//! the torus, where noise is the same.

use ndarray::Array2;

use super::counts::Counts;
use super::groups::Group;
use super::thresholds::{Neighborhood, Thresholds};

/// A group counts no more points than k and so many: what lies far off need not be told apart.
const MORE_COUNTED: usize = 2;

/// Counts whose results, on calibration rows, are nearest to those of the k nearest points.
pub fn counts(groups: &[Group], thresholds: &Thresholds, values: &Array2<f64>, neighbors: usize) -> Counts {
    let whole = Counts::new(groups, neighbors, neighbors + MORE_COUNTED);
    let trial = Trial::new(groups, thresholds, values, neighbors);
    let error = trial.error(&whole);
    let others = (1..whole.most).rev().map(|most| Counts::new(groups, neighbors, most));
    let tried = others.map(|counts| (trial.error(&counts), counts));
    tried.fold((error, whole), |best, next| if next.0 < best.0 { next } else { best }).1
}

/// What calibration rows count, and what they should.
struct Trial {
    /// The points of each group within each threshold, for each row.
    within: Vec<Vec<Vec<usize>>>,
    /// The means of values over the nearest points, a row each.
    wanted: Vec<Vec<f64>>,
    /// The range of each value.
    ranges: Vec<f64>,
}

impl Trial {
    fn new(groups: &[Group], thresholds: &Thresholds, values: &Array2<f64>, neighbors: usize) -> Self {
        let mut group_of = vec![0; values.nrows()];
        for (place, group) in groups.iter().enumerate() {
            group.points.iter().for_each(|point| group_of[*point] = place); // groups are of all points
        }
        let counted = |own: &Neighborhood, square: &f64| {
            let mut counted = vec![0; groups.len()];
            own.within(*square).iter().for_each(|point| counted[group_of[*point]] += 1); // a group of those
            counted
        };
        let within =
            |own: &Neighborhood| thresholds.squares.iter().map(|square| counted(own, square)).collect();
        let wanted = thresholds.neighborhoods.iter().map(|own| {
            let nearest = own.nearest(neighbors);
            let mean = |column: usize| {
                // Neighbourhoods are of points, and each has all values.
                nearest.iter().map(|point| values[[*point, column]]).sum::<f64>()
                    / nearest.len().max(1) as f64
            };
            (0..values.ncols()).map(mean).collect()
        });
        let range = |column: ndarray::ArrayView1<'_, f64>| {
            let (low, high) = (f64::INFINITY, f64::NEG_INFINITY);
            let (low, high) = column.iter().fold((low, high), |(low, high), x| (low.min(*x), high.max(*x)));
            high - low
        };
        Self {
            within: thresholds.neighborhoods.iter().map(within).collect(),
            wanted: wanted.collect(),
            ranges: values.columns().into_iter().map(range).collect(),
        }
    }

    /// The mean squared error of results, in their ranges: of what is counted, and of noise.
    fn error(&self, counts: &Counts) -> f64 {
        let counted: Vec<Vec<usize>> = self.within.iter().map(|within| counts.decisive(within)).collect();
        let results = self.ranges.iter().enumerate().filter(|(_, range)| **range > 0.0);
        let error = |(result, range): (usize, &f64)| {
            // All values are wanted.
            let off = counted
                .iter()
                .zip(&self.wanted)
                .map(|(counted, wanted)| counts.mean(counted, result) - wanted[result]);
            let off = off.map(|off| off.powi(2)).sum::<f64>() / counted.len().max(1) as f64;
            (off + counts.deviation(result).powi(2)) / range.powi(2)
        };
        results.map(error).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::neighbors::groups::groups;

    /// 200 points on a line, every row between two of them.
    fn counted(value: impl Fn(usize) -> f64) -> usize {
        let values = Array2::from_shape_fn((200, 1), |(point, _)| value(point));
        let own = |row: usize| {
            let mut points: Vec<usize> = (0..200).collect();
            let distance = |point: &usize| (*point as f64 - row as f64 - 0.3).powi(2);
            points.sort_by(|a, b| distance(a).total_cmp(&distance(b)));
            Neighborhood::new(points.iter().map(distance).collect(), points, 6)
        };
        let neighborhoods = (10..190).map(own).collect();
        let thresholds = Thresholds { squares: vec![9.2, 1e4], median: 8.0, neighborhoods };
        counts(&groups(&values), &thresholds, &values, 6).most
    }

    #[test]
    fn groups_count_as_many_as_neighbours_have_in_common() {
        // Neighbours have like values, so all of them may be of one group.
        assert!(counted(|point| point as f64) >= 6);
        // Neighbours have any values: few of them are of one group.
        assert!(counted(|point| (point * 77 % 200) as f64) <= 3);
    }
}
