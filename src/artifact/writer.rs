//! Writing an artifact in one go.

use std::io::{self, Write};
use std::path::Path;

use anyhow::Result;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::container::{self, CHECKSUM_BYTES};
use super::{Access, Header, OutputFile, codec};

/// Writes the payload of a new artifact; [`Writer::finish`] makes it a file.
pub struct Writer {
    output: OutputFile,
    hash: Sha256,
    bytes: u64,
}

impl Writer {
    /// Begins an artifact.
    ///
    /// # Errors
    /// If there is a file at `path`, none can be made there, or the header is too long.
    pub fn create(path: &Path, header: &Header, access: Access) -> Result<Self> {
        let preamble = container::preamble(header)?;
        let output = OutputFile::create_with(path, access)?;
        let mut writer = Self { output, hash: Sha256::new(), bytes: 0 };
        writer.write_all(&preamble)?;
        Ok(writer)
    }

    /// Appends the encoding of a value.
    ///
    /// # Errors
    /// If it cannot be encoded or written.
    pub fn encode(&mut self, value: &impl Serialize) -> Result<()> {
        codec::write(self, value)
    }

    /// Adds the checksum and gives the file its name. Gives its size in bytes.
    ///
    /// # Errors
    /// If the rest cannot be written, or a file of that name has come up meanwhile.
    pub fn finish(self) -> Result<u64> {
        let Self { mut output, hash, bytes } = self;
        output.write_all(&hash.finalize())?;
        output.finish()?;
        Ok(bytes + CHECKSUM_BYTES)
    }
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.output.write(bytes)?;
        // `write` gives at most the length of what it was given.
        self.hash.update(&bytes[..count]);
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}
