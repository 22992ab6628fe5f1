//! The header of an npy file: element type, order of axes, shape.
//!
//! numpy writes the header as a Python dictionary. Only what numpy itself writes is understood
//! here: a parser of any Python literal would be open to deep nesting and overflowing shapes.

use std::io::{self, Read};

use anyhow::{Context, Result, bail, ensure};

use super::element::Element;
use crate::tensor::cell::excerpt;

/// The first bytes of every npy file.
pub(in crate::tensor) const MAGIC: &[u8] = b"\x93NUMPY";

/// What the header of an npy file says.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Header {
    pub element: Element,
    pub fortran: bool,
    pub shape: Vec<u64>,
    /// Where the values begin in the file.
    pub data_start: u64,
}

impl Header {
    /// Reads the header; the reader then stands at the first value.
    ///
    /// # Errors
    /// If this is no npy header, or its elements are of a type that cannot be read.
    pub(super) fn read(reader: &mut impl Read) -> Result<Self> {
        let mut start = [0; 8];
        let complete = filled(reader, &mut start)?;
        let [magic @ .., major, _minor] = start;
        ensure!(complete && magic == *MAGIC, "it is not an npy file (it does not begin as one)");
        let (width, length) = match major {
            1 => (2, u64::from(u16::from_le_bytes(bytes(reader)?))),
            2 | 3 => (4, u64::from(u32::from_le_bytes(bytes(reader)?))),
            other => bail!("it has npy version {other}, known are 1 to 3"),
        };
        let text = header_text(reader, length)?;
        Self::parse(&text, 8 + width + length)
    }

    fn parse(text: &str, data_start: u64) -> Result<Self> {
        let (mut descr, mut fortran, mut shape) = (None, None, None);
        let mut scanner = Scanner { rest: text };
        scanner.take('{')?;
        while !scanner.eat('}') {
            let key = scanner.string()?;
            scanner.take(':')?;
            match key {
                "descr" => descr = Some(scanner.descr()?),
                "fortran_order" => fortran = Some(scanner.truth()?),
                "shape" => shape = Some(scanner.shape()?),
                other => bail!("its header has an unknown key '{}'", excerpt(other)),
            }
            if !scanner.eat(',') {
                scanner.take('}')?;
                break;
            }
        }
        ensure!(scanner.rest.trim().is_empty(), "its header goes on after the closing '}}'");
        Ok(Self {
            element: Element::parse(descr.context("its header does not name an element type ('descr')")?)?,
            fortran: fortran.context("its header does not say 'fortran_order'")?,
            shape: shape.context("its header does not give a shape")?,
            data_start,
        })
    }

    /// The number of bytes that the values take, if it can be told.
    pub(super) fn data_bytes(&self) -> Option<u64> {
        let size = self.element.size() as u64;
        self.shape.iter().try_fold(size, |bytes, &length| bytes.checked_mul(length))
    }
}

fn header_text(reader: &mut impl Read, length: u64) -> Result<String> {
    const MOST: u64 = 1 << 16;
    ensure!(length <= MOST, "its header claims {length} bytes, at most {MOST} are allowed");
    let mut text = Vec::new();
    reader.take(length).read_to_end(&mut text)?;
    ensure!(text.len() as u64 == length, "it ends within its header, after {} of {length} bytes", text.len());
    String::from_utf8(text).context("its header is not text")
}

fn bytes<const N: usize>(reader: &mut impl Read) -> Result<[u8; N]> {
    let mut bytes = [0; N];
    ensure!(filled(reader, &mut bytes)?, "it ends within its header");
    Ok(bytes)
}

/// Whether there were enough bytes to fill the buffer.
fn filled(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match reader.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

struct Scanner<'a> {
    rest: &'a str,
}

impl<'a> Scanner<'a> {
    fn eat(&mut self, wanted: char) -> bool {
        self.rest = self.rest.trim_start();
        match self.rest.strip_prefix(wanted) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn take(&mut self, wanted: char) -> Result<()> {
        ensure!(self.eat(wanted), "its header is damaged: expected '{wanted}' at '{}'", excerpt(self.rest));
        Ok(())
    }

    fn string(&mut self) -> Result<&'a str> {
        let quote = if self.eat('"') { '"' } else { '\'' };
        if quote == '\'' {
            self.take(quote)?;
        }
        let (text, rest) =
            self.rest.split_once(quote).context("its header is damaged: a quote is left open")?;
        self.rest = rest;
        Ok(text)
    }

    fn descr(&mut self) -> Result<&'a str> {
        if self.eat('[') {
            bail!(
                "it holds a structured array\nhint: save each of its fields as an array of its own in an npz file"
            );
        }
        self.string()
    }

    fn word(&mut self) -> &'a str {
        let text = self.rest.trim_start();
        let end = text.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(text.len());
        let (word, rest) = text.split_at(end);
        self.rest = rest;
        word
    }

    fn truth(&mut self) -> Result<bool> {
        match self.word() {
            "True" => Ok(true),
            "False" => Ok(false),
            other => bail!("its header is damaged: expected True or False, found '{}'", excerpt(other)),
        }
    }

    fn shape(&mut self) -> Result<Vec<u64>> {
        /// numpy's own limit on the number of axes.
        const MOST_AXES: usize = 64;
        let mut shape = Vec::new();
        self.take('(')?;
        while !self.eat(')') {
            let word = self.word();
            let length = word.parse().ok();
            shape.push(
                length.with_context(|| {
                    format!("its header is damaged: '{}' is no axis length", excerpt(word))
                })?,
            );
            ensure!(shape.len() <= MOST_AXES, "its header gives more than {MOST_AXES} axes");
            if !self.eat(',') {
                self.take(')')?;
                break;
            }
        }
        Ok(shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Header> {
        Header::parse(text, 0)
    }

    #[test]
    fn numpys_own_headers_are_understood() {
        let header = parse("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }      \n").unwrap();
        assert_eq!((header.fortran, header.shape.as_slice()), (false, &[3, 4][..]));
        assert_eq!(header.data_bytes(), Some(48));
        assert_eq!(parse("{'shape': (7,), 'fortran_order': True, 'descr': '>i8'}").unwrap().shape, [7]);
        assert_eq!(parse("{'descr': '|b1', 'fortran_order': False, 'shape': ()}").unwrap().shape, [0_u64; 0]);
    }

    #[test]
    fn shapes_that_overflow_have_no_size() {
        let text =
            "{'descr': '<f8', 'fortran_order': False, 'shape': (9000000000000000000, 9000000000000000000)}";
        assert_eq!(parse(text).unwrap().data_bytes(), None);
    }

    #[test]
    fn every_lie_has_its_own_message() {
        let lies = [
            ("", "its header is damaged: expected '{' at ''"),
            ("{'descr': '<f4'", "its header is damaged: expected '}' at ''"),
            ("{'descr: 1", "its header is damaged: a quote is left open"),
            ("{'descr': '<f4', 'fortran_order': False}", "its header does not give a shape"),
            ("{'shape': (-1,)}", "its header is damaged: '' is no axis length"),
            (
                "{'shape': (99999999999999999999,)}",
                "its header is damaged: '99999999999999999999' is no axis length",
            ),
            ("{'fortran_order': 1}", "its header is damaged: expected True or False, found '1'"),
            ("{'size': 1}", "its header has an unknown key 'size'"),
        ];
        for (text, message) in lies {
            assert_eq!(parse(text).unwrap_err().to_string(), message);
        }
        let message = parse("{'descr': [('a', '<f4')], 'shape': (1,)}").unwrap_err().to_string();
        assert!(message.starts_with("it holds a structured array\nhint: "), "{message}");
    }
}
