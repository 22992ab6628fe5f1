//! What a server does for one row of decision diagrams, counted, and in units of one transform.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::circuit::{Diagrams, Item, Linear, PackedBits, Schedule, Selector, Step, Transport};
use crate::crypto::ExpansionParameters;

/// What reading an expanded bit costs, in transforms, and each multiple of it that is added up.
const READ: f64 = 0.6;
const MULTIPLE: f64 = 0.5;

/// What threads do not share, in transforms: the first steps of an expansion, and waking each other.
const UNSHARED: f64 = 450.0;

/// What a byte of memory costs that a process writes for the first time, in transforms.
const FIRST_TOUCH: f64 = 8e-5;

/// What goes with transforms and is not counted, as a factor: waiting for memory above all.
const UNCOUNTED: f64 = 1.45;

/// What a product and a multiple of a bit take in memory, all lists counted.
const STEP_BYTES: usize = 100;
const READ_BYTES: usize = 70;

/// The work for one row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Work {
    /// Items that are expanded, or sent.
    pub items: usize,
    /// Automorphisms of the expansion.
    pub automorphisms: usize,
    /// Selectors that multiply.
    pub factors: usize,
    /// Levels of selectors that are switched to multiply.
    pub scheme_switches: usize,
    /// External products.
    pub products: usize,
    /// Selectors that are read.
    pub read_selectors: usize,
    /// How often they are read.
    pub reads: usize,
    /// The multiples of them that are added up.
    pub multiples: usize,
    /// All of it, in transforms of a polynomial.
    pub transforms: f64,
    /// The bytes of memory that selectors take.
    pub selector_bytes: usize,
}

/// What diagrams need of any encoding.
#[derive(Clone, Debug)]
pub struct Demand {
    /// Selectors that multiply.
    factors: usize,
    /// External products.
    products: usize,
    /// Selectors that are read.
    read_selectors: usize,
    /// How often they are read, and the multiples of them that are added up.
    reads: usize,
    multiples: usize,
    /// The bits of selectors that multiply, and of those that are read.
    factor_bits: BTreeSet<u32>,
    read_bits: BTreeSet<u32>,
    /// The bits that are added up for selectors.
    summed_bits: BTreeSet<u32>,
}

impl Demand {
    /// Counts what diagrams with this schedule need.
    pub fn new(diagrams: &Diagrams, schedule: &Schedule) -> Self {
        // Schedules name selectors of their diagrams.
        let selector = |place: &u32| &diagrams.parts().selectors[*place as usize];
        let bits = |places: &[u32]| -> BTreeSet<u32> {
            places.iter().map(selector).flat_map(Selector::bits).collect()
        };
        let selectors = schedule.factors.iter().chain(&schedule.reads).map(selector);
        let summed = selectors.filter(|selector| selector.single().is_none());
        let reads: Vec<usize> = reads(schedule).collect();
        Self {
            factors: schedule.factors.len(),
            products: schedule.steps().map(Step::products).sum(),
            read_selectors: schedule.reads.len(),
            reads: reads.len(),
            multiples: reads.iter().sum(),
            factor_bits: bits(&schedule.factors),
            read_bits: bits(&schedule.reads),
            summed_bits: summed.flat_map(Selector::bits).collect(),
        }
    }

    /// The bytes of memory that the steps of the trees take, and the expanded bits that wait to be added up; roughly.
    pub fn memory(&self, encoding: &PackedBits) -> usize {
        let levels = encoding.gadget().levels();
        let items = |bit: &u32| if self.factor_bits.contains(bit) { levels } else { 1 };
        let waiting: usize = self.summed_bits.iter().map(items).sum();
        let ciphertext = 2 * encoding.parameters().polynomial_size() * 8;
        STEP_BYTES * self.products + READ_BYTES * self.multiples + waiting * ciphertext
    }

    /// The items of one row that are needed of each ciphertext, in rising order: all of a bit that multiplies,
    /// one of a bit that is only read, unless that is read in place.
    fn items(&self, encoding: &PackedBits) -> BTreeMap<usize, Vec<usize>> {
        let unread = BTreeSet::new();
        let reads = if encoding.reads_in_place() { &unread } else { &self.read_bits };
        let mut needed: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for bit in self.factor_bits.union(reads) {
            let items: Vec<Item> = match self.factor_bits.contains(bit) {
                true => encoding.items(0, *bit as usize).collect(),
                false => encoding.read_item(*bit as usize).into_iter().collect(),
            };
            for item in items {
                needed.entry(item.ciphertext).or_default().push(item.item);
            }
        }
        needed
    }
}

impl Work {
    /// The work of an encoding.
    pub fn new(demand: &Demand, encoding: &PackedBits) -> Self {
        let levels = encoding.gadget().levels();
        let items = demand.items(encoding);
        let mut work = Self {
            items: items.values().map(Vec::len).sum(),
            factors: demand.factors,
            products: demand.products,
            read_selectors: demand.read_selectors,
            reads: demand.reads,
            multiples: demand.multiples,
            ..Self::default()
        };
        // The difference of the lowest nodes is public or read: nothing is transformed back for about half.
        work.transforms = work.products as f64 * 1.1 * (2 * levels + 1) as f64
            + work.reads as f64 * READ
            + work.multiples as f64 * MULTIPLE;
        if let Transport::Packed(expansion) = &encoding.parts().transport {
            work.scheme_switches = work.factors * levels;
            work.transforms += work.scheme_switches as f64 * (expansion.square().levels() + 8) as f64;
            for items in items.values() {
                work.expand(expansion, items);
            }
        }
        work.selector_bytes = work.memory(encoding);
        work
    }

    /// The seconds that the work for a row takes, if one transform takes so many on one of some threads.
    pub fn seconds(&self, of_a_transform: f64, threads: usize) -> f64 {
        let memory = FIRST_TOUCH * self.selector_bytes as f64;
        of_a_transform * (UNSHARED + memory + UNCOUNTED * self.transforms / threads.max(1) as f64)
    }

    /// The bytes of memory that selectors of one row take.
    pub fn memory(&self, encoding: &PackedBits) -> usize {
        let size = encoding.parameters().polynomial_size();
        let multiplying = 2 * encoding.gadget().levels() * 2 * (size / 2) * 16;
        let reads = if encoding.reads_in_place() { 0 } else { self.read_selectors };
        self.factors * multiplying + reads * 2 * size * 8
    }

    fn expand(&mut self, expansion: &ExpansionParameters, items: &[usize]) {
        for (count, gadget) in expansion.automorphisms(items).into_iter().zip(expansion.steps()) {
            self.automorphisms += count;
            self.transforms += count as f64 * (1.5 * gadget.levels() as f64 + 4.5);
        }
    }
}

/// For each time that a selector is read, the multiples of it that are added up.
fn reads(schedule: &Schedule) -> impl Iterator<Item = usize> {
    let of_formula = |linear: &'_ Linear| {
        let same = linear.terms.chunk_by(|a, b| a.read == b.read);
        same.map(<[_]>::len).collect::<Vec<_>>()
    };
    let of_step = move |step: &'_ Step| {
        let chains = step.chains.iter().filter(|chain| chain.read.is_some());
        let mut reads = of_formula(&step.difference);
        reads.extend(chains.map(|_| step.difference.constant.len()));
        reads
    };
    schedule.steps().flat_map(of_step).chain(of_formula(&schedule.rest))
}
