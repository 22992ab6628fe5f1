//! The encrypted engine: one file an instruction.

mod diagrams;
mod product;

use anyhow::{Context, Result};

use crate::circuit::{Circuit, Encoding, InputBlock, OutputBlock};
use crate::crypto::ExpansionKey;
use diagrams::DiagramEvaluator;
use product::ProductEvaluator;

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

    /// Blocks that are worth having in memory at once for each thread.
    pub fn blocks_per_thread(&self) -> usize {
        match &self.instruction {
            Instruction::Product(_) => 4,
            Instruction::Diagrams(_) => 1,
        }
    }

    /// Whether several blocks are evaluated at once; otherwise the threads share the work of one.
    pub fn shares_blocks(&self) -> bool {
        matches!(self.instruction, Instruction::Diagrams(_))
    }
}
