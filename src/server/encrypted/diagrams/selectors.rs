//! Which selectors multiply and which are read, and which bits they need.

use std::collections::{BTreeMap, BTreeSet};

use crate::circuit::{Diagrams, Item, PackedBits, Schedule, Selector, Transport};
use crate::crypto::{Block, Ggsw, Pool, RingCiphertext, RingWorkspace};

/// The selectors of a schedule, with memory for their ciphertexts.
pub struct Selectors {
    encoding: PackedBits,
    /// For each selector that multiplies, in order, what it adds up.
    factors: Vec<Selector>,
    /// The same for those that are read.
    reads: Vec<Selector>,
    bits: BTreeMap<u32, Uses>,
    /// The ciphertexts that multiply which a row needs at most, and memory for those of rows.
    rooms: usize,
    blocks: Pool<Block>,
    workspaces: Pool<RingWorkspace>,
}

/// What a bit is needed for.
#[derive(Clone, Debug, Default)]
pub struct Uses {
    /// The factor that is this bit and nothing else.
    pub factor: Option<usize>,
    /// The read that is this bit and nothing else.
    pub read: Option<usize>,
    /// Whether it is added to others for a factor.
    pub in_factors: bool,
    /// Whether it is added to others for a read.
    pub in_reads: bool,
}

/// A ciphertext that multiplies, in a row's block of memory.
pub type Factor<'a> = Ggsw<&'a mut [f64]>;

/// What is free of a row's block of memory.
pub type Rooms<'a> = Pool<Factor<'a>>;

/// The ciphertexts of a row's selectors.
pub struct Values<'a> {
    /// Those that multiply, in the order of the schedule's factors.
    pub factors: Vec<Factor<'a>>,
    /// Those that are read, in the order of the schedule's reads.
    pub reads: Vec<Read>,
    /// The row's packed ciphertexts, where reads are in place.
    pub packed: Vec<RingCiphertext>,
}

/// A selector that is read.
pub enum Read {
    /// A constant polynomial.
    Expanded(RingCiphertext),
    /// The first coefficient of a sum of packed ciphertexts, each turned; the others hold anything.
    InPlace(Vec<Turned>),
}

/// A packed ciphertext times a power of X, added or taken away.
#[derive(Clone, Copy, Debug)]
pub struct Turned {
    /// Which of the row's.
    pub ciphertext: usize,
    /// The exponent.
    pub power: usize,
    /// Whether it is taken away.
    pub negative: bool,
}

/// The same while some are missing.
pub struct Making<'a> {
    factors: Vec<Option<Factor<'a>>>,
    reads: Vec<Option<Read>>,
    packed: Vec<RingCiphertext>,
}

impl Selectors {
    /// The selectors that a schedule of these diagrams names.
    pub fn new(encoding: &PackedBits, diagrams: &Diagrams, schedule: &Schedule) -> Self {
        let all = &diagrams.parts().selectors;
        // A schedule names selectors of its diagrams.
        let pick = |places: &[u32]| places.iter().map(|place| all[*place as usize].clone()).collect();
        let (factors, reads): (Vec<Selector>, Vec<Selector>) =
            (pick(&schedule.factors), pick(&schedule.reads));
        let mut bits: BTreeMap<u32, Uses> = BTreeMap::new();
        for (at, selector) in factors.iter().enumerate() {
            match selector.single() {
                Some(bit) => bits.entry(bit).or_default().factor = Some(at),
                None => selector.bits().for_each(|bit| bits.entry(bit).or_default().in_factors = true),
            }
        }
        for (at, selector) in reads.iter().enumerate() {
            match selector.single() {
                _ if encoding.reads_in_place() => {}
                Some(bit) => bits.entry(bit).or_default().read = Some(at),
                None => selector.bits().for_each(|bit| bits.entry(bit).or_default().in_reads = true),
            }
        }
        let composed = factors.iter().filter(|selector| selector.single().is_none()).count();
        let rooms = match &encoding.parts().transport {
            Transport::Packed(_) => factors.len(),
            // Every bit comes as such a ciphertext.
            Transport::Sent(_) => bits.len() + composed,
        };
        Self {
            encoding: encoding.clone(),
            factors,
            reads,
            bits,
            rooms,
            blocks: Pool::default(),
            workspaces: Pool::default(),
        }
    }

    /// The encoding of the bits.
    pub fn encoding(&self) -> &PackedBits {
        &self.encoding
    }

    /// The bits that are needed, and what for.
    pub fn bits(&self) -> &BTreeMap<u32, Uses> {
        &self.bits
    }

    /// Selectors that multiply and are sums of several bits, with their places.
    pub fn composed_factors(&self) -> impl Iterator<Item = (usize, &Selector)> {
        self.factors.iter().enumerate().filter(|(_, selector)| selector.single().is_none())
    }

    /// Selectors that are read of expanded bits and are sums of several, with their places.
    pub fn composed_reads(&self) -> impl Iterator<Item = (usize, &Selector)> {
        let expanded = !self.encoding.reads_in_place();
        self.reads.iter().enumerate().filter(move |(_, selector)| expanded && selector.single().is_none())
    }

    /// The items of a row that are needed: every level of a bit that multiplies, one of a bit that is only
    /// read. By ciphertext, in rising order, as numbers within the row's part.
    pub fn items(&self) -> BTreeMap<usize, BTreeSet<usize>> {
        let mut items: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
        for (bit, uses) in &self.bits {
            let needed: Vec<Item> = match uses.multiplies() {
                true => self.encoding.items(0, *bit as usize).collect(),
                false => self.encoding.read_item(*bit as usize).into_iter().collect(),
            };
            for item in needed {
                items.entry(item.ciphertext).or_default().insert(item.item);
            }
        }
        items
    }

    /// What is to be added up so that the first coefficient holds a selector of the first row.
    fn turned(&self, selector: &Selector) -> Vec<Turned> {
        let turned = |bit: &u32, negative| {
            let (item, expansion) = self.encoding.read_item(*bit as usize).zip(self.encoding.expansion())?;
            let power = 2 * expansion.ring().polynomial_size() - expansion.coefficient(item.item);
            Some(Turned { ciphertext: item.ciphertext, power, negative })
        };
        let plus = selector.plus.iter().filter_map(|bit| turned(bit, false));
        plus.chain(selector.minus.iter().filter_map(|bit| turned(bit, true))).collect()
    }

    /// Values that are all missing.
    pub fn making<'a>(&self) -> Making<'a> {
        let mut making = Making { factors: Vec::new(), reads: Vec::new(), packed: Vec::new() };
        making.factors.resize_with(self.factors.len(), || None);
        making.reads.resize_with(self.reads.len(), || None);
        making
    }

    /// Works in memory for the ciphertexts of a row that multiply; what it holds is to be overwritten.
    pub fn lend<R>(&self, work: impl FnOnce(&Rooms<'_>) -> R) -> R {
        let (parameters, gadget) = (self.encoding.parameters(), self.encoding.gadget());
        let new = || Block::zeros(self.rooms * Ggsw::values(parameters, gadget));
        self.blocks.lend(new, |block| work(&Ggsw::rooms(parameters, gadget, block).collect()))
    }

    /// Workspaces of the ring.
    pub fn workspaces(&self) -> &Pool<RingWorkspace> {
        &self.workspaces
    }

    /// The bytes of a row's ciphertexts.
    pub fn row_bytes(&self) -> usize {
        let polynomial = self.encoding.parameters().polynomial_size() * 8;
        let reads = if self.encoding.reads_in_place() { 0 } else { self.reads.len() };
        (self.rooms * 4 * self.encoding.gadget().levels() + reads * 2) * polynomial
    }
}

impl<'a> Making<'a> {
    /// Sets the factor at a place of the schedule's.
    pub fn set_factor(&mut self, place: usize, factor: Factor<'a>) {
        // Places come from the selectors that these values are of.
        self.factors[place] = Some(factor);
    }

    /// Sets the read at a place of the schedule's.
    pub fn set_read(&mut self, place: usize, read: RingCiphertext) {
        // As above.
        self.reads[place] = Some(Read::Expanded(read));
    }

    /// Sets every read to what is read in place of the row's packed ciphertexts.
    pub fn read_in_place(&mut self, selectors: &Selectors, packed: Vec<RingCiphertext>) {
        let read = |selector| Some(Read::InPlace(selectors.turned(selector)));
        self.reads = selectors.reads.iter().map(read).collect();
        self.packed = packed;
    }

    /// The values, if none is missing.
    pub fn finish(self) -> Option<Values<'a>> {
        let factors = self.factors.into_iter().collect::<Option<_>>()?;
        Some(Values { factors, reads: self.reads.into_iter().collect::<Option<_>>()?, packed: self.packed })
    }
}

impl Uses {
    /// Whether the bit is multiplied with.
    pub fn multiplies(&self) -> bool {
        self.factor.is_some() || self.in_factors
    }
}
