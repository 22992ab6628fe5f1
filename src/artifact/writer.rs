//! Writing an artifact in one go.

use std::io::{self, Write};
use std::path::Path;

use anyhow::Result;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::container::{self, CHECKSUM_BYTES};
use super::output::name_all;
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
        let (output, bytes) = self.seal()?;
        output.finish()?;
        Ok(bytes)
    }

    /// Finishes artifacts of which none is of use without the others: all get their names, or none.
    /// Gives their sizes in bytes.
    ///
    /// # Errors
    /// As [`Writer::finish`].
    pub fn finish_all(writers: Vec<Self>) -> Result<Vec<u64>> {
        let mut sizes = Vec::with_capacity(writers.len());
        let mut files = Vec::with_capacity(writers.len());
        for writer in writers {
            let (output, bytes) = writer.seal()?;
            files.push(output.sync()?);
            sizes.push(bytes);
        }
        name_all(files)?;
        Ok(sizes)
    }

    fn seal(self) -> Result<(OutputFile, u64)> {
        let Self { mut output, hash, bytes } = self;
        output.write_all(&hash.finalize())?;
        Ok((output, bytes + CHECKSUM_BYTES))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::Kind;

    #[test]
    fn a_set_gets_all_its_names_or_none() {
        let folder = tempfile::tempdir().unwrap();
        let begin = |name: &str| {
            Writer::create(&folder.path().join(name), &Header::new(Kind::Server), Access::Public).unwrap()
        };
        let count = || std::fs::read_dir(folder.path()).unwrap().count();
        let set = vec![begin("a"), begin("b"), begin("c")];
        std::fs::write(folder.path().join("b"), "first").unwrap();
        let message = Writer::finish_all(set).unwrap_err().to_string();
        assert!(message.starts_with("refusing to overwrite") && message.contains("/b'"), "{message}");
        assert_eq!(count(), 1);

        let sizes = Writer::finish_all(vec![begin("a"), begin("c")]).unwrap();
        assert_eq!(sizes[0], std::fs::metadata(folder.path().join("a")).unwrap().len());
        assert_eq!(count(), 3);
    }
}
