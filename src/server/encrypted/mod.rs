//! The encrypted engine: one file an instruction.

mod diagrams;
mod lookups;
mod product;

use anyhow::{Context, Result, bail};
use rayon::prelude::*;

use crate::circuit::{Circuit, Encoding, EvaluationParameters, InputBlock, OutputBlock};
use crate::crypto::{ExpansionKey, SeededLookupKey, read_lookup_keys};
use crate::progress::{Progress, Silent};
use diagrams::DiagramEvaluator;
pub(super) use lookups::LayerTimes;
use lookups::{LookupEvaluator, Wires};
use product::ProductEvaluator;

/// Blocks of products that are in memory at once, for each thread.
const BLOCKS_PER_THREAD: usize = 4;

/// A circuit made ready to run.
pub struct Evaluator<'a> {
    encoding: Encoding,
    instruction: Instruction<'a>,
}

enum Instruction<'a> {
    Product(Box<ProductEvaluator<'a>>),
    Diagrams(Box<DiagramEvaluator>),
    Lookups(Box<LookupEvaluator<'a>>),
}

/// Blocks under way.
pub enum Work<'b> {
    /// Nothing is done yet: all of it is done in one go.
    Blocks(&'b [InputBlock]),
    /// Some layers are done.
    Layers(Wires),
}

/// The key that a circuit is evaluated with.
pub enum EvaluationKey {
    /// None is needed.
    Nothing,
    /// Expands packed bits.
    Expansion(ExpansionKey),
    /// Looks up: a key for each parameter set.
    Lookups(Vec<SeededLookupKey>),
}

impl Work<'_> {
    /// The rows it is on.
    pub fn rows(&self) -> usize {
        match self {
            Self::Blocks(blocks) => blocks.iter().map(|block| block.rows).sum(),
            Self::Layers(wires) => wires.rows().len(),
        }
    }

    /// The layers that are done.
    pub fn layers(&self) -> usize {
        match self {
            Self::Blocks(_) => 0,
            Self::Layers(wires) => wires.layers(),
        }
    }

    /// What [`Evaluator::restore`] needs to go on; nothing if nothing is done.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Blocks(_) => Vec::new(),
            Self::Layers(wires) => wires.to_bytes(),
        }
    }
}

impl EvaluationKey {
    /// The key that these bytes hold.
    ///
    /// # Errors
    /// If there are too few or too many.
    pub fn from_bytes(parameters: &EvaluationParameters, bytes: &[u8]) -> Result<Self> {
        Ok(match parameters {
            EvaluationParameters::Nothing => Self::Nothing,
            EvaluationParameters::Expansion(expansion) => {
                Self::Expansion(ExpansionKey::from_bytes(expansion, bytes)?)
            }
            EvaluationParameters::Lookups(sets) => Self::Lookups(read_lookup_keys(sets, bytes)?),
        })
    }
}

impl<'a> Evaluator<'a> {
    /// Prepares the circuit.
    ///
    /// # Errors
    /// If it needs another key, or the ring has no exact product.
    pub fn new(circuit: &'a Circuit, key: &EvaluationKey) -> Result<Self> {
        let instruction = match circuit {
            Circuit::Product(circuit) => Instruction::Product(Box::new(ProductEvaluator::new(circuit)?)),
            Circuit::Diagrams(circuit) => {
                let key = if let EvaluationKey::Expansion(key) = key { Some(key) } else { None };
                Instruction::Diagrams(Box::new(DiagramEvaluator::new(circuit, key)?))
            }
            Circuit::Lookups(circuit) => {
                let EvaluationKey::Lookups(keys) = key else { bail!("the key to look up is missing") };
                Instruction::Lookups(Box::new(LookupEvaluator::new(circuit, keys)?))
            }
        };
        Ok(Self { encoding: circuit.encoding(), instruction })
    }

    /// The encrypted outputs for a block of encrypted rows.
    ///
    /// # Errors
    /// If the block does not fit the circuit's encoding.
    pub fn evaluate(&self, block: &InputBlock) -> Result<OutputBlock> {
        let results = self.evaluate_all(std::slice::from_ref(block), &Silent)?;
        results.into_iter().next().context("a block has no results")
    }

    /// The encrypted outputs for each block.
    ///
    /// # Errors
    /// If a block does not fit the circuit's encoding.
    pub fn evaluate_all(&self, blocks: &[InputBlock], progress: &dyn Progress) -> Result<Vec<OutputBlock>> {
        let mut work = self.begin(blocks)?;
        while self.step(&mut work, progress)? {}
        self.finish(work, progress)
    }

    /// Begins work on blocks that are evaluated together.
    ///
    /// # Errors
    /// If a block does not fit the circuit's encoding.
    pub fn begin<'b>(&self, blocks: &'b [InputBlock]) -> Result<Work<'b>> {
        blocks.iter().try_for_each(|block| block.check(&self.encoding))?;
        Ok(match &self.instruction {
            Instruction::Product(_) | Instruction::Diagrams(_) => Work::Blocks(blocks),
            Instruction::Lookups(evaluator) => Work::Layers(evaluator.begin(blocks)?),
        })
    }

    /// Goes on with work by a layer; whether there was one. Progress counts lookups.
    ///
    /// # Errors
    /// If the work is that of another circuit.
    pub fn step(&self, work: &mut Work<'_>, progress: &dyn Progress) -> Result<bool> {
        match (&self.instruction, work) {
            (Instruction::Lookups(evaluator), Work::Layers(wires)) => evaluator.step(wires, progress),
            (Instruction::Product(_) | Instruction::Diagrams(_) | Instruction::Lookups(_), _) => Ok(false),
        }
    }

    /// The results of work whose layers are done. Progress counts rows.
    ///
    /// # Errors
    /// If the work is that of another circuit, or its layers are not done.
    pub fn finish(&self, work: Work<'_>, progress: &dyn Progress) -> Result<Vec<OutputBlock>> {
        let each = |blocks: &[InputBlock], evaluate: &(dyn Fn(&InputBlock) -> Result<OutputBlock> + Sync)| {
            let results = blocks.par_iter().map(|block| {
                let result = evaluate(block)?;
                progress.advance(block.rows as u64);
                Ok(result)
            });
            results.collect()
        };
        match (&self.instruction, work) {
            (Instruction::Product(evaluator), Work::Blocks(blocks)) => {
                each(blocks, &|block| Ok(evaluator.evaluate(block)))
            }
            (Instruction::Diagrams(evaluator), Work::Blocks(blocks)) => {
                each(blocks, &|block| evaluator.evaluate(block).context("cannot evaluate the diagrams"))
            }
            (Instruction::Lookups(evaluator), Work::Layers(wires)) => {
                let results = evaluator.finish(&wires)?;
                progress.advance(wires.rows().len() as u64);
                Ok(results)
            }
            (Instruction::Product(_) | Instruction::Diagrams(_), Work::Layers(_))
            | (Instruction::Lookups(_), Work::Blocks(_)) => bail!("the work is that of another circuit"),
        }
    }

    /// Work that was laid down by [`Work::to_bytes`].
    ///
    /// # Errors
    /// If the bytes are not such work with this circuit.
    pub fn restore(&self, bytes: &[u8]) -> Result<Work<'static>> {
        match &self.instruction {
            Instruction::Product(_) | Instruction::Diagrams(_) => bail!("the circuit has no layers"),
            Instruction::Lookups(evaluator) => Ok(Work::Layers(evaluator.restore(bytes)?)),
        }
    }

    /// The steps of progress that a row takes.
    pub fn steps_of_row(&self) -> u64 {
        match &self.instruction {
            Instruction::Product(_) | Instruction::Diagrams(_) => 1,
            Instruction::Lookups(evaluator) => 1 + evaluator.lookups() as u64,
        }
    }

    /// The steps of progress that are done of work.
    pub fn steps_done(&self, work: &Work<'_>) -> u64 {
        match (&self.instruction, work) {
            (Instruction::Lookups(evaluator), Work::Layers(wires)) => {
                (wires.rows().len() * evaluator.lookups_before(wires.layers())) as u64
            }
            (Instruction::Product(_) | Instruction::Diagrams(_) | Instruction::Lookups(_), _) => 0,
        }
    }

    /// What layers of lookups take on this machine, if there are any.
    ///
    /// # Errors
    /// If they cannot be tried.
    pub(super) fn layer_times(&self) -> Result<Option<LayerTimes>> {
        match &self.instruction {
            Instruction::Product(_) | Instruction::Diagrams(_) => Ok(None),
            Instruction::Lookups(evaluator) => evaluator.measure().map(Some),
        }
    }

    /// How many blocks are evaluated at once. The threads share the work of a single one if it is much.
    pub fn blocks_at_once(&self) -> usize {
        match &self.instruction {
            Instruction::Product(_) => BLOCKS_PER_THREAD * rayon::current_num_threads(),
            Instruction::Diagrams(evaluator) => evaluator.rows_at_once(),
            Instruction::Lookups(evaluator) => evaluator.rows_at_once(),
        }
    }

    /// The bytes of memory that evaluation takes, besides the program itself and whatever the number of rows.
    pub fn memory_bytes(&self) -> usize {
        let rows = self.encoding.rows_per_block();
        let block = self.encoding.input_block_bytes(rows) + self.encoding.output_block_bytes(rows);
        let own = match &self.instruction {
            Instruction::Product(evaluator) => evaluator.weight_bytes(),
            Instruction::Diagrams(evaluator) => evaluator.memory_bytes(),
            Instruction::Lookups(evaluator) => evaluator.memory_bytes(),
        };
        self.blocks_at_once() * block * 3 + own
    }
}
