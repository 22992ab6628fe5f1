//! The layers of lookups that find the votes of the nearest points.
//!
//! ```text
//! distances  one rotation a point: is it within each threshold?          -> a half with either sign
//! groups     how many points of a group are within a threshold           -> as many, up to a few more than k
//! totals     are k points within a threshold?                            -> an eighth with either sign
//! votes      is this the first such threshold? then the votes within it  -> results, summed over thresholds
//! ```
//!
//! The first threshold is told by the difference of two neighbouring totals: a quarter turn, or nothing. The votes lie
//! within the quarter that follows, so one table serves to select and to read. Differences of opposite sign give
//! opposite votes: where noise makes totals waver, their sum over all thresholds is still the votes of one.

use super::counts::{Counts, GUARD};
use super::groups::Group;
use super::rows::Rows;
use super::torus;
use crate::circuit::{Layer, LayerParts, Lookup, Sum, Table};
use crate::compile::parameters::Chosen;

/// The torus value of a total.
const EIGHTH: u64 = 1 << 61;

/// The places of the layers.
pub const DISTANCES: usize = 0;
pub const GROUPS: usize = 1;
pub const TOTALS: usize = 2;
pub const VOTES: usize = 3;

/// The lookups of each layer.
pub fn lookups(points: usize, groups: usize, thresholds: usize, results: usize) -> [usize; 4] {
    [points, groups * thresholds, thresholds - 1, results * thresholds]
}

/// All layers of a circuit with these parameters.
pub fn layers(
    rows: &Rows,
    groups: &[Group],
    counts: &Counts,
    offsets: &[u64],
    chosen: &Chosen,
) -> LayerParts {
    let (points, inputs) = (groups.iter().map(|group| group.points.len()).sum::<usize>(), rows.inputs());
    let thresholds = offsets.len();
    let wires = Wires { distances: inputs, thresholds, groups: inputs + points * thresholds };
    let totals = wires.groups + groups.len() * thresholds;
    let votes = totals + thresholds - 1;
    let results = counts.steps.len();
    let distance = |point| Lookup { sum: rows.sum(point), table: 0, offsets: offsets.to_vec() };
    let lookup = |sum, table| Lookup::new(sum, table);
    let group = |group: &Group, threshold| {
        let weights = group.points.iter().map(|point| (wires.distance(*point, threshold), 1)).collect();
        // Every point gives half of what it counts for, with either sign; a count lies in the middle of its step.
        let constant = torus((group.points.len() as f64 / 2.0 + 0.5) * counts.point);
        lookup(Sum { weights: sorted(weights), constant }, 1)
    };
    let total = |threshold| {
        let own = (0..groups.len()).map(|group| (wires.group(group, threshold), counts.total_weight));
        let constant = torus((0.5 - counts.neighbors as f64) * counts.unit());
        lookup(Sum { weights: own.collect(), constant }, 2)
    };
    let vote = |threshold: usize, result: usize| {
        // Before the first threshold there are too few points, within the last one there are enough.
        let (mut weights, mut constant) = (Vec::new(), torus(GUARD + counts.vote() / 2.0));
        for (group, values) in counts.values.iter().enumerate() {
            let weight = values[result] * counts.vote_weight; // every group has all values
            if weight != 0 {
                weights.push((wires.group(group, threshold), weight));
            }
        }
        match threshold.checked_sub(1) {
            Some(before) => weights.push(((totals + before) as u32, -1)),
            None => constant = constant.wrapping_add(EIGHTH),
        }
        match threshold + 1 == thresholds {
            true => constant = constant.wrapping_add(EIGHTH),
            false => weights.push(((totals + threshold) as u32, 1)),
        }
        lookup(Sum { weights: sorted(weights), constant }, 3)
    };
    let every =
        |count: usize| (0..count).flat_map(move |one| (0..thresholds).map(move |threshold| (one, threshold)));
    let layer = |place: usize, name: &str, lookups| Layer {
        name: name.to_owned(),
        set: chosen.place(place),
        half: false,
        lookups,
    };
    let output = |result: usize| {
        let own = (0..thresholds).map(|threshold| ((votes + result * thresholds + threshold) as u32, 1));
        Sum { weights: own.collect(), constant: 0 }
    };
    LayerParts {
        inputs,
        tables: tables(counts, chosen),
        layers: vec![
            layer(DISTANCES, "distances", (0..points).map(distance).collect()),
            // Places of `every` are those of groups.
            layer(
                GROUPS,
                "groups",
                every(groups.len()).map(|(place, threshold)| group(&groups[place], threshold)).collect(),
            ),
            layer(TOTALS, "totals", (0..thresholds - 1).map(total).collect()),
            layer(
                VOTES,
                "votes",
                every(results).map(|(result, threshold)| vote(threshold, result)).collect(),
            ),
        ],
        outputs: (0..results).map(output).collect(),
    }
}

/// Where wires begin.
struct Wires {
    distances: usize,
    thresholds: usize,
    groups: usize,
}

impl Wires {
    fn distance(&self, point: usize, threshold: usize) -> u32 {
        (self.distances + point * self.thresholds + threshold) as u32
    }

    fn group(&self, group: usize, threshold: usize) -> u32 {
        (self.groups + group * self.thresholds + threshold) as u32
    }
}

fn sorted(mut weights: Vec<(u32, i32)>) -> Vec<(u32, i32)> {
    weights.sort_by_key(|(wire, _)| *wire);
    weights
}

/// What distances, groups, totals and votes are looked up in.
fn tables(counts: &Counts, chosen: &Chosen) -> Vec<Table> {
    let table = |layer: usize, value: &dyn Fn(f64) -> f64| {
        let steps = chosen.of(layer).polynomial_size();
        let values = (0..steps).map(|step| torus(value((step as f64 + 0.5) / (2 * steps) as f64)));
        Table { values: values.collect() }
    };
    let bits = f64::from(counts.result_bits());
    let counted = |x: f64| (x / counts.point).floor().min(counts.most as f64) * counts.counted;
    let votes = |x: f64| match x {
        _ if !(0.25..=0.5 - GUARD / 2.0).contains(&x) => 0.0,
        _ => ((x - 0.25 - GUARD) / counts.vote()).floor().clamp(0.0, counts.votes as f64) * (-bits).exp2(),
    };
    vec![
        Table { values: vec![torus(counts.point / 2.0)] },
        table(GROUPS, &counted),
        Table { values: vec![EIGHTH] },
        table(VOTES, &votes),
    ]
}
