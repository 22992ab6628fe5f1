//! The nodes of one diagram, from the bottom up.

use super::selectors::{Read, Turned, Values};
use crate::circuit::{Chain, Linear, PackedBits, Step};
use crate::crypto::{RingCiphertext, RingWorkspace};

/// Walks diagrams on the values of one row.
pub struct Walker<'a> {
    encoding: &'a PackedBits,
    values: &'a Values,
}

impl<'a> Walker<'a> {
    /// A walker on these values.
    pub fn new(encoding: &'a PackedBits, values: &'a Values) -> Self {
        Self { encoding, values }
    }

    /// The value of a diagram less what the schedule keeps as a formula; `spare` is memory to work in.
    pub fn value(
        &self,
        steps: &[Step],
        spare: &mut Vec<RingCiphertext>,
        workspace: &mut RingWorkspace,
    ) -> RingCiphertext {
        let mut waiting: Vec<RingCiphertext> = Vec::new();
        for step in steps {
            let passed = if step.passed { waiting.pop() } else { None };
            let failed = if step.failed { waiting.pop() } else { None };
            let mut difference = self.fresh(spare);
            self.add_linear(&mut difference, &step.difference);
            passed.iter().for_each(|passed| difference.add_assign(passed));
            failed.iter().for_each(|failed| difference.sub_assign(failed));
            let mut value = self.fresh(spare);
            for chain in &step.chains {
                let difference = Difference { value: &difference, formula: &step.difference };
                self.add_chain(&mut value, chain, &difference, spare, workspace);
            }
            failed.iter().for_each(|failed| value.add_assign(failed));
            spare.extend([Some(difference), passed, failed].into_iter().flatten());
            waiting.push(value);
        }
        waiting.pop().unwrap_or_else(|| self.fresh(spare))
    }

    /// Adds a formula.
    pub fn add_linear(&self, sum: &mut RingCiphertext, linear: &Linear) {
        for term in &linear.terms {
            self.add_read(sum, term.read, term.output, term.weight);
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
        sum: &mut RingCiphertext,
        chain: &Chain,
        difference: &Difference<'_>,
        spare: &mut Vec<RingCiphertext>,
        workspace: &mut RingWorkspace,
    ) {
        let Some((first, rest)) = chain.factors.split_first() else { return };
        let mut product: Option<RingCiphertext> = chain.read.map(|read| {
            let mut product = self.fresh(spare);
            for (output, weight) in &difference.formula.constant {
                self.add_read(&mut product, read, *output, *weight);
            }
            product
        });
        for factor in rest.iter().rev() {
            let mut next = self.fresh(spare);
            self.multiply(&mut next, *factor, product.as_ref().unwrap_or(difference.value), workspace);
            spare.extend(product.replace(next));
        }
        self.multiply(sum, *first, product.as_ref().unwrap_or(difference.value), workspace);
        spare.extend(product);
    }

    fn multiply(
        &self,
        sum: &mut RingCiphertext,
        factor: u32,
        other: &RingCiphertext,
        workspace: &mut RingWorkspace,
    ) {
        // Schedules name places of their factors.
        self.values.factors[factor as usize].add_product(sum, other, workspace);
    }

    fn add_read(&self, sum: &mut RingCiphertext, read: u32, output: u32, weight: i64) {
        // A message is no finer than an item: the encoding was checked.
        let shift = 64 - self.encoding.messages().bits() - self.encoding.log2_read_scale();
        let weight = (weight as u64) << shift;
        // Schedules name places of their reads.
        match &self.values.reads[read as usize] {
            Read::Expanded(read) => sum.add_multiple(read, output as usize, weight),
            Read::InPlace(turned) => {
                for Turned { ciphertext, power, negative } in turned {
                    let weight = if *negative { weight.wrapping_neg() } else { weight };
                    // Items lie in the row's ciphertexts.
                    let packed = &self.values.packed[*ciphertext];
                    sum.add_multiple(packed, power + output as usize, weight);
                }
            }
        }
    }

    /// A zero in memory that was used before, if there is some.
    fn fresh(&self, spare: &mut Vec<RingCiphertext>) -> RingCiphertext {
        match spare.pop() {
            Some(mut used) => {
                used.clear();
                used
            }
            None => RingCiphertext::zero(self.encoding.parameters().polynomial_size()),
        }
    }
}

/// The difference between the two sides of a node: its value, and the formula in it.
struct Difference<'a> {
    value: &'a RingCiphertext,
    formula: &'a Linear,
}
