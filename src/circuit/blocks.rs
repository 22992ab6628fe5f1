//! The payload of ciphertext files: full blocks, then one that may hold fewer rows.

use std::io::Read;

use anyhow::{Context, Result, bail};

use super::Encoding;
use super::encoding::{COUNT_BYTES, SEED_BYTES};
use crate::artifact::{BlockSize, Reader};
use crate::crypto::{SeededRing, SwitchedRing, pack, packed_bytes, unpack};

/// Encrypted rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputBlock {
    /// The number of rows.
    pub rows: usize,
    /// What holds them.
    pub ciphertexts: Vec<SeededRing>,
}

/// Encrypted results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputBlock {
    /// The number of rows.
    pub rows: usize,
    /// What holds their results.
    pub ciphertexts: Vec<SwitchedRing>,
}

/// The lengths in bytes of the blocks of one kind of ciphertext file.
#[derive(Clone, Debug)]
pub struct Blocks {
    encoding: Encoding,
    bytes: fn(&Encoding, usize) -> usize,
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
    pub fn of_inputs(encoding: Encoding) -> Self {
        Self { encoding, bytes: Encoding::input_block_bytes }
    }

    /// Blocks of encrypted results.
    pub fn of_outputs(encoding: Encoding) -> Self {
        Self { encoding, bytes: Encoding::output_block_bytes }
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

impl InputBlock {
    /// Appends the block to `bytes`: [`Encoding::input_block_bytes`] of them.
    pub fn write(&self, encoding: &Encoding, bytes: &mut Vec<u8>) {
        bytes.extend((self.rows as u32).to_le_bytes());
        for ciphertext in &self.ciphertexts {
            bytes.extend(ciphertext.seed);
            bytes.extend(pack(&ciphertext.body, encoding.body_bits()));
        }
    }

    /// The block that these bytes hold.
    ///
    /// # Errors
    /// If they are not exactly one block.
    pub fn read(encoding: &Encoding, bytes: &[u8]) -> Result<Self> {
        let rows = read_rows(encoding, bytes, Encoding::input_block_bytes)?;
        let (_, body) = encoding.input_shape(rows);
        let body_bytes = packed_bytes(body, encoding.body_bits());
        let ciphertext = |bytes: &[u8]| {
            let (seed, coefficients) = bytes.split_first_chunk::<SEED_BYTES>()?;
            Some(SeededRing { seed: *seed, body: unpack(coefficients, body, encoding.body_bits())? })
        };
        let ciphertexts = bytes.split_at(COUNT_BYTES).1.chunks(SEED_BYTES + body_bytes).map(ciphertext);
        let ciphertexts = ciphertexts.collect::<Option<_>>().context("a ciphertext is malformed")?;
        Ok(Self { rows, ciphertexts })
    }

    /// Refuses a block that does not fit the encoding.
    ///
    /// # Errors
    /// If there are too many rows or none, or its ciphertexts have another shape.
    pub fn check(&self, encoding: &Encoding) -> Result<()> {
        let (most, rows) = (encoding.rows_per_block(), self.rows);
        if rows == 0 || rows > most {
            bail!("a block holds 1 to {most} rows, not {rows}");
        }
        let (count, body) = encoding.input_shape(rows);
        if self.ciphertexts.len() != count || self.ciphertexts.iter().any(|one| one.body.len() != body) {
            bail!("a block of {rows} rows has {count} ciphertexts of {body} coefficients");
        }
        Ok(())
    }
}

impl OutputBlock {
    /// Appends the block to `bytes`: [`Encoding::output_block_bytes`] of them.
    pub fn write(&self, encoding: &Encoding, bytes: &mut Vec<u8>) {
        bytes.extend((self.rows as u32).to_le_bytes());
        for ciphertext in &self.ciphertexts {
            bytes.extend(pack(&ciphertext.mask, encoding.output_bits()));
            bytes.extend(pack(&ciphertext.bodies, encoding.output_bits()));
        }
    }

    /// The block that these bytes hold.
    ///
    /// # Errors
    /// If they are not exactly one block.
    pub fn read(encoding: &Encoding, bytes: &[u8]) -> Result<Self> {
        let rows = read_rows(encoding, bytes, Encoding::output_block_bytes)?;
        let mut rest = bytes.split_at(COUNT_BYTES).1;
        let mut take = |count: usize| {
            let (values, tail) = rest.split_at_checked(packed_bytes(count, encoding.output_bits()))?;
            rest = tail;
            unpack(values, count, encoding.output_bits())
        };
        let size = encoding.mask_len();
        let shape = encoding.output_shape(rows).into_iter();
        let ciphertexts = shape.map(|count| Some(SwitchedRing { mask: take(size)?, bodies: take(count)? }));
        let ciphertexts = ciphertexts.collect::<Option<_>>().context("a ciphertext is malformed")?;
        Ok(Self { rows, ciphertexts })
    }
}

fn read_rows(encoding: &Encoding, bytes: &[u8], size: fn(&Encoding, usize) -> usize) -> Result<usize> {
    let count = bytes.first_chunk::<COUNT_BYTES>().context("a block is cut short")?;
    let (rows, most) = (u32::from_le_bytes(*count) as usize, encoding.rows_per_block());
    if rows == 0 || rows > most {
        bail!("a block says it holds {rows} rows, it can hold 1 to {most}");
    }
    if bytes.len() != size(encoding, rows) {
        bail!("a block of {rows} rows has {} bytes, this one {}", size(encoding, rows), bytes.len());
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::circuit::{Messages, PackedRows};
    use crate::crypto::RingParameters;

    #[test]
    fn a_block_of_another_size_is_refused() {
        let parameters = RingParameters::secure(2048).unwrap();
        let rows = PackedRows::new(parameters, (3, 1), Messages::new(30).unwrap(), 50, 40).unwrap();
        let encoding = Encoding::Rows(rows);
        let mut bytes = vec![0; encoding.input_block_bytes(2)];
        bytes[0] = 3;
        let message = InputBlock::read(&encoding, &bytes).unwrap_err().to_string();
        assert!(message.contains("3 rows"), "{message}");
        assert!(InputBlock::read(&encoding, &[0; 3]).is_err());
    }
}
