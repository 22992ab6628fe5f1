//! The layout of the container: magic, length, header; the payload's place follows from them.

use std::io::{self, Read};

use super::Header;
use super::error::Problem;
use super::header::MAX_HEADER_BYTES;

/// The first bytes of every artifact. A transfer that changes line ends or strips the high bit breaks them.
pub(super) const MAGIC: [u8; 8] = *b"\x89FHEML\r\n";

/// The length of the checksum at the end.
pub(super) const CHECKSUM_BYTES: u64 = 32;

const LENGTH_BYTES: u64 = 4;

/// The bytes before the payload.
pub(super) fn preamble(header: &Header) -> anyhow::Result<Vec<u8>> {
    let json = serde_json::to_vec(header)?;
    let length = match u32::try_from(json.len()) {
        Ok(length) if json.len() <= MAX_HEADER_BYTES => length,
        Ok(_) | Err(_) => {
            anyhow::bail!("the header has {} bytes, at most {MAX_HEADER_BYTES} fit", json.len())
        }
    };
    Ok([&MAGIC[..], &length.to_le_bytes(), &json].concat())
}

/// Reads the bytes before the payload of a file of `file_bytes` bytes, the cheapest refusal first.
/// Gives the header and where the payload begins.
pub(super) fn read_preamble(
    file: &mut impl Read,
    file_bytes: u64,
) -> io::Result<Result<(Header, u64), Problem>> {
    let mut start = Vec::new();
    file.by_ref().take(MAGIC.len() as u64 + LENGTH_BYTES).read_to_end(&mut start)?;
    let json_bytes = match header_length(&start, file_bytes) {
        Ok(length) => u64::from(length),
        Err(problem) => return Ok(Err(problem)),
    };
    let mut json = Vec::new();
    file.by_ref().take(json_bytes).read_to_end(&mut json)?;
    if (json.len() as u64) < json_bytes {
        return Ok(Err(Problem::TooShort { bytes: file_bytes }));
    }
    let payload_start = MAGIC.len() as u64 + LENGTH_BYTES + json_bytes;
    Ok(Header::parse(&json).map(|header| (header, payload_start)))
}

fn header_length(start: &[u8], file_bytes: u64) -> Result<u32, Problem> {
    if start.is_empty() {
        return Err(Problem::Empty);
    }
    let Some((magic, length)) = start.split_first_chunk::<8>() else {
        return Err(if MAGIC.starts_with(start) {
            Problem::TooShort { bytes: file_bytes }
        } else {
            Problem::NotAnArtifact
        });
    };
    if *magic != MAGIC {
        return Err(Problem::NotAnArtifact);
    }
    let Ok(length) = length.try_into().map(u32::from_le_bytes) else {
        return Err(Problem::TooShort { bytes: file_bytes });
    };
    if length as usize > MAX_HEADER_BYTES {
        return Err(Problem::HeaderTooLong { bytes: length });
    }
    Ok(length)
}
