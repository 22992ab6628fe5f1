//! What unfinished work keeps of itself beside its output, to go on from.

use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use sha2::{Digest, Sha256};

use super::output::{explain, folder_of};
use super::pending::Pending;
use super::{Checksum, Header, Kind, Reader, container};
use crate::progress::Silent;

/// An artifact at `<path>.partial.wires`, replaced as a whole whenever work has come further.
pub struct Checkpoint {
    path: PathBuf,
    header: Header,
}

impl Checkpoint {
    /// That of the artifact of this path and header, computed from `source`.
    pub fn of(path: &Path, header: &Header, source: Checksum) -> Self {
        let mut name = OsString::from(path);
        name.push(".partial.wires");
        let mut own = Header::new(Kind::EncryptedWires);
        (own.circuit, own.key, own.source) = (header.circuit, header.key, Some(source));
        Self { path: name.into(), header: own }
    }

    /// Keeps `payload` after so many finished rows, in place of what was kept before.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn keep(&self, finished_rows: u64, payload: &[u8]) -> Result<()> {
        let preamble = container::preamble(&self.header_after(finished_rows))?;
        let folder = folder_of(&self.path)?;
        let create = || tempfile::Builder::new().prefix(".fhe-ml-").tempfile_in(folder);
        let (mut file, _pending) = Pending::create(create).map_err(|error| explain(&self.path, error))?;
        let mut hash = Sha256::new();
        let mut write = |bytes: &[u8]| {
            hash.update(bytes);
            file.write_all(bytes)
        };
        write(&preamble)
            .and_then(|()| write(payload))
            .and_then(|()| file.write_all(&hash.finalize()))
            .and_then(|()| file.as_file().sync_all())
            .map_err(|error| explain(&self.path, error))?;
        file.persist(&self.path).map_err(|error| explain(&self.path, error.error))?;
        Ok(())
    }

    /// What was kept after so many finished rows. What is damaged, or was kept of other work, is as good as
    /// nothing: it is computed again.
    pub fn kept(&self, finished_rows: u64) -> Option<Vec<u8>> {
        self.read(finished_rows).ok()
    }

    /// Removes what was kept; the work is done.
    pub fn remove(&self) {
        // Without a checkpoint there is nothing to remove, and one that stays is never read for other work.
        let _ = fs::remove_file(&self.path);
    }

    fn read(&self, finished_rows: u64) -> Result<Vec<u8>> {
        let mut reader = Reader::open(&self.path)?;
        ensure!(*reader.header() == self.header_after(finished_rows), "kept of other work");
        reader.verify(&Silent)?;
        let bytes = usize::try_from(reader.payload_len())?;
        reader.read_at(0, bytes)
    }

    fn header_after(&self, finished_rows: u64) -> Header {
        let mut header = self.header.clone();
        header.add_fact("rows finished before", finished_rows);
        header
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_kept_of_this_work_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let mut header = Header::new(Kind::EncryptedOutput);
        let source: Checksum = serde_json::from_str(&format!("\"{}\"", "7a".repeat(32))).unwrap();
        header.circuit = Some(crate::artifact::CircuitId::of(b"circuit"));
        let checkpoint = Checkpoint::of(&folder.path().join("y.ct"), &header, source);
        assert_eq!(checkpoint.kept(3), None);
        checkpoint.keep(2, b"early").unwrap();
        checkpoint.keep(3, b"wires").unwrap();
        assert_eq!(checkpoint.kept(3).unwrap(), b"wires");
        assert_eq!(checkpoint.kept(2), None);
        header.circuit = Some(crate::artifact::CircuitId::of(b"other"));
        assert_eq!(Checkpoint::of(&folder.path().join("y.ct"), &header, source).kept(3), None);

        let mut bytes = fs::read(&checkpoint.path).unwrap();
        let middle = bytes.len() - 34;
        bytes[middle] ^= 1;
        fs::write(&checkpoint.path, bytes).unwrap();
        assert_eq!(checkpoint.kept(3), None);
        checkpoint.remove();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
