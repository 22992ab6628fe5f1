//! A reader that bounds how much one record may take.

use std::io::{self, Read};

/// The most bytes of one row of text.
pub(in crate::tensor) const MOST_BYTES: u64 = 64 << 20;

/// Reads on until `MOST_BYTES` have come since the last restart.
pub(super) struct Limited<R> {
    reader: R,
    left: u64,
}

impl<R> Limited<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, left: MOST_BYTES }
    }

    /// Begins another record.
    pub(super) fn restart(&mut self) {
        self.left = MOST_BYTES;
    }
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.left = self
            .left
            .checked_sub(count as u64)
            .ok_or_else(|| io::Error::other(format!("a row is longer than {MOST_BYTES} bytes")))?;
        Ok(count)
    }
}
