//! The encrypted descent: weights, rows and labels as ciphertexts.

use std::ops::Range;

use anyhow::{Result, ensure};
use rayon::prelude::*;

use super::parameters::RING;
use super::{EncryptedBlock, Packing, Plan, Program, TrainingKey};
use crate::crypto::{
    Ggsw, LookupTable, LookupWorkspace, LweCiphertext, Pool, ProductSum, RingCiphertext, RingWorkspace,
};

/// Lookups of a batch, at most.
const LOOKUPS: usize = 32;

/// A row that was parted from its block.
pub struct ExpandedRow {
    /// x(Y)·q/B^j for each level j of the gadget of rows.
    levels: Vec<RingCiphertext>,
    /// The label of each target at its multiple of the stride, divided by the window.
    labels: RingCiphertext,
}

/// Encrypted weights on their way.
pub struct Trainer<'a> {
    program: Program,
    packing: Packing,
    key: &'a TrainingKey,
    /// Of each target.
    weights: Vec<RingCiphertext>,
    /// The rows of an epoch.
    rows: u64,
    step: u64,
    scratch: Pool<Scratch>,
}

/// What one thread needs.
struct Scratch {
    ring: RingWorkspace,
    lookup: LookupWorkspace,
    sum: ProductSum,
}

impl<'a> Trainer<'a> {
    /// A descent over so many rows that begins with weights of zero, or goes on after so many steps with others.
    ///
    /// # Errors
    /// If the key is for another plan, or the weights are.
    pub fn new(
        plan: &Plan,
        key: &'a TrainingKey,
        rows: u64,
        weights: Option<(u64, Vec<RingCiphertext>)>,
    ) -> Result<Self> {
        ensure!(
            key.parameters == *plan.parameters(),
            "the evaluation key is for other parameters than the plan"
        );
        let targets = plan.settings().targets();
        let (step, weights) = weights.unwrap_or_else(|| (0, vec![RingCiphertext::zero(RING); targets]));
        ensure!(weights.len() == targets, "{} weight vectors, where the plan has {targets}", weights.len());
        let (program, packing) = (plan.program(), plan.packing());
        Ok(Self { program, packing, key, weights, rows, step, scratch: Pool::default() })
    }

    /// The steps that are done.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// The weights of each target: that of feature i at coefficient i·S, the bias after them.
    pub fn weights(&self) -> &[RingCiphertext] {
        &self.weights
    }

    /// Parts some rows from a block.
    ///
    /// # Errors
    /// If the block has other ciphertexts than the plan, or not so many rows.
    pub fn expand(&self, block: &EncryptedBlock, rows: Range<usize>) -> Result<Vec<ExpandedRow>> {
        let due = self.packing.ciphertexts();
        ensure!(
            block.ciphertexts.len() == due,
            "a block of {} ciphertexts, where {due} are due",
            block.ciphertexts.len()
        );
        ensure!(rows.end <= block.rows, "rows {rows:?} of a block of {}", block.rows);
        let items: Vec<usize> = rows.clone().collect();
        let expand = |packed: &RingCiphertext| {
            self.key.expander.expand(packed.clone(), 0..self.packing.steps(), &items)
        };
        let expanded = block.ciphertexts.par_iter().map(expand).collect::<Result<Vec<_>>>()?;
        let mut expanded: Vec<_> = expanded.into_iter().map(Vec::into_iter).collect();
        let row = |_| {
            let mut levels: Vec<RingCiphertext> = expanded.iter_mut().filter_map(Iterator::next).collect();
            levels.pop().map(|labels| ExpandedRow { levels, labels })
        };
        Ok(rows.filter_map(row).collect())
    }

    /// One step: adds the gradient of these rows to the weights, and the penalty when it is due.
    ///
    /// # Errors
    /// If a row belongs to another plan.
    pub fn advance(&mut self, rows: &[ExpandedRow]) -> Result<()> {
        let rate = self.program.rate(self.step, self.rows);
        let table = self.program.residuals(self.key.parameters.lookup(), rate)?;
        let reversed = self.reversed();
        let gradients = self
            .batches(rows.len())
            .into_par_iter()
            // Ranges of as many rows as there are.
            .map(|batch| {
                self.lend(|scratch| self.gradients(&rows[batch], &reversed, (&table, rate), scratch))
            })
            .collect::<Result<Vec<_>>>()?;
        // Sums of integers: in whatever order, and however the rows were cut.
        for gradients in &gradients {
            let pairs = self.weights.iter_mut().zip(gradients);
            pairs.for_each(|(weights, gradient)| weights.add_assign(gradient));
        }
        if let Some(rates) = self.program.decay_due(self.step, self.rows) {
            self.decay(rates)?;
        }
        self.step += 1;
        Ok(())
    }

    /// Parts of a batch for all threads: few enough lookups for the memory, as many as there can be for the key.
    fn batches(&self, rows: usize) -> Vec<Range<usize>> {
        let most = (LOOKUPS / self.weights.len()).max(1);
        let size = rows.div_ceil(rayon::current_num_threads()).clamp(1, most);
        (0..rows).step_by(size).map(|start| start..(start + size).min(rows)).collect()
    }

    fn lend<R>(&self, work: impl FnOnce(&mut Scratch) -> R) -> R {
        let parameters = &self.key.parameters;
        let new = || Scratch {
            ring: RingWorkspace::new(parameters.expansion().ring()),
            lookup: LookupWorkspace::new(parameters.lookup()),
            sum: ProductSum::empty(RING),
        };
        self.scratch.lend(new, work)
    }

    /// w(1/Y) of each target.
    fn reversed(&self) -> Vec<RingCiphertext> {
        let reverse = |weights: &RingCiphertext| {
            let mut image = RingCiphertext::zero(RING);
            self.lend(|scratch| self.key.reversal.apply(weights, &mut image, &mut scratch.ring));
            image
        };
        self.weights.iter().map(reverse).collect()
    }

    /// What some rows add to each target's weights.
    fn gradients(
        &self,
        rows: &[ExpandedRow],
        reversed: &[RingCiphertext],
        (table, rate): (&LookupTable, u64),
        scratch: &mut Scratch,
    ) -> Result<Vec<RingCiphertext>> {
        let multipliers: Vec<Ggsw> = rows.iter().map(|row| self.multiplier(row, scratch)).collect();
        let mut inputs = Vec::with_capacity(rows.len() * reversed.len());
        for (multiplier, weights) in multipliers.iter().flat_map(|x| reversed.iter().map(move |w| (x, w))) {
            inputs.push(scratch.multiply(multiplier, weights).extract(0));
        }
        let residuals = self.key.lookup.apply(&inputs, &vec![table; inputs.len()], &mut scratch.lookup);
        let mut gradients = vec![RingCiphertext::zero(RING); reversed.len()];
        let of_rows = residuals.chunks(reversed.len()).zip(multipliers.iter().zip(rows));
        for (residuals, (multiplier, row)) in of_rows {
            for (target, (residual, gradient)) in residuals.iter().zip(&mut gradients).enumerate() {
                let mut residual = self.embedded(residual);
                // X^(2N) is 1: this brings the target's label in front.
                residual.add_multiple(&row.labels, 2 * RING - target * self.packing.stride(), rate);
                self.trace(&mut residual, scratch)?;
                gradient.add_assign(&scratch.multiply(multiplier, &residual));
            }
        }
        Ok(gradients)
    }

    /// A row that multiplies.
    fn multiplier(&self, row: &ExpandedRow, scratch: &mut Scratch) -> Ggsw {
        let parameters = &self.key.parameters;
        let mut ggsw = Ggsw::zero(parameters.expansion().ring(), parameters.product());
        self.key.expander.switch_scheme(&row.levels, &mut ggsw, &mut scratch.ring);
        ggsw
    }

    /// A looked-up value in a ring, divided by the window: a trace makes it whole.
    fn embedded(&self, value: &LweCiphertext) -> RingCiphertext {
        let mut ring = RingCiphertext::embed(value);
        ring.divide(self.packing.window().ilog2());
        ring
    }

    fn trace(&self, value: &mut RingCiphertext, scratch: &mut Scratch) -> Result<()> {
        let last = self.key.parameters.expansion().steps().len();
        self.key.expander.trace(value, self.packing.steps()..last, &mut scratch.ring)
    }

    /// Takes the penalty of steps off each weight but the bias.
    fn decay(&mut self, rates: f64) -> Result<()> {
        let parameters = self.key.parameters.lookup();
        let table = self.program.decays(parameters, rates)?;
        let features = self.program.settings().literal().features;
        let stride = self.packing.stride();
        let places: Vec<(usize, usize)> = (0..self.weights.len())
            .flat_map(|target| (0..features).map(move |feature| (target, feature * stride)))
            .collect();
        let read = |(target, place): &(usize, usize)| {
            let mut read = LweCiphertext::trivial(parameters, 0);
            // A place for each target's weights.
            read.add_multiple(&self.weights[*target].extract(*place), 1 << self.program.decay_shift());
            read
        };
        let look_up = |places: &[(usize, usize)]| {
            let inputs: Vec<LweCiphertext> = places.iter().map(read).collect();
            self.lend(|scratch| {
                let values = self.key.lookup.apply(&inputs, &vec![&table; inputs.len()], &mut scratch.lookup);
                let traced = values.iter().map(|value| {
                    let mut value = self.embedded(value);
                    self.trace(&mut value, scratch)?;
                    Ok(value)
                });
                traced.collect::<Result<Vec<_>>>()
            })
        };
        let decays = places.par_chunks(LOOKUPS / 2).map(look_up).collect::<Result<Vec<_>>>()?;
        for ((target, place), decay) in places.iter().zip(decays.iter().flatten()) {
            // As above.
            self.weights[*target].add_multiple(decay, *place, 1);
        }
        Ok(())
    }
}

impl Scratch {
    /// The product of an encrypted row and a ciphertext.
    fn multiply(&mut self, multiplier: &Ggsw, factor: &RingCiphertext) -> RingCiphertext {
        let mut product = RingCiphertext::zero(RING);
        multiplier.add_product(&mut self.sum, factor, &mut self.ring);
        self.sum.settle(&mut product, &mut self.ring);
        product
    }
}
