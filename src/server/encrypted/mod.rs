//! The encrypted engine: one file an instruction.

mod diagrams;
mod product;

use anyhow::{Context, Result};

use crate::circuit::{Circuit, Encoding, InputBlock, OutputBlock};
use crate::crypto::ExpansionKey;
use diagrams::DiagramEvaluator;
use product::ProductEvaluator;

/// Blocks of products that are in memory at once, for each thread.
const BLOCKS_PER_THREAD: usize = 4;

/// A circuit made ready to run.
pub struct Evaluator<'a> {
    encoding: Encoding,
    instruction: Instruction<'a>,
}

enum Instruction<'a> {
    Product(ProductEvaluator<'a>),
    Diagrams(DiagramEvaluator),
}

impl<'a> Evaluator<'a> {
    /// Prepares the circuit; `key` is needed if its encoding asks for expansion.
    ///
    /// # Errors
    /// If the key is missing or has other parameters, or the ring has no exact product.
    pub fn new(circuit: &'a Circuit, key: Option<&ExpansionKey>) -> Result<Self> {
        let instruction = match circuit {
            Circuit::Product(circuit) => Instruction::Product(ProductEvaluator::new(circuit)?),
            Circuit::Diagrams(circuit) => Instruction::Diagrams(DiagramEvaluator::new(circuit, key)?),
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
        }
    }

    /// How many blocks are evaluated at once. The threads share the work of a single one if it is much.
    pub fn blocks_at_once(&self) -> usize {
        match &self.instruction {
            Instruction::Product(_) => BLOCKS_PER_THREAD * rayon::current_num_threads(),
            Instruction::Diagrams(evaluator) => evaluator.rows_at_once(),
        }
    }

    /// The bytes of memory that evaluation takes, besides the program itself and whatever the number of rows.
    pub fn memory_bytes(&self) -> usize {
        let rows = self.encoding.rows_per_block();
        let block = self.encoding.input_block_bytes(rows) + self.encoding.output_block_bytes(rows);
        let own = match &self.instruction {
            Instruction::Product(evaluator) => evaluator.weight_bytes(),
            Instruction::Diagrams(evaluator) => evaluator.memory_bytes(),
        };
        self.blocks_at_once() * block * 3 + own
    }
}
