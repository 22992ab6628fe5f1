//! The nodes of one diagram, from the bottom up.

use super::selectors::{Factor, Read, Turned, Values};
use crate::circuit::{Chain, Linear, PackedBits, Source, Step};
use crate::crypto::{ProductSum, RingCiphertext, RingWorkspace};

/// Walks diagrams on the values of one row.
pub struct Walker<'a> {
    encoding: &'a PackedBits,
    values: &'a Values<'a>,
}

/// Memory that is no longer needed.
#[derive(Default)]
pub struct Spare {
    ciphertexts: Vec<RingCiphertext>,
    sums: Vec<ProductSum>,
}

impl<'a> Walker<'a> {
    /// A walker on these values.
    pub fn new(encoding: &'a PackedBits, values: &'a Values<'a>) -> Self {
        Self { encoding, values }
    }

    /// The value of a diagram less what the schedule keeps as a formula; `spare` is memory to work in.
    pub fn value(&self, steps: &[Step], spare: &mut Spare, workspace: &mut RingWorkspace) -> ProductSum {
        let mut values: Vec<Option<ProductSum>> = Vec::with_capacity(steps.len());
        for step in steps {
            let mut used = |source: Source| self.used(&mut values, source, spare);
            let passed = step.passed.and_then(&mut used);
            let failed = step.failed.and_then(&mut used);
            // Chains that read multiply the public part alone.
            let is_public = step.chains.iter().all(|chain| chain.read.is_some());
            let difference = (!is_public).then(|| {
                let mut products = passed.unwrap_or_else(|| self.no_products(spare));
                failed.iter().for_each(|failed| products.sub_assign(failed));
                let mut difference = self.zero(spare);
                products.settle(&mut difference, workspace);
                spare.keep(products);
                self.add_linear(&mut difference, &step.difference);
                difference
            });
            let mut value = failed.unwrap_or_else(|| self.no_products(spare));
            for chain in &step.chains {
                let difference = Difference { value: difference.as_ref(), formula: &step.difference };
                self.add_chain(&mut value, chain, &difference, spare, workspace);
            }
            spare.ciphertexts.extend(difference);
            values.push(Some(value));
        }
        values.pop().flatten().unwrap_or_else(|| self.no_products(spare))
    }

    /// The value of an earlier step: itself for the last who uses it, else a copy.
    fn used(
        &self,
        values: &mut [Option<ProductSum>],
        source: Source,
        spare: &mut Spare,
    ) -> Option<ProductSum> {
        let value = values.get_mut(source.step as usize)?;
        if source.is_last {
            return value.take();
        }
        let mut copy = self.no_products(spare);
        copy.add_assign(value.as_ref()?);
        Some(copy)
    }

    /// Adds a formula.
    pub fn add_linear(&self, sum: &mut RingCiphertext, linear: &Linear) {
        for terms in linear.terms.chunk_by(|a, b| a.read == b.read) {
            let multiples: Vec<(u32, i64)> = terms.iter().map(|term| (term.output, term.weight)).collect();
            // A chunk is not empty.
            self.add_read(sum, terms[0].read, &multiples);
        }
        let messages = self.encoding.messages();
        let body = sum.body_mut();
        for (output, weight) in &linear.constant {
            // Outputs are fewer than coefficients.
            let place = &mut body[*output as usize];
            *place = place.wrapping_add(messages.encode(*weight));
        }
    }

    /// Adds the product of a chain with the difference, the last factor first.
    fn add_chain(
        &self,
        sum: &mut ProductSum,
        chain: &Chain,
        difference: &Difference<'_>,
        spare: &mut Spare,
        workspace: &mut RingWorkspace,
    ) {
        let Some((first, rest)) = chain.factors.split_first() else { return };
        let read = chain.read.map(|read| {
            let mut product = self.zero(spare);
            self.add_read(&mut product, read, &difference.formula.constant);
            product
        });
        let mut product = read;
        for factor in rest.iter().rev() {
            let (mut products, mut next) = (self.no_products(spare), self.zero(spare));
            if let Some(other) = product.as_ref().or(difference.value) {
                self.factor(*factor).add_product(&mut products, other, workspace);
            }
            products.settle(&mut next, workspace);
            spare.keep(products);
            spare.ciphertexts.extend(product.replace(next));
        }
        // A chain without a read has a difference.
        if let Some(other) = product.as_ref().or(difference.value) {
            self.factor(*first).add_product(sum, other, workspace);
        }
        spare.ciphertexts.extend(product);
    }

    fn factor(&self, place: u32) -> &Factor<'a> {
        // Schedules name places of their factors.
        &self.values.factors[place as usize]
    }

    /// Adds multiples of a read to outputs.
    fn add_read(&self, sum: &mut RingCiphertext, read: u32, multiples: &[(u32, i64)]) {
        // A message is no finer than an item: the encoding was checked.
        let shift = 64 - self.encoding.messages().bits() - self.encoding.log2_read_scale();
        let terms = |power: usize, sign: i64| -> Vec<(usize, u64)> {
            let term = |(output, weight): &(u32, i64)| {
                (power + *output as usize, (weight.wrapping_mul(sign) as u64) << shift)
            };
            multiples.iter().map(term).collect()
        };
        // Schedules name places of their reads.
        match &self.values.reads[read as usize] {
            Read::Expanded(read) => sum.add_multiples(read, &terms(0, 1)),
            Read::InPlace(turned) => {
                for Turned { ciphertext, power, negative } in turned {
                    // Items lie in the row's ciphertexts.
                    let packed = &self.values.packed[*ciphertext];
                    sum.add_multiples(packed, &terms(*power, if *negative { -1 } else { 1 }));
                }
            }
        }
    }

    /// Zero, in memory that was used before, if there is some.
    fn zero(&self, spare: &mut Spare) -> RingCiphertext {
        match spare.ciphertexts.pop() {
            Some(mut used) => {
                used.clear();
                used
            }
            None => RingCiphertext::zero(self.encoding.parameters().polynomial_size()),
        }
    }

    /// The sum of no products, in memory that was used before, if there is some.
    fn no_products(&self, spare: &mut Spare) -> ProductSum {
        match spare.sums.pop() {
            Some(mut used) => {
                used.clear();
                used
            }
            None => ProductSum::empty(self.encoding.parameters().polynomial_size()),
        }
    }
}

impl Spare {
    /// Keeps the memory of a sum.
    pub fn keep(&mut self, used: ProductSum) {
        self.sums.push(used);
    }
}

/// The difference between the two sides of a node: its value, unless all of it is public, and the formula in it.
struct Difference<'a> {
    value: Option<&'a RingCiphertext>,
    formula: &'a Linear,
}
