//! The elements of a JSON array, cut out one by one as they are read.

use std::io::{BufRead, BufReader};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::tensor::cell::excerpt;
use crate::tensor::csv::MOST_BYTES;
use crate::tensor::source::Input;

/// Reads a JSON array element by element, with memory for one element.
pub(super) struct Elements {
    label: String,
    reader: BufReader<Input>,
    read: u64,
    done: bool,
}

impl Elements {
    /// Reads on after the array's opening bracket, which must come next.
    ///
    /// # Errors
    /// If reading fails.
    pub(super) fn open(label: String, input: Input) -> Result<Self> {
        let mut elements = Self { label, reader: BufReader::new(input), read: 0, done: false };
        elements.skip_blanks()?;
        elements.reader.consume(1);
        Ok(elements)
    }

    fn read(&mut self) -> Result<Option<Value>> {
        let (text, end) = self.cut_out()?;
        let blank = text.trim_ascii().is_empty();
        if end == b']' {
            self.done = true;
            self.expect_end()?;
            if blank && self.read == 0 {
                return Ok(None);
            }
        }
        self.read += 1;
        ensure!(!blank, "cannot read {}, row {}: nothing stands between the commas", self.label, self.read);
        parse(&text).with_context(|| format!("cannot read {}, row {}", self.label, self.read)).map(Some)
    }

    /// The bytes of the next element, and the comma or bracket after it.
    fn cut_out(&mut self) -> Result<(Vec<u8>, u8)> {
        let mut element = Vec::new();
        let mut scan = Scan::default();
        loop {
            let ahead = self.reader.fill_buf().with_context(|| format!("cannot read {}", self.label))?;
            if ahead.is_empty() {
                bail!(
                    "cannot read {}: it ends within row {}, its array is not closed",
                    self.label,
                    self.read + 1
                );
            }
            let end = ahead.iter().position(|&byte| scan.ends_at(byte));
            let (part, _) = ahead.split_at(end.unwrap_or(ahead.len()));
            element.extend_from_slice(part);
            let last = end.and_then(|end| ahead.get(end).copied());
            let used = part.len() + usize::from(last.is_some());
            self.reader.consume(used);
            if let Some(last) = last {
                return Ok((element, last));
            }
            if element.len() as u64 > MOST_BYTES {
                bail!("cannot read {}: row {} is longer than {MOST_BYTES} bytes", self.label, self.read + 1);
            }
        }
    }

    fn expect_end(&mut self) -> Result<()> {
        self.skip_blanks()?;
        let more = !self.reader.fill_buf()?.is_empty();
        ensure!(!more, "cannot read {}: it goes on after the array of rows", self.label);
        Ok(())
    }

    fn skip_blanks(&mut self) -> Result<()> {
        loop {
            let ahead = self.reader.fill_buf().with_context(|| format!("cannot read {}", self.label))?;
            let blanks = ahead.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            let only_blanks = blanks > 0 && blanks == ahead.len();
            self.reader.consume(blanks);
            if !only_blanks {
                return Ok(());
            }
        }
    }
}

impl Iterator for Elements {
    type Item = Result<Value>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done { None } else { self.read().transpose() }
    }
}

/// Parses JSON text, and says what to do about the words that Python writes for NaN.
///
/// # Errors
/// If it is no JSON.
pub(super) fn parse(text: &[u8]) -> Result<Value> {
    let error = match serde_json::from_slice(text) {
        Ok(value) => return Ok(value),
        Err(error) => error,
    };
    let text = String::from_utf8_lossy(text);
    let hint = if ["NaN", "Infinity"].iter().any(|word| text.contains(word)) {
        "\nhint: JSON has neither NaN nor infinity: write null for a missing value"
    } else {
        ""
    };
    bail!("'{}' is not JSON: {error}{hint}", excerpt(text.trim()))
}

/// How deep a scan is in brackets and strings.
#[derive(Default)]
struct Scan {
    depth: u64,
    in_string: bool,
    escaped: bool,
}

impl Scan {
    /// Takes one more byte, and says whether it ends the element.
    fn ends_at(&mut self, byte: u8) -> bool {
        if self.in_string {
            let closes = byte == b'"' && !self.escaped;
            self.escaped = byte == b'\\' && !self.escaped;
            self.in_string = !closes;
            return false;
        }
        match byte {
            b',' | b']' if self.depth == 0 => return true,
            b'"' => self.in_string = true,
            b'[' | b'{' => self.depth += 1,
            b']' | b'}' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        false
    }
}
