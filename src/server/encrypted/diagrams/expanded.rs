//! Bits that come packed: expanded into items, then into ciphertexts that multiply.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use rayon::prelude::*;

use super::found;
use super::selectors::{Factor, Rooms, Selectors, Uses, Values};
use crate::circuit::{InputBlock, PackedBits, Selector};
use crate::crypto::{Expander, ExpansionKey, RingCiphertext, RingWorkspace};

/// Expansion stops for a moment at parts of so many items at most, as a power of two, to turn one part after another into
/// what is needed: fewer ciphertexts are in memory at once. A part holds all levels of its bits.
const MOST_LOG2_PART: usize = 6;
/// There are so many parts, if they are large enough: threads share them.
const PARTS: usize = 8;

/// An expander and what is needed of its items.
pub struct Expanded {
    encoding: PackedBits,
    expander: Expander,
    /// The steps of the expansion that a part takes.
    part_steps: usize,
    /// For each ciphertext of a row, its parts that are needed, in rising order.
    parts: Vec<Parts>,
    /// For each needed bit the ciphertext and the number of the first of its needed items.
    first_items: BTreeMap<(usize, usize), u32>,
}

/// Of all ciphertexts with their needed items, the parts of 2^`part_bits` that hold any.
fn parts(items: &BTreeMap<usize, BTreeSet<usize>>, part_bits: usize) -> usize {
    let parts =
        |items: &BTreeSet<usize>| items.iter().map(|item| item >> part_bits).collect::<BTreeSet<_>>().len();
    items.values().map(parts).sum()
}

/// The needed parts of one ciphertext.
struct Parts {
    ciphertext: usize,
    /// Numbers of parts.
    numbers: Vec<usize>,
    /// The needed items of each part, in rising order.
    items: Vec<Vec<usize>>,
}

/// What a part of a row gave.
struct Made<'a> {
    factors: Vec<(usize, Factor<'a>)>,
    reads: Vec<(usize, RingCiphertext)>,
    /// Items of bits that are to be added to others, the coarsest level first.
    kept: Vec<(u32, Vec<RingCiphertext>)>,
}

impl Expanded {
    /// Expands by this key what these selectors need.
    pub fn new(encoding: &PackedBits, key: &ExpansionKey, selectors: &Selectors) -> Self {
        let steps = key.parameters().steps().len();
        let items = selectors.items();
        let least = encoding.gadget().levels().next_power_of_two().ilog2() as usize;
        let part_bits = (least..=MOST_LOG2_PART).rev().find(|bits| parts(&items, *bits) >= PARTS);
        let part_bits = part_bits.unwrap_or(least).min(steps - encoding.row_steps());
        let parts = items.into_iter().map(|(ciphertext, items)| {
            let items: Vec<usize> = items.into_iter().collect();
            let chunks: Vec<&[usize]> = items.chunk_by(|a, b| a >> part_bits == b >> part_bits).collect();
            // A chunk is not empty.
            let numbers = chunks.iter().map(|chunk| chunk[0] >> part_bits).collect();
            let within = |item: &usize| item & ((1 << part_bits) - 1);
            let items = chunks.iter().map(|chunk| chunk.iter().map(within).collect()).collect();
            Parts { ciphertext, numbers, items }
        });
        let first = |(bit, uses): (&u32, &Uses)| {
            let first = match uses.multiplies() {
                true => encoding.items(0, *bit as usize).next(),
                false => encoding.read_item(*bit as usize),
            };
            first.map(|first| ((first.ciphertext, first.item), *bit))
        };
        Self {
            encoding: encoding.clone(),
            expander: key.expand(),
            part_steps: part_bits,
            parts: parts.collect(),
            first_items: selectors.bits().iter().filter_map(first).collect(),
        }
    }

    /// The ciphertexts of each row of a block, with its items in their first coefficients.
    ///
    /// # Errors
    /// If the expander refuses the ciphertexts.
    pub fn rows(&self, block: &InputBlock) -> Result<Vec<Vec<RingCiphertext>>> {
        let (ring, bits) = (self.encoding.parameters(), self.encoding.body_bits());
        let packed: Vec<RingCiphertext> =
            block.ciphertexts.par_iter().map(|one| RingCiphertext::from_seeded(ring, one, bits)).collect();
        match self.encoding.row_steps() {
            0 => Ok(vec![packed]),
            steps => {
                let packed = packed.into_iter().next().context("a block without ciphertexts")?;
                let rows: Vec<usize> = (0..block.rows).collect();
                let rows = self.expander.expand(packed, 0..steps, &rows)?;
                Ok(rows.into_iter().map(|row| vec![row]).collect())
            }
        }
    }

    /// The ciphertexts of a row's selectors.
    ///
    /// # Errors
    /// If the expander refuses the ciphertexts.
    pub fn values<'a>(
        &self,
        row: Vec<RingCiphertext>,
        selectors: &Selectors,
        rooms: &Rooms<'a>,
    ) -> Result<Values<'a>> {
        let all = self.expander.parameters().steps().len();
        let first = self.encoding.row_steps();
        let middle = all - self.part_steps;
        let mut work = Vec::new();
        for parts in &self.parts {
            let packed = found(row.get(parts.ciphertext).cloned())?;
            let expanded = self.expander.expand(packed, first..middle, &parts.numbers)?;
            let numbers = parts.numbers.iter().zip(&parts.items);
            work.extend(
                expanded
                    .into_iter()
                    .zip(numbers)
                    .map(|(part, (number, items))| (part, parts.ciphertext, number << (all - middle), items)),
            );
        }
        let made = work.into_par_iter().map(|(part, ciphertext, start, items)| {
            let expanded = self.expander.expand(part, middle..all, items)?;
            let items = items.iter().map(|item| (ciphertext, start + item)).zip(expanded);
            self.make(items.collect(), selectors, rooms)
        });
        let made = made.collect::<Result<_>>()?;
        self.gather(made, row, selectors, rooms)
    }

    /// Makes of some items what their bits are needed for.
    fn make<'a>(
        &self,
        items: Vec<((usize, usize), RingCiphertext)>,
        selectors: &Selectors,
        rooms: &Rooms<'a>,
    ) -> Result<Made<'a>> {
        let mut made = Made { factors: Vec::new(), reads: Vec::new(), kept: Vec::new() };
        let mut items = items.into_iter().peekable();
        while let Some((place, item)) = items.next() {
            let bit = *found(self.first_items.get(&place))?;
            let mut levels = vec![item];
            while let Some((_, level)) = items.next_if(|(place, _)| !self.first_items.contains_key(place)) {
                levels.push(level);
            }
            let uses = found(selectors.bits().get(&bit))?;
            if let Some(factor) = uses.factor {
                made.factors.push((factor, self.factor(&levels, selectors, rooms)?));
            }
            if let Some(read) = uses.read {
                made.reads.push((read, self.read(&levels)?.clone()));
            }
            if uses.in_factors || uses.in_reads {
                made.kept.push((bit, levels));
            }
        }
        Ok(made)
    }

    fn factor<'a>(
        &self,
        levels: &[RingCiphertext],
        selectors: &Selectors,
        rooms: &Rooms<'a>,
    ) -> Result<Factor<'a>> {
        let mut factor = found(rooms.try_take())?;
        let new = || RingWorkspace::new(self.encoding.parameters());
        selectors
            .workspaces()
            .lend(new, |workspace| self.expander.switch_scheme(levels, &mut factor, workspace));
        Ok(factor)
    }

    fn gather<'a>(
        &self,
        made: Vec<Made<'a>>,
        row: Vec<RingCiphertext>,
        selectors: &Selectors,
        rooms: &Rooms<'a>,
    ) -> Result<Values<'a>> {
        let mut making = selectors.making();
        if self.encoding.reads_in_place() {
            making.read_in_place(selectors, row);
        }
        let mut kept = BTreeMap::new();
        for made in made {
            made.factors.into_iter().for_each(|(place, factor)| making.set_factor(place, factor));
            made.reads.into_iter().for_each(|(place, read)| making.set_read(place, read));
            kept.extend(made.kept);
        }
        let levels = self.encoding.gadget().levels();
        let composed: Vec<_> = selectors.composed_factors().collect();
        let factors = composed.into_par_iter().map(|(place, selector)| {
            let sum = |level| self.sum(selector, &kept, |levels| found(levels.get(level)));
            let sums = (0..levels).map(sum).collect::<Result<Vec<_>>>()?;
            Ok((place, self.factor(&sums, selectors, rooms)?))
        });
        let factors: Vec<(usize, Factor<'a>)> = factors.collect::<Result<_>>()?;
        factors.into_iter().for_each(|(place, factor)| making.set_factor(place, factor));
        for (place, selector) in selectors.composed_reads() {
            making.set_read(place, self.sum(selector, &kept, |levels| self.read(levels))?);
        }
        found(making.finish())
    }

    /// The item that is read, of all levels of a bit or of that one alone.
    fn read<'b>(&self, levels: &'b [RingCiphertext]) -> Result<&'b RingCiphertext> {
        let alone = levels.len() < self.encoding.gadget().levels();
        found(levels.get(if alone { 0 } else { self.encoding.read_level() }))
    }

    /// A selector's sum of one item of each bit.
    fn sum<'b>(
        &self,
        selector: &Selector,
        kept: &'b BTreeMap<u32, Vec<RingCiphertext>>,
        item: impl Fn(&'b [RingCiphertext]) -> Result<&'b RingCiphertext>,
    ) -> Result<RingCiphertext> {
        let mut sum = RingCiphertext::zero(self.encoding.parameters().polynomial_size());
        for bit in &selector.plus {
            sum.add_assign(item(found(kept.get(bit))?)?);
        }
        for bit in &selector.minus {
            sum.sub_assign(item(found(kept.get(bit))?)?);
        }
        Ok(sum)
    }
}
