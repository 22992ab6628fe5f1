//! Which format data are in: by the file's extension, or else by the first bytes.

use std::path::Path;

use anyhow::{Context, Result, bail};

use super::npy;
use super::source::{Input, Source};

/// The format of data to read.
pub(super) enum Kind<'a> {
    Csv,
    Json,
    /// An npy file of this many bytes.
    Npy(u64),
    Npz(&'a Path),
}

impl<'a> Kind<'a> {
    /// The format of the data that `source` names and `input` reads.
    ///
    /// # Errors
    /// If reading fails, or the data are of a kind that only a regular file can hold.
    pub(super) fn of(source: &'a Source, input: &mut Input) -> Result<Self> {
        let extension = match source {
            Source::File(path) => path.extension().map(|extension| extension.to_ascii_lowercase()),
            Source::Stdin => None,
        };
        match (source, extension.as_ref().and_then(|extension| extension.to_str())) {
            (_, Some("csv" | "tsv")) => Ok(Self::Csv),
            (_, Some("json")) => Ok(Self::Json),
            (Source::File(_), Some("npy")) => Self::npy(source, input),
            (Source::File(path), Some("npz")) => Ok(Self::Npz(path)),
            (Source::File(_) | Source::Stdin, _) => Self::sniff(source, input),
        }
    }

    fn sniff(source: &'a Source, input: &mut Input) -> Result<Self> {
        const ENOUGH: usize = 1 << 12;
        const ZIP: &[u8] = b"PK\x03\x04";
        const GZIP: &[u8] = b"\x1f\x8b";
        let label = source.label();
        input.skip_byte_order_mark().with_context(|| format!("cannot read {label}"))?;
        let head = input.peek(ENOUGH, |_| false).with_context(|| format!("cannot read {label}"))?;
        if head.starts_with(npy::MAGIC) {
            return Self::npy(source, input);
        }
        if head.starts_with(ZIP) {
            return match source {
                Source::File(path) => Ok(Self::Npz(path)),
                Source::Stdin => bail!("standard input holds an npz archive\nhint: give it as a file"),
            };
        }
        if head.starts_with(GZIP) {
            bail!("{label} is compressed with gzip\nhint: unpack it first, for example with gunzip");
        }
        match head.iter().find(|byte| !byte.is_ascii_whitespace()) {
            Some(b'[' | b'{') => Ok(Self::Json),
            Some(_) | None => Ok(Self::Csv),
        }
    }

    fn npy(source: &Source, input: &Input) -> Result<Self> {
        match (source, input.bytes()) {
            (Source::File(_), Some(bytes)) => Ok(Self::Npy(bytes)),
            (Source::File(_) | Source::Stdin, _) => {
                bail!("{} holds an npy array\nhint: give it as a file", source.label())
            }
        }
    }
}
