//! The payload of ciphertext files: full blocks, then one that may hold fewer rows.

use std::io::Read;

use anyhow::{Context, Result, bail};

use super::PackedRows;
use crate::artifact::{BlockSize, Reader};

/// The lengths in bytes of the blocks of one kind of ciphertext file.
#[derive(Clone, Copy, Debug)]
pub struct Blocks {
    encoding: PackedRows,
    bytes: fn(&PackedRows, usize) -> usize,
}

/// How many blocks a payload has and how many rows they hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// Blocks, the last one included.
    pub blocks: u64,
    /// Rows in all of them.
    pub rows: u64,
}

impl Blocks {
    /// Blocks of encrypted rows.
    pub fn of_inputs(encoding: PackedRows) -> Self {
        Self { encoding, bytes: PackedRows::input_block_bytes }
    }

    /// Blocks of encrypted results.
    pub fn of_outputs(encoding: PackedRows) -> Self {
        Self { encoding, bytes: PackedRows::output_block_bytes }
    }

    /// The length of a full block.
    pub fn full_bytes(&self) -> usize {
        (self.bytes)(&self.encoding, self.encoding.rows_per_block())
    }

    /// What the header of such a file says of its blocks.
    pub fn size(&self) -> BlockSize {
        BlockSize { rows: self.encoding.rows_per_block() as u64, bytes: self.full_bytes() as u64 }
    }

    /// Counts the rows of a file from its length and its last block's first bytes.
    ///
    /// # Errors
    /// If the payload is not a sequence of such blocks.
    pub fn count(&self, reader: &mut Reader) -> Result<Count> {
        let (before, rows, bytes) = reader.last_block(self.size())?;
        if bytes != (self.bytes)(&self.encoding, rows) as u64 {
            bail!(
                "'{}' ends inside a block: its last block says it holds {rows} rows and has {bytes} bytes",
                reader.path().display()
            );
        }
        Ok(Count { blocks: before + 1, rows: before * self.size().rows + rows as u64 })
    }

    /// Reads the next blocks from a payload, at most so many; none at its end.
    ///
    /// # Errors
    /// If the stream cannot be read.
    pub fn batch(&self, payload: &mut impl Read, most: usize) -> Result<Vec<Vec<u8>>> {
        let mut batch = Vec::new();
        while batch.len() < most {
            let mut block = Vec::with_capacity(self.full_bytes());
            payload.take(self.full_bytes() as u64).read_to_end(&mut block).context("cannot read a block")?;
            if block.is_empty() {
                break;
            }
            batch.push(block);
        }
        Ok(batch)
    }
}
