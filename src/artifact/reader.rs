//! Reading an artifact: cheap refusals first, the payload only when it is asked for.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use super::container::{self, CHECKSUM_BYTES};
use super::error::{Error, Problem};
use super::{BlockSize, Checksum, CircuitId, Header, KeyId, Kind, codec};
use crate::progress::{Progress, Silent};

const CHUNK_BYTES: usize = 1 << 18;

/// An open artifact whose header has been checked.
pub struct Reader {
    path: PathBuf,
    file: File,
    header: Header,
    payload_start: u64,
    payload_len: u64,
    verified: Cell<bool>,
}

impl Reader {
    /// Opens a file and checks all that can be checked without reading the payload.
    ///
    /// # Errors
    /// If it cannot be opened; an [`Error`] if it is not an artifact this version reads.
    pub fn open(path: &Path) -> Result<Self> {
        let (mut file, file_bytes) =
            open_file(path).with_context(|| format!("cannot open '{}'", path.display()))?;
        let preamble = container::read_preamble(&mut file, file_bytes)
            .with_context(|| format!("cannot read '{}'", path.display()))?;
        let checked = preamble.and_then(|(header, payload_start)| {
            let payload_len = payload_len(&header, payload_start, file_bytes)?;
            Ok((header, payload_start, payload_len))
        });
        let (header, payload_start, payload_len) = checked.map_err(|problem| Error::new(path, problem))?;
        let verified = Cell::new(false);
        Ok(Self { path: path.to_owned(), file, header, payload_start, payload_len, verified })
    }

    /// What the file says of itself.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The size of the payload in bytes.
    pub fn payload_len(&self) -> u64 {
        self.payload_len
    }

    /// The size of the file in bytes.
    pub fn file_len(&self) -> u64 {
        self.payload_start + self.payload_len + CHECKSUM_BYTES
    }

    /// Refuses a file of another kind.
    ///
    /// # Errors
    /// An [`Error`] that names both kinds.
    pub fn require(&self, kind: Kind) -> Result<()> {
        if self.header.kind == kind {
            return Ok(());
        }
        Err(self.error(Problem::WrongKind { expected: kind, found: self.header.kind }))
    }

    /// Refuses a file that belongs to another circuit than the file `other`, whose circuit is `circuit`.
    ///
    /// # Errors
    /// An [`Error`] that names both circuits.
    pub fn require_circuit(&self, circuit: CircuitId, other: &Path) -> Result<()> {
        let found = self.header.circuit;
        if found == Some(circuit) {
            return Ok(());
        }
        Err(self.error(Problem::OtherCircuit { found, expected: circuit, other: other.to_owned() }))
    }

    /// Refuses a file that belongs to other keys than the file `other`, whose keys are `key`.
    ///
    /// # Errors
    /// An [`Error`] that names both keys.
    pub fn require_key(&self, key: KeyId, other: &Path) -> Result<()> {
        let (kind, found) = (self.header.kind, self.header.key);
        if found == Some(key) {
            return Ok(());
        }
        Err(self.error(Problem::OtherKey { kind, found, expected: key, other: other.to_owned() }))
    }

    /// Compares the checksum with every byte of the file.
    ///
    /// # Errors
    /// An [`Error`] if they differ, or if the file cannot be read.
    pub fn verify(&self, progress: &dyn Progress) -> Result<()> {
        progress.begin(&format!("check '{}'", self.path.display()), Some(self.file_len()));
        let computed = self.compute_checksum(progress);
        progress.end();
        let computed = computed.with_context(|| format!("cannot read '{}'", self.path.display()))?;
        if computed != self.checksum()? {
            return Err(self.error(Problem::Checksum));
        }
        self.verified.set(true);
        Ok(())
    }

    /// The checksum at the end of the file; true only of a verified file.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn checksum(&self) -> Result<Checksum> {
        let mut bytes = [0; CHECKSUM_BYTES as usize];
        let mut file = &self.file;
        file.seek(SeekFrom::Start(self.payload_start + self.payload_len))
            .and_then(|_| file.read_exact(&mut bytes))
            .with_context(|| format!("cannot read '{}'", self.path.display()))?;
        Ok(Checksum::new(bytes))
    }

    /// The one value that the whole payload encodes. Verifies the file first if that was not done.
    ///
    /// # Errors
    /// An [`Error`] if the file is damaged or the payload encodes something else.
    pub fn decode<T: DeserializeOwned>(&mut self) -> Result<T> {
        if !self.verified.get() {
            self.verify(&Silent)?;
        }
        let bytes = self.payload_len;
        let value = codec::read(&mut self.payload()?, bytes);
        value.map_err(|reason| self.error(Problem::Payload { reason }))
    }

    /// The payload as a stream, from its beginning; call [`Reader::verify`] first.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn payload(&mut self) -> Result<impl Read + '_> {
        self.payload_from(0)
    }

    /// The payload as a stream, from `offset` on (or empty, if it ends before).
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn payload_from(&mut self, offset: u64) -> Result<impl Read + '_> {
        let offset = offset.min(self.payload_len);
        self.file
            .seek(SeekFrom::Start(self.payload_start + offset))
            .with_context(|| format!("cannot read '{}'", self.path.display()))?;
        Ok(BufReader::with_capacity(CHUNK_BYTES, &self.file).take(self.payload_len - offset))
    }

    /// `len` bytes of the payload from `offset` on.
    ///
    /// # Errors
    /// If they are not all inside the payload, or the file cannot be read.
    pub fn read_at(&mut self, offset: u64, len: usize) -> Result<Vec<u8>> {
        let inside = offset.checked_add(len as u64).is_some_and(|end| end <= self.payload_len);
        if !inside {
            bail!(
                "cannot read {len} bytes at {offset} of '{}': its payload has {} bytes",
                self.path.display(),
                self.payload_len
            );
        }
        let mut bytes = vec![0; len];
        self.file
            .seek(SeekFrom::Start(self.payload_start + offset))
            .and_then(|_| self.file.read_exact(&mut bytes))
            .with_context(|| format!("cannot read '{}'", self.path.display()))?;
        Ok(bytes)
    }

    /// The number of full blocks before the last one, and the rows and bytes of that one.
    ///
    /// # Errors
    /// If the payload is empty, or its last block cannot have so many rows.
    pub fn last_block(&mut self, size: BlockSize) -> Result<(u64, usize, u64)> {
        let name = self.path.display().to_string();
        let Some(before) = self.payload_len.checked_sub(1).map(|bytes| bytes / size.bytes.max(1)) else {
            bail!("'{name}' holds no rows");
        };
        let bytes = self.payload_len - before * size.bytes;
        let head = self.read_at(before * size.bytes, 4.min(bytes as usize))?;
        let head: [u8; 4] = head.try_into().ok().with_context(|| format!("'{name}' ends inside a block"))?;
        let rows = u32::from_le_bytes(head);
        if rows == 0 || u64::from(rows) > size.rows {
            bail!("'{name}': its last block says it holds {rows} rows, a block holds 1 to {}", size.rows);
        }
        Ok((before, rows as usize, bytes))
    }

    fn compute_checksum(&self, progress: &dyn Progress) -> io::Result<Checksum> {
        let mut file = &self.file;
        file.rewind()?;
        let mut rest = file.take(self.payload_start + self.payload_len);
        let mut hash = Sha256::new();
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let count = rest.read(&mut chunk)?;
            if count == 0 {
                return Ok(Checksum::new(hash.finalize().into()));
            }
            // `read` gives at most the length of the buffer.
            hash.update(&chunk[..count]);
            progress.advance(count as u64);
        }
    }

    fn error(&self, problem: Problem) -> anyhow::Error {
        Error::new(&self.path, problem).into()
    }
}

fn open_file(path: &Path) -> io::Result<(File, u64)> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder"));
    }
    Ok((file, metadata.len()))
}

fn payload_len(header: &Header, payload_start: u64, file_bytes: u64) -> Result<u64, Problem> {
    let Some(bytes) = file_bytes.checked_sub(payload_start + CHECKSUM_BYTES) else {
        return Err(Problem::TooShort { bytes: file_bytes });
    };
    let (kind, limit) = (header.kind, header.kind.max_payload_bytes());
    if bytes > limit {
        return Err(Problem::OverLimit { kind, bytes, limit });
    }
    Ok(bytes)
}
