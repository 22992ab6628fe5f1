//! The encoding of structured payloads. The only room of bincode.

use std::io::{Read, Write};

use anyhow::{Context, Result};
use bincode::Options;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The encoding of a value: the same value always gives the same bytes.
///
/// # Errors
/// If the value has a sequence of unknown length.
pub fn to_bytes(value: &impl Serialize) -> Result<Vec<u8>> {
    options().serialize(value).context("cannot encode the value")
}

/// The value that exactly these bytes encode.
///
/// # Errors
/// If they encode no such value, or something is left over.
pub fn from_bytes<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    read(&mut &*bytes, bytes.len() as u64).map_err(anyhow::Error::msg)
}

/// Writes the encoding of a value.
pub(super) fn write(writer: &mut impl Write, value: &impl Serialize) -> Result<()> {
    options().serialize_into(writer, value).map_err(|error| match *error {
        bincode::ErrorKind::Io(error) => error.into(),
        other => anyhow::Error::new(other).context("cannot encode the value"),
    })
}

/// Reads one value that takes up all of the `bytes` bytes of the reader.
pub(super) fn read<T: DeserializeOwned>(reader: &mut impl Read, bytes: u64) -> Result<T, String> {
    let mut counted = Counted { reader, bytes: 0 };
    let value =
        options().with_limit(bytes).deserialize_from(&mut counted).map_err(|error| sentence(*error))?;
    match bytes - counted.bytes.min(bytes) {
        0 => Ok(value),
        left => Err(format!("{left} bytes are left over")),
    }
}

fn options() -> impl Options {
    bincode::DefaultOptions::new().with_fixint_encoding().with_little_endian()
}

fn sentence(error: bincode::ErrorKind) -> String {
    match error {
        bincode::ErrorKind::SizeLimit => "it claims to be longer than it is".to_owned(),
        bincode::ErrorKind::Io(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            "it ends early".to_owned()
        }
        other => other.to_string(),
    }
}

/// Counts what is read.
struct Counted<R> {
    reader: R,
    bytes: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.bytes += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_is_identity() {
        let value = (7_u32, vec![1.5_f64, -0.0], Some("text".to_owned()));
        assert_eq!(from_bytes::<(u32, Vec<f64>, Option<String>)>(&to_bytes(&value).unwrap()).unwrap(), value);
    }

    #[test]
    fn too_little_and_too_much_are_refused() {
        let mut bytes = to_bytes(&vec![1_u64, 2, 3]).unwrap();
        bytes.push(0);
        assert_eq!(from_bytes::<Vec<u64>>(&bytes).unwrap_err().to_string(), "1 bytes are left over");
        bytes.truncate(20);
        assert!(from_bytes::<Vec<u64>>(&bytes).is_err());
    }

    #[test]
    fn a_false_length_allocates_nothing() {
        let bytes = u64::MAX.to_le_bytes();
        assert!(from_bytes::<Vec<u64>>(&bytes).is_err());
        assert!(from_bytes::<String>(&bytes).is_err());
    }
}
