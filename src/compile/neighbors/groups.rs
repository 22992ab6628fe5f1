//! Points in groups of like values, each of which is counted by itself.

use ndarray::Array2;

/// The most points of a group whose values are equal.
const EQUAL: usize = 48;
/// The most points of a group whose values differ; it counts with their mean.
const MIXED: usize = 24;
/// A group of points whose values differ has no more than this part of all points.
const PART: usize = 8;

/// Points that are counted together.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// The points.
    pub points: Vec<usize>,
    /// The mean of their values.
    pub values: Vec<f64>,
}

/// Groups of points with a row of values each.
pub fn groups(values: &Array2<f64>) -> Vec<Group> {
    let mut sets = Vec::new();
    let mixed = values.nrows().div_ceil(PART).min(MIXED);
    part((0..values.nrows()).collect(), values, mixed, &mut sets);
    let group = |points: Vec<usize>| {
        let mean = |column: usize| {
            points.iter().map(|point| values[[*point, column]]).sum::<f64>() / points.len() as f64
        };
        Group { values: (0..values.ncols()).map(mean).collect(), points }
    };
    sets.into_iter().map(group).collect()
}

/// Parts points along the value that differs most, until they are `mixed` or fewer, or equal and not too many.
fn part(mut points: Vec<usize>, values: &Array2<f64>, mixed: usize, sets: &mut Vec<Vec<usize>>) {
    let range = |column: usize| {
        let own = || points.iter().map(|point| values[[*point, column]]);
        (own().fold(f64::INFINITY, f64::min), own().fold(f64::NEG_INFINITY, f64::max))
    };
    let widths = (0..values.ncols()).map(|column| (column, range(column)));
    let widest = widths.max_by(|(_, a), (_, b)| (a.1 - a.0).total_cmp(&(b.1 - b.0)));
    let Some((column, (low, high))) = widest.filter(|(_, range)| range.1 > range.0) else {
        let size = points.len().div_ceil(points.len().div_ceil(EQUAL).max(1)).max(1);
        sets.extend(points.chunks(size).map(<[usize]>::to_vec));
        return;
    };
    let only_two = points.iter().all(|point| [low, high].contains(&values[[*point, column]]));
    if points.len() <= mixed && !only_two {
        return sets.push(points);
    }
    points.sort_by(|a, b| values[[*a, column]].total_cmp(&values[[*b, column]]));
    // What is equal stays together, where that can be.
    let middle = points.len() / 2;
    let value = |place: usize| values[[points[place], column]];
    let cuts = (1..points.len()).filter(|place| value(place - 1) < value(*place));
    let cut = cuts.min_by_key(|place| place.abs_diff(middle)).unwrap_or(middle);
    let rest = points.split_off(cut);
    part(points, values, mixed, sets);
    part(rest, values, mixed, sets);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_groups() {
        let class = |point: usize| point % 3;
        let values =
            Array2::from_shape_fn((112, 3), |(point, column)| f64::from(u8::from(class(point) == column)));
        let groups = groups(&values);
        assert_eq!(groups.len(), 3);
        for group in &groups {
            assert!(group.points.iter().all(|point| group.values[class(*point)] == 1.0), "{group:?}");
        }
    }

    #[test]
    fn numbers_are_parted_by_size() {
        let values = Array2::from_shape_fn((300, 1), |(point, _)| (point * 7 % 300) as f64);
        let groups = groups(&values);
        assert!(groups.iter().all(|group| (8..=MIXED).contains(&group.points.len())));
        let mut points: Vec<usize> = groups.iter().flat_map(|group| group.points.clone()).collect();
        points.sort_unstable();
        assert_eq!(points, (0..300).collect::<Vec<_>>());
        for group in groups {
            let off = group.points.iter().map(|point| (values[[*point, 0]] - group.values[0]).abs());
            assert!(off.fold(0.0, f64::max) < 24.0);
        }
    }
}
