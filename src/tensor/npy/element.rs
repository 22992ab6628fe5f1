//! The elements of an npy file: their types, and their bytes read as values.

use anyhow::{Context, Result, anyhow, bail};
use half::f16;
use npyz::{Endianness, TypeChar, TypeStr};

use crate::tensor::DType;
use crate::tensor::cell::{Cell, excerpt};

/// The type of an element as it lies in the file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Element {
    kind: Kind,
    size: usize,
    big_endian: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Bool,
    Signed,
    Unsigned,
    Float,
    Bytes,
    Unicode,
}

impl Element {
    /// The element type that a numpy type string such as `<f4` names.
    ///
    /// # Errors
    /// If it is none, or one that holds neither numbers nor text.
    pub(super) fn parse(descr: &str) -> Result<Self> {
        let parsed: TypeStr =
            descr.parse().map_err(|_| anyhow!("its element type '{}' is unknown", excerpt(descr)))?;
        let kind = match parsed.type_char() {
            TypeChar::Bool => Kind::Bool,
            TypeChar::Int => Kind::Signed,
            TypeChar::Uint => Kind::Unsigned,
            TypeChar::Float if parsed.size_field() <= 8 => Kind::Float,
            TypeChar::ByteStr => Kind::Bytes,
            TypeChar::UnicodeStr => Kind::Unicode,
            TypeChar::Object => bail!(
                "it holds Python objects (a pickle), which could run code when read\n\
                 hint: save mixed columns as csv, or convert with array.astype(float) or array.astype(str)"
            ),
            other => bail!(
                "its elements ('{descr}', type '{}') are neither plain numbers nor text\n\
                 hint: convert with array.astype('float64')",
                other.to_str()
            ),
        };
        let size = parsed.num_bytes().filter(|&size| size > 0);
        let size = size.with_context(|| format!("its element type '{descr}' has an absurd size"))?;
        Ok(Self { kind, size, big_endian: parsed.endianness() == Endianness::Big })
    }

    /// The number of bytes of one element.
    pub(super) fn size(self) -> usize {
        self.size
    }

    /// Whether elements are text.
    pub(super) fn is_text(self) -> bool {
        matches!(self.kind, Kind::Bytes | Kind::Unicode)
    }

    /// The type of elements that are floating-point numbers.
    pub(super) fn float_type(self) -> Option<DType> {
        match (self.kind, self.size) {
            (Kind::Float, 2) => Some(DType::F16),
            (Kind::Float, 4) => Some(DType::F32),
            (Kind::Float, 8) => Some(DType::F64),
            _ => None,
        }
    }

    /// The value that the bytes of one element hold, where `dtype` is expected.
    ///
    /// # Errors
    /// If the bytes are no text, or are text and no number where one is expected.
    pub(super) fn cell(self, bytes: &[u8], dtype: DType) -> Result<Cell> {
        match self.kind {
            Kind::Bool => Ok(Cell::Bool(bytes.iter().any(|&byte| byte != 0))),
            Kind::Signed => Ok(Cell::Number(self.signed(bytes) as f64)),
            Kind::Unsigned => Ok(Cell::Number(self.bits(bytes) as f64)),
            Kind::Float => Ok(Cell::Number(self.float(bytes))),
            Kind::Bytes => {
                let text = std::str::from_utf8(bytes).context("a byte string is not UTF-8 text")?;
                Cell::of_text(text.trim_end_matches('\0'), dtype)
            }
            Kind::Unicode => Cell::of_text(&self.unicode(bytes)?, dtype),
        }
    }

    /// The bytes as an unsigned integer.
    fn bits(self, bytes: &[u8]) -> u64 {
        let append = |bits: u64, &byte: &u8| (bits << 8) | u64::from(byte);
        if self.big_endian { bytes.iter().fold(0, append) } else { bytes.iter().rev().fold(0, append) }
    }

    fn signed(self, bytes: &[u8]) -> i64 {
        let unused = 64 - 8 * self.size.min(8) as u32;
        (self.bits(bytes) << unused) as i64 >> unused
    }

    /// The value of an element that is a floating-point number.
    pub(super) fn float(self, bytes: &[u8]) -> f64 {
        let bits = self.bits(bytes);
        match self.size {
            2 => f16::from_bits(bits as u16).to_f64(),
            4 => f64::from(f32::from_bits(bits as u32)),
            _ => f64::from_bits(bits),
        }
    }

    fn unicode(self, bytes: &[u8]) -> Result<String> {
        let character = |bytes: &[u8]| {
            let code = self.bits(bytes) as u32;
            char::from_u32(code).with_context(|| format!("{code:#x} is no Unicode character"))
        };
        let text: String = bytes.chunks(4).map(character).collect::<Result<_>>()?;
        Ok(text.trim_end_matches('\0').to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(descr: &str, bytes: &[u8]) -> f64 {
        let cell = Element::parse(descr).unwrap().cell(bytes, DType::F64).unwrap();
        cell.into_number(DType::F64).unwrap()
    }

    #[test]
    fn numbers_of_every_size_and_order_are_read() {
        assert_eq!(number("|b1", &[1]), 1.0);
        assert_eq!(number("|i1", &[0xff]), -1.0);
        assert_eq!(number("|u1", &[0xff]), 255.0);
        assert_eq!(number("<i2", &[0xfe, 0xff]), -2.0);
        assert_eq!(number(">i4", &[0, 0, 1, 0]), 256.0);
        assert_eq!(number("<i8", &i64::MIN.to_le_bytes()), i64::MIN as f64);
        assert_eq!(number(">u8", &7_u64.to_be_bytes()), 7.0);
        assert_eq!(number("<f2", &f16::from_f64(-1.5).to_le_bytes()), -1.5);
        assert_eq!(number(">f4", &0.1_f32.to_be_bytes()), f64::from(0.1_f32));
        assert_eq!(number("<f8", &0.1_f64.to_le_bytes()), 0.1);
    }

    #[test]
    fn text_is_read_without_its_padding() {
        let unicode = Element::parse("<U3").unwrap();
        let bytes: Vec<u8> = ['é', 'x', '\0'].iter().flat_map(|&c| (c as u32).to_le_bytes()).collect();
        assert_eq!(unicode.cell(&bytes, DType::Text).unwrap(), Cell::Text("éx".into()));
        let bytes = Element::parse("|S4").unwrap();
        assert_eq!(bytes.cell(b"ab\0\0", DType::Text).unwrap(), Cell::Text("ab".into()));
        assert_eq!(bytes.cell(b"1.5\0", DType::F32).unwrap(), Cell::Number(1.5));
    }

    #[test]
    fn what_is_neither_number_nor_text_is_refused() {
        for (descr, start) in [
            ("|O", "it holds Python objects (a pickle), which could run code when read\nhint: "),
            ("<c8", "its elements ('<c8', type 'c') are neither plain numbers nor text\nhint: "),
            ("<M8[ns]", "its elements ('<M8[ns]', type 'M') are neither"),
            ("<f16", "its elements ('<f16', type 'f') are neither"),
            ("<U0", "its element type '<U0' has an absurd size"),
            ("<U9999999999999999999", "its element type '<U9999999999999999999' has an absurd size"),
            ("floats", "its element type 'floats' is unknown"),
        ] {
            let message = Element::parse(descr).unwrap_err().to_string();
            assert!(message.starts_with(start), "{message}");
        }
        let surrogate = 0xd800_u32.to_le_bytes();
        let message = Element::parse("<U1").unwrap().cell(&surrogate, DType::Text).unwrap_err().to_string();
        assert_eq!(message, "0xd800 is no Unicode character");
    }
}
