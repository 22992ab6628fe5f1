//! The lookups of a core in layers, and what calibration rows say of them.

use anyhow::Result;

use crate::compile::calibration::Calibration;
use crate::compile::lower::{Form, LookupForm, Network};

/// No more calibration rows than this are run through the float core.
const MAX_ROWS: usize = 1000;

/// A network whose lookups come in layers: no lookup reads another one of its layer.
pub struct Wires {
    /// The number of inputs: the first wires.
    pub inputs: usize,
    /// Lookups in the order of their wires.
    pub lookups: Vec<LookupForm>,
    /// Lookups of one layer and node, one group after another.
    pub groups: Vec<Group>,
    /// What is decrypted.
    pub outputs: Vec<Form>,
}

/// Lookups of one node in one layer.
#[derive(Clone, Debug)]
pub struct Group {
    /// The node.
    pub name: String,
    /// How many lookups lie before any of the group.
    pub depth: usize,
    /// The places of its lookups.
    pub lookups: std::ops::Range<usize>,
    /// What the forms of its lookups come to on calibration rows.
    pub span: Span,
}

/// All numbers from one to another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    pub low: f64,
    pub high: f64,
}

impl Span {
    /// No numbers.
    pub const EMPTY: Self = Self { low: f64::INFINITY, high: f64::NEG_INFINITY };

    /// These and one more; what is no number does not count.
    pub fn with(self, x: f64) -> Self {
        Self { low: self.low.min(x), high: self.high.max(x) }
    }

    /// These and those of another one, and what lies between.
    pub fn join(self, other: Self) -> Self {
        Self { low: self.low.min(other.low), high: self.high.max(other.high) }
    }

    /// What both have.
    pub fn meet(self, other: Self) -> Self {
        Self { low: self.low.max(other.low), high: self.high.min(other.high) }
    }

    /// These and a part of their width more on either side.
    pub fn widened(self, part: f64) -> Self {
        let more = part * (self.high - self.low);
        Self { low: self.low - more, high: self.high + more }
    }
}

impl Wires {
    /// Sorts lookups into layers, leaves out those that nothing reads, and runs the float core on calibration rows.
    ///
    /// # Errors
    /// If there are no lookups.
    pub fn new(network: Network, calibration: &Calibration) -> Result<Self> {
        let inputs = calibration.centers().len();
        let Network { lookups, forms } = network;
        let used = used(&lookups, &forms, inputs);
        let depths = depths(&lookups, inputs);
        let mut order: Vec<usize> = (0..lookups.len()).filter(|place| used[*place]).collect();
        let first_of_node = |name: &str| lookups.iter().position(|lookup| lookup.node == name);
        let mut nodes = std::collections::HashMap::new();
        for lookup in &lookups {
            nodes.entry(lookup.node.as_str()).or_insert_with(|| first_of_node(&lookup.node));
        }
        order.sort_by_key(|place| (depths[*place], nodes.get(lookups[*place].node.as_str()), *place));
        let mut places = vec![0; lookups.len()];
        for (new, old) in order.iter().enumerate() {
            places[*old] = (inputs + new) as u32;
        }
        let renamed = |form: &Form| {
            let place = |term: u32| places.get((term as usize).wrapping_sub(inputs)).copied().unwrap_or(term);
            let mut weights: Vec<(u32, f64)> =
                form.weights.iter().map(|(term, weight)| (place(*term), *weight)).collect();
            weights.retain(|(_, weight)| *weight != 0.0);
            weights.sort_by_key(|(wire, _)| *wire);
            Form { constant: form.constant, weights }
        };
        let outputs = forms.iter().map(renamed).collect();
        let mut groups: Vec<Group> = Vec::new();
        let mut sorted = Vec::with_capacity(order.len());
        for (new, old) in order.iter().enumerate() {
            // Places of the order are those of lookups.
            let lookup = &lookups[*old];
            match groups.last_mut() {
                Some(group) if group.depth == depths[*old] && group.name == lookup.node => {
                    group.lookups.end = new + 1;
                }
                _ => groups.push(Group {
                    name: lookup.node.clone(),
                    depth: depths[*old],
                    lookups: new..new + 1,
                    span: Span::EMPTY,
                }),
            }
            sorted.push(LookupForm { form: renamed(&lookup.form), ..lookup.clone() });
        }
        let mut wires = Self { inputs, lookups: sorted, groups, outputs };
        wires.calibrate(calibration);
        Ok(wires)
    }

    /// The values of all wires for the centered variables of a row, and the forms that lookups read.
    pub fn values(&self, row: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let mut wires = row.to_vec();
        let mut read = Vec::with_capacity(self.lookups.len());
        for lookup in &self.lookups {
            let x = value(&lookup.form, &wires);
            read.push(x);
            wires.push(lookup.function.at(x));
        }
        (wires, read)
    }

    /// The values of the outputs on calibration rows: the least and the largest of each.
    pub fn output_ranges(&self, calibration: &Calibration) -> Vec<Span> {
        let mut ranges = vec![Span::EMPTY; self.outputs.len()];
        for row in calibration.rows().iter().take(MAX_ROWS) {
            let (wires, _) = self.values(row);
            for (range, form) in ranges.iter_mut().zip(&self.outputs) {
                *range = range.with(value(form, &wires));
            }
        }
        ranges
    }

    /// The lookups of each layer.
    pub fn layers(&self) -> Vec<usize> {
        let mut layers = vec![0; self.groups.last().map_or(0, |group| group.depth + 1)];
        // Groups come in the order of their depth.
        self.groups.iter().for_each(|group| layers[group.depth] += group.lookups.len());
        layers
    }

    fn calibrate(&mut self, calibration: &Calibration) {
        for row in calibration.rows().iter().take(MAX_ROWS) {
            let (_, read) = self.values(row);
            for group in &mut self.groups {
                // Groups are ranges of lookups.
                group.span = read[group.lookups.clone()].iter().copied().fold(group.span, Span::with);
            }
        }
    }
}

/// The value of a form for these wires.
fn value(form: &Form, wires: &[f64]) -> f64 {
    // Forms read wires that come before.
    form.weights.iter().fold(form.constant, |sum, (wire, weight)| sum + weight * wires[*wire as usize])
}

/// Which lookups an output depends on.
fn used(lookups: &[LookupForm], outputs: &[Form], inputs: usize) -> Vec<bool> {
    let mut used = vec![false; lookups.len()];
    let mark = |form: &Form, used: &mut Vec<bool>| {
        for (term, _) in form.weights.iter().filter(|(_, weight)| *weight != 0.0) {
            if let Some(place) = (*term as usize).checked_sub(inputs) {
                used[place] = true; // terms after the inputs are lookups
            }
        }
    };
    outputs.iter().for_each(|form| mark(form, &mut used));
    for place in (0..lookups.len()).rev() {
        if used[place] {
            mark(&lookups[place].form, &mut used);
        }
    }
    used
}

/// How many lookups lie before each on the longest way.
fn depths(lookups: &[LookupForm], inputs: usize) -> Vec<usize> {
    let mut depths: Vec<usize> = Vec::with_capacity(lookups.len());
    for lookup in lookups {
        // Lookups read earlier ones.
        let before = lookup.form.weights.iter().filter_map(|(term, _)| (*term as usize).checked_sub(inputs));
        depths.push(before.map(|place| depths[place] + 1).max().unwrap_or(0));
    }
    depths
}
