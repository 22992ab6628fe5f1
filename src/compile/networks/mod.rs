//! Networks: weights on both sides of functions that are looked up.
//!
//! [`cut`] finds the core; the lowering that linear models use makes affine forms and lookups of it; [`wires`] puts
//! the lookups into layers and runs them on calibration rows; [`scales`] makes integers of weights and torus values
//! of everything else. [`parameters`](super::parameters) finds the fastest lookups with as little noise as wanted.

mod cut;
mod precision;
mod ranges;
mod scales;
mod wires;

pub use cut::{is_network, split};
pub use precision::{NodePrecision, Precision, Range};
pub use scales::torus;

use anyhow::{Context, Result, bail};

use super::calibration::Calibration;
use super::errors::Errors;
use super::parameters::{Chosen, Requirement, Tolerance, fastest, largest};
use super::report::GroupReport;
use super::{Attempt, Details, LookupReport, NetworkReport, Settings, lower, subgraph};
use crate::circuit::{
    Circuit, ClientSpec, Code, Encoding, Layer, LayerParts, Layers, Lookup, LookupCircuit, Messages,
    OutputDigit, OutputValue, PackedValues, PackedValuesParts, Quantizer, Table, Term,
};
use crate::model::Model;
use crate::tensor::Row;
use scales::Scales;
use wires::Wires;

/// The bits of encrypted inputs, and of what is kept of their ciphertexts.
const INPUT_BITS: u32 = 24;
const BODY_BITS: u32 = 28;
/// The bits of results.
const RESULT_BITS: u32 = 15;

/// Compiles a network.
///
/// # Errors
/// As [`super::compile`].
pub fn compile(model: &Model, rows: &[Row], settings: &Settings) -> Result<Attempt> {
    let mut precision = settings.precision.clone();
    precision.bits = settings.bits.unwrap_or(precision.bits);
    precision.check()?;
    if settings.parameters.is_some() {
        bail!(
            "the parameters of a network belong to it alone\nhint: compile it without --same-parameters-as, and make \
             keys for it"
        );
    }
    let split = split(model)?;
    let prologue = subgraph::prologue(model, &split)?;
    let epilogue = subgraph::epilogue(model, &split)?;
    let calibration = Calibration::collect(&prologue, rows)?;
    let network = lower::network(model, &split, &prologue, calibration.centers())?;
    let wires = Wires::new(network, &calibration)?;
    if let Some(name) =
        precision.nodes.keys().find(|name| !wires.groups.iter().any(|group| &group.name == *name))
    {
        bail!(
            "no lookup belongs to node '{name}'\nhint: these nodes have lookups: {}",
            wires.groups.iter().map(|group| format!("'{}'", group.name)).collect::<Vec<_>>().join(", ")
        );
    }
    let scales = Scales::new(&wires, &calibration, &precision);
    let sums = Sums::new(&wires, &scales);
    let requirements = sums.requirements(&wires, &precision);
    let chosen = fastest(&requirements, &wires.layers(), settings.max_key_bytes)?;
    let groups = group_reports(&wires, &scales);
    let circuit = circuit(&wires, &scales, sums, &chosen)?;
    let client = ClientSpec {
        encoding: Encoding::Values(circuit.encoding().clone()),
        prologue,
        code: Code::Terms { centers: calibration.centers().to_vec(), terms: terms(&scales, &calibration)? },
        outputs: outputs(&scales),
        epilogue,
    };
    client.check()?;
    let bits = wires.groups.iter().flat_map(|group| {
        let bits = precision.of(&group.name).bits;
        group.lookups.clone().map(move |_| bits)
    });
    let read = circuit.lookup_variances().zip(bits);
    let read_with = (precision.bits, precision.noise);
    let lookups = LookupReport::of(&circuit, read_with, read, settings.log2_lookup_p_error());
    let details = Details::Networks(NetworkReport { precision, groups, lookups });
    let circuit = Circuit::Lookups(circuit);
    let errors = Errors::measure(model, &split, &circuit, &client, rows)?;
    Ok(Attempt { split, circuit, client, errors, details })
}

/// What each group of lookups reads.
fn group_reports(wires: &Wires, scales: &Scales) -> Vec<GroupReport> {
    let report = |(group, reach): (&wires::Group, &scales::Reach)| GroupReport {
        node: group.name.clone(),
        lookups: group.lookups.len(),
        calibrated: [group.span.low, group.span.high],
        range: [reach.middle - reach.half, reach.middle + reach.half],
    };
    wires.groups.iter().zip(&scales.groups).map(report).collect()
}

/// All sums, in integers.
struct Sums {
    lookups: Vec<crate::circuit::Sum>,
    outputs: Vec<crate::circuit::Sum>,
}

impl Sums {
    fn new(wires: &Wires, scales: &Scales) -> Self {
        let mut lookups = Vec::with_capacity(wires.lookups.len());
        for (group, reach) in wires.groups.iter().zip(&scales.groups) {
            // Groups are ranges of lookups. The range begins at 0 and ends at one half.
            let own = wires.lookups[group.lookups.clone()].iter();
            lookups.extend(own.map(|lookup| scales.sum(&lookup.form, reach, 0.25)));
        }
        let outputs = wires.outputs.iter().zip(&scales.outputs);
        Self { lookups, outputs: outputs.map(|(form, reach)| scales.sum(form, reach, 0.0)).collect() }
    }

    /// What each group of lookups, and the outputs, ask of parameters.
    fn requirements(&self, wires: &Wires, precision: &Precision) -> Vec<Requirement> {
        let starts = wires.layers().into_iter().scan(wires.inputs, |next, lookups| {
            let start = *next as u32;
            *next += lookups;
            Some(start)
        });
        let starts: Vec<u32> = starts.collect();
        let norms2 = |sum: &crate::circuit::Sum| sum.norms2(&starts);
        let requirements = |name: &str, sums: &[crate::circuit::Sum], layer: Option<usize>| {
            let Precision { bits, noise, .. } = precision.of(name);
            let tolerance = Tolerance::Deviation { steps: noise };
            let requirement = |norms2| Requirement { name: name.to_owned(), layer, bits, tolerance, norms2 };
            largest(sums.iter().map(norms2)).into_iter().map(requirement).collect::<Vec<_>>()
        };
        let groups = wires.groups.iter().flat_map(|group| {
            // Groups are ranges of lookups.
            requirements(&group.name, &self.lookups[group.lookups.clone()], Some(group.depth))
        });
        groups.chain(requirements("the outputs", &self.outputs, None)).collect()
    }
}

fn circuit(wires: &Wires, scales: &Scales, sums: Sums, chosen: &Chosen) -> Result<LookupCircuit> {
    let mut parts = LayerParts { inputs: wires.inputs, outputs: sums.outputs, ..LayerParts::default() };
    let mut lookups = sums.lookups.into_iter();
    let mut places = std::collections::HashMap::new();
    for (group, reach) in wires.groups.iter().zip(&scales.groups) {
        let steps = chosen.of(group.depth).polynomial_size();
        let mut own = Vec::with_capacity(group.lookups.len());
        for (place, sum) in group.lookups.clone().zip(lookups.by_ref()) {
            // Groups are ranges of lookups.
            let function = &wires.lookups[place].function;
            let scale = scales.wires[wires.inputs + place];
            let value = |step: usize| {
                let position = (step as f64 + 0.5) / steps as f64 - 0.5;
                torus(function.at(reach.middle + 2.0 * reach.half * position) * scale)
            };
            let range = (reach.middle.to_bits(), reach.half.to_bits());
            let key = (format!("{function:?}"), scale.to_bits(), range, steps);
            let tables = &mut parts.tables;
            let table = *places.entry(key).or_insert_with(|| {
                tables.push(Table { values: (0..steps).map(value).collect() });
                tables.len() as u32 - 1
            });
            own.push(Lookup::new(sum, table));
        }
        match parts.layers.len() == group.depth + 1 {
            true => {
                if let Some(layer) = parts.layers.last_mut() {
                    layer.name = format!("{}, {}", layer.name, group.name);
                    layer.lookups.append(&mut own);
                }
            }
            false => parts.layers.push(Layer {
                name: group.name.clone(),
                set: chosen.place(group.depth),
                half: true,
                lookups: own,
            }),
        }
    }
    let messages = |bits| Messages::new(bits).context("widths of integers are not what they should be");
    let encoding = PackedValues::new(PackedValuesParts {
        sets: chosen.sets.clone(),
        features: wires.inputs,
        outputs: wires.outputs.len(),
        inputs: messages(INPUT_BITS)?,
        messages: messages(RESULT_BITS)?,
        body_bits: BODY_BITS,
        output_bits: RESULT_BITS,
    })?;
    LookupCircuit::new(encoding, Layers::new(parts)?)
}

/// How the client's variables become integers.
fn terms(scales: &Scales, calibration: &Calibration) -> Result<Vec<Term>> {
    let term = |(variable, scale): (usize, &f64)| {
        let variables = vec![variable as u32];
        let range = calibration.range_of(&variables);
        let step = 1.0 / (scale * f64::from(INPUT_BITS).exp2());
        // The term is of a centered variable: so is its range.
        let reach = range.high.abs().max(range.low.abs());
        let quantizer = Quantizer::with_scale(-reach, reach, step)?;
        Ok(Term { variables, quantizer })
    };
    scales.wires.iter().take(calibration.centers().len()).enumerate().map(term).collect()
}

/// What decrypted integers stand for.
fn outputs(scales: &Scales) -> Vec<OutputValue> {
    let output = |(source, reach): (usize, &scales::Reach)| OutputValue {
        sums: vec![vec![OutputDigit { source, multiple: 1.0 }]],
        zero: 0.0,
        scale: 4.0 * reach.half / f64::from(RESULT_BITS).exp2(),
        offset: reach.middle,
    };
    scales.outputs.iter().enumerate().map(output).collect()
}
