//! Writing an artifact of equal blocks over several runs of the program.

use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};
use tempfile::TempPath;

use super::container::{self, CHECKSUM_BYTES};
use super::output::{explain, folder_of, name_error, open_or_create, refuse_existing};
use super::{Checksum, Header};

/// Writes the payload of an artifact beside its final name, block by whole block.
///
/// What is there stays when the process ends, at `<path>.partial`, and the next writer with the same
/// header goes on after it. The header names the source, so results of other inputs cannot mix.
pub struct ResumableWriter {
    path: PathBuf,
    partial: PathBuf,
    file: File,
    hash: Sha256,
    block: Vec<u8>,
    block_bytes: usize,
    whole_blocks: u64,
    existing: u64,
    bytes: u64,
}

impl ResumableWriter {
    /// Begins an artifact computed from `source`, or goes on with one that was begun; its payload
    /// will have `whole_blocks` blocks of equal length and perhaps a shorter one after them.
    ///
    /// # Errors
    /// If there is a file at `path`; if what was begun has another header or source, or is being
    /// written by another process.
    pub fn open(
        path: &Path,
        header: &Header,
        source: Checksum,
        block_bytes: usize,
        whole_blocks: u64,
    ) -> Result<Self> {
        ensure!(block_bytes > 0, "blocks of 0 bytes");
        refuse_existing(path)?;
        folder_of(path)?;
        let mut header = header.clone();
        header.source = Some(source);
        let partial = partial_path(path);
        let file = open_or_create(&partial).map_err(|error| explain(&partial, error))?;
        lock(&file, &partial)?;
        let preamble = container::preamble(&header)?;
        let mut writer = Self {
            path: path.to_owned(),
            partial,
            file,
            hash: Sha256::new(),
            block: Vec::with_capacity(block_bytes),
            block_bytes,
            whole_blocks,
            existing: 0,
            bytes: preamble.len() as u64,
        };
        writer.begin_or_resume(&preamble)?;
        Ok(writer)
    }

    /// The bytes of payload that an earlier process wrote; the next byte written comes after them.
    pub fn existing(&self) -> u64 {
        self.existing
    }

    /// Writes the last block, which may be shorter, adds the checksum and gives the file its name.
    /// Gives its size in bytes.
    ///
    /// # Errors
    /// If the rest cannot be written, or a file of that name has come up meanwhile.
    pub fn finish(mut self) -> Result<u64> {
        let whole_bytes = self.bytes;
        self.write_block()?;
        let checksum = std::mem::take(&mut self.hash).finalize();
        self.file
            .write_all(&checksum)
            .and_then(|()| self.file.sync_all())
            .map_err(|error| explain(&self.partial, error))?;
        if let Err(error) = publish(&self.partial, &self.path) {
            // Without its checksum the partial file can be gone on with; the first error is told.
            let _ = self.file.set_len(whole_bytes);
            return Err(error);
        }
        Ok(self.bytes + CHECKSUM_BYTES)
    }

    fn begin_or_resume(&mut self, preamble: &[u8]) -> Result<()> {
        let mut begun = Vec::new();
        (&self.file)
            .take(preamble.len() as u64)
            .read_to_end(&mut begun)
            .with_context(|| format!("cannot read '{}'", self.partial.display()))?;
        if begun == preamble {
            return self.resume();
        }
        // A header that was torn is begun anew.
        if preamble.starts_with(&begun) {
            return self.begin(preamble);
        }
        bail!(
            "cannot go on with '{}': it was begun with other files or another version\n\
             hint: remove it to begin anew",
            self.partial.display()
        )
    }

    fn begin(&mut self, preamble: &[u8]) -> Result<()> {
        self.hash.update(preamble);
        self.file
            .set_len(0)
            .and_then(|()| self.file.rewind())
            .and_then(|()| self.file.write_all(preamble))
            .map_err(|error| explain(&self.partial, error).into())
    }

    /// Hashes what is there up to the last whole block, and drops what comes after it.
    fn resume(&mut self) -> Result<()> {
        let found = self.file.metadata().map_err(|error| explain(&self.partial, error))?.len();
        let block_bytes = self.block_bytes as u64;
        // `bytes` is the length of the preamble, which has just been read. What an interrupted finish
        // left after the last whole block is written again.
        self.existing = ((found - self.bytes) / block_bytes).min(self.whole_blocks) * block_bytes;
        self.bytes += self.existing;
        self.file
            .set_len(self.bytes)
            .and_then(|()| hash_from_start(&mut self.file, &mut self.hash))
            .map_err(|error| explain(&self.partial, error).into())
    }

    fn write_block(&mut self) -> io::Result<()> {
        if let Err(error) = self.file.write_all(&self.block) {
            // A torn block must not stand before a later one.
            let _ = self.file.set_len(self.bytes).and_then(|()| self.file.seek(SeekFrom::Start(self.bytes)));
            return Err(explain(&self.partial, error));
        }
        self.hash.update(&self.block);
        self.bytes += self.block.len() as u64;
        self.block.clear();
        Ok(())
    }
}

impl Write for ResumableWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(self.block_bytes - self.block.len());
        // `count` is at most the length of `bytes`.
        self.block.extend_from_slice(&bytes[..count]);
        if self.block.len() == self.block_bytes {
            self.write_block()?;
        }
        Ok(count)
    }

    /// Nothing to do: whole blocks are written at once, others not at all.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn partial_path(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".partial");
    name.into()
}

fn lock(file: &File, partial: &Path) -> Result<()> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => {
            bail!("'{}' is being written by another process\nhint: wait for it to end", partial.display())
        }
        // A file system without locks: two writers at once are then the user's own care.
        Err(TryLockError::Error(_)) => Ok(()),
    }
}

fn hash_from_start(file: &mut File, hash: &mut Sha256) -> io::Result<()> {
    file.rewind()?;
    let mut chunk = vec![0; 1 << 18];
    loop {
        let count = file.read(&mut chunk)?;
        if count == 0 {
            return Ok(());
        }
        // `read` gives at most the length of the buffer.
        hash.update(&chunk[..count]);
    }
}

/// Gives the partial file its final name; if that fails, it stays what it was.
fn publish(partial: &Path, path: &Path) -> Result<()> {
    let named = TempPath::try_from_path(partial).map_err(|error| explain(path, error))?;
    named.persist_noclobber(path).map_err(|error| {
        let mut kept = error.path;
        kept.disable_cleanup(true);
        name_error(path, error.error)
    })
}
