//! The nodes of one diagram, from the bottom up.

use super::selectors::{Read, Turned, Values};
use crate::circuit::{Chain, Linear, PackedBits, Step};
use crate::crypto::{Ggsw, ProductSum, RingCiphertext, RingWorkspace};

/// Walks diagrams on the values of one row.
pub struct Walker<'a> {
    encoding: &'a PackedBits,
    values: &'a Values,
}

/// An encrypted value: a ciphertext and products that are still to be added to it.
pub struct Value {
    pub settled: RingCiphertext,
    pub products: ProductSum,
}

/// Memory of values that are no longer needed.
#[derive(Default)]
pub struct Spare(Vec<Value>);

impl<'a> Walker<'a> {
    /// A walker on these values.
    pub fn new(encoding: &'a PackedBits, values: &'a Values) -> Self {
        Self { encoding, values }
    }

    /// The value of a diagram less what the schedule keeps as a formula; `spare` is memory to work in.
    pub fn value(&self, steps: &[Step], spare: &mut Spare, workspace: &mut RingWorkspace) -> Value {
        let mut waiting: Vec<Value> = Vec::new();
        for step in steps {
            let passed = if step.passed { waiting.pop() } else { None };
            let failed = if step.failed { waiting.pop() } else { None };
            let passed = passed.unwrap_or_else(|| self.zero(spare));
            let mut value = failed.unwrap_or_else(|| self.zero(spare));
            let mut difference = passed;
            // Chains that read multiply the public part alone.
            if step.chains.iter().any(|chain| chain.read.is_none()) {
                difference.settled.sub_assign(&value.settled);
                difference.products.sub_assign(&value.products);
                difference.products.settle(&mut difference.settled, workspace);
                self.add_linear(&mut difference.settled, &step.difference);
            }
            for chain in &step.chains {
                let difference = Difference { value: &difference.settled, formula: &step.difference };
                self.add_chain(&mut value.products, chain, &difference, spare, workspace);
            }
            spare.keep(difference);
            waiting.push(value);
        }
        waiting.pop().unwrap_or_else(|| self.zero(spare))
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
        sum: &mut ProductSum,
        chain: &Chain,
        difference: &Difference<'_>,
        spare: &mut Spare,
        workspace: &mut RingWorkspace,
    ) {
        let Some((first, rest)) = chain.factors.split_first() else { return };
        let mut product: Option<Value> = chain.read.map(|read| {
            let mut product = self.zero(spare);
            for (output, weight) in &difference.formula.constant {
                self.add_read(&mut product.settled, read, *output, *weight);
            }
            product
        });
        for factor in rest.iter().rev() {
            let mut next = self.zero(spare);
            self.factor(*factor).add_product(&mut next.products, difference.or_product(&product), workspace);
            next.products.settle(&mut next.settled, workspace);
            product.replace(next).into_iter().for_each(|used| spare.keep(used));
        }
        self.factor(*first).add_product(sum, difference.or_product(&product), workspace);
        product.into_iter().for_each(|used| spare.keep(used));
    }

    fn factor(&self, place: u32) -> &Ggsw {
        // Schedules name places of their factors.
        &self.values.factors[place as usize]
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

    /// Zero, in memory that was used before, if there is some.
    fn zero(&self, spare: &mut Spare) -> Value {
        match spare.0.pop() {
            Some(mut used) => {
                used.settled.clear();
                used.products.clear();
                used
            }
            None => Value::zero(self.encoding.parameters().polynomial_size()),
        }
    }
}

impl Value {
    /// Zero.
    pub fn zero(polynomial_size: usize) -> Self {
        Self { settled: RingCiphertext::zero(polynomial_size), products: ProductSum::empty(polynomial_size) }
    }

    /// Adds another value.
    pub fn add_assign(&mut self, other: &Self) {
        self.settled.add_assign(&other.settled);
        self.products.add_assign(&other.products);
    }
}

impl Spare {
    /// Keeps the memory of a value.
    pub fn keep(&mut self, used: Value) {
        self.0.push(used);
    }
}

/// The difference between the two sides of a node: its value, and the formula in it.
struct Difference<'a> {
    value: &'a RingCiphertext,
    formula: &'a Linear,
}

impl Difference<'_> {
    /// The product so far, or the value if there is none.
    fn or_product<'p>(&'p self, product: &'p Option<Value>) -> &'p RingCiphertext {
        product.as_ref().map_or(self.value, |product| &product.settled)
    }
}
