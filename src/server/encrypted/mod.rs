//! The encrypted engine: one file an instruction.

mod diagrams;
mod lookups;
mod product;
mod wires;

use anyhow::{Context, Result, bail};

use crate::circuit::{Circuit, Encoding, EvaluationParameters, InputBlock, OutputBlock};
use crate::crypto::{ExpansionKey, SeededLookupKey};
use diagrams::DiagramEvaluator;
use lookups::LookupEvaluator;
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

/// The key that a circuit is evaluated with.
pub enum EvaluationKey {
    /// None is needed.
    Nothing,
    /// Expands packed bits.
    Expansion(ExpansionKey),
    /// Looks up.
    Lookups(SeededLookupKey),
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
            EvaluationParameters::Lookups(parameters) => {
                Self::Lookups(SeededLookupKey::from_bytes(*parameters, bytes)?)
            }
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
                let EvaluationKey::Lookups(key) = key else { bail!("the key to look up is missing") };
                Instruction::Lookups(Box::new(LookupEvaluator::new(circuit, key)?))
            }
        };
        Ok(Self { encoding: circuit.encoding(), instruction })
    }

    /// The encrypted outputs for a block of encrypted rows.
    ///
    /// # Errors
    /// If the block does not fit the circuit's encoding.
    pub fn evaluate(&self, block: &InputBlock) -> Result<OutputBlock> {
        block.check(&self.encoding)?;
        match &self.instruction {
            Instruction::Product(evaluator) => Ok(evaluator.evaluate(block)),
            Instruction::Diagrams(evaluator) => {
                evaluator.evaluate(block).context("cannot evaluate the diagrams")
            }
            Instruction::Lookups(evaluator) => evaluator.evaluate(block),
        }
    }

    /// How many blocks are evaluated at once. The threads share the work of a single one if it is much.
    pub fn blocks_at_once(&self) -> usize {
        match &self.instruction {
            Instruction::Product(_) => BLOCKS_PER_THREAD * rayon::current_num_threads(),
            Instruction::Diagrams(evaluator) => evaluator.rows_at_once(),
            Instruction::Lookups(_) => 1,
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
