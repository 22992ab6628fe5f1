//! Single values of data files, and the rules that fit them to an element type.

use anyhow::{Result, bail};

use super::DType;

/// One value as a data file gives it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    Number(f64),
    Bool(bool),
    Text(String),
    /// An empty cell, `NA`, or `null`.
    Missing,
}

impl Cell {
    /// The number, truth value or missing value that text stands for, if it does.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if ["", "na", "nan", "null"].iter().any(|word| text.eq_ignore_ascii_case(word)) {
            return Some(Self::Missing);
        }
        if text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false") {
            return Some(Self::Bool(text.eq_ignore_ascii_case("true")));
        }
        text.parse().ok().map(Self::Number)
    }

    /// The value that text stands for where `dtype` is expected.
    ///
    /// # Errors
    /// If a number is expected and the text is none, or is too large for any number.
    pub(super) fn of_text(text: &str, dtype: DType) -> Result<Self> {
        if dtype == DType::Text {
            return Ok(Self::Text(text.to_owned()));
        }
        match Self::parse(text) {
            Some(Self::Number(value))
                if value.is_infinite() && text.contains(|c: char| c.is_ascii_digit()) =>
            {
                bail!("{} is beyond the range of {dtype}", text.trim())
            }
            Some(cell) => Ok(cell),
            None => not_a_number(text),
        }
    }

    /// The value as a number of type `dtype`.
    ///
    /// # Errors
    /// If it is text, is missing where there is no NaN, has a fraction, or does not fit the type.
    pub(super) fn into_number(self, dtype: DType) -> Result<f64> {
        match self {
            Self::Number(value) => fitted(value, dtype),
            Self::Bool(value) => Ok(f64::from(u8::from(value))),
            Self::Missing if dtype.is_float() => Ok(f64::NAN),
            Self::Missing => bail!("a value is missing, and {dtype} has none to stand for it"),
            Self::Text(text) => not_a_number(&text),
        }
    }

    /// The value as text.
    ///
    /// # Errors
    /// If it is not text.
    pub(super) fn into_text(self) -> Result<String> {
        match self {
            Self::Text(text) => Ok(text),
            Self::Number(value) => bail!("expected text, found the number {value:?}"),
            Self::Bool(value) => bail!("expected text, found {value}"),
            Self::Missing => bail!("expected text, found no value"),
        }
    }
}

/// The first characters of a text, for messages.
pub(super) fn excerpt(text: &str) -> String {
    const MOST: usize = 40;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", text.split_at(end).0.escape_debug()),
        None => text.escape_debug().to_string(),
    }
}

fn not_a_number<T>(text: &str) -> Result<T> {
    let hint = match text.trim().replace(',', ".").parse::<f64>() {
        Ok(_) => "\nhint: write decimals with a point",
        Err(_) => "",
    };
    bail!("expected a number, found '{}'{hint}", excerpt(text))
}

fn fitted(value: f64, dtype: DType) -> Result<f64> {
    /// From here on an `f64` no longer tells neighbouring integers apart.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let rounded = dtype.round(value);
    if dtype.is_float() {
        if value.is_finite() && rounded.is_infinite() {
            bail!("{value:?} is beyond the range of {dtype}");
        }
    } else if value.is_nan() || value.fract() != 0.0 {
        bail!("expected a whole number ({dtype}), found {value:?}");
    } else if dtype == DType::Bool && rounded != value {
        bail!("expected true or false (1 or 0), found {value:?}");
    } else if rounded != value {
        bail!("{value:?} is beyond the range of {dtype}");
    } else if value.abs() >= EXACT {
        bail!("{value:?} is too large: integers are held exactly up to 2^53");
    }
    Ok(rounded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str, dtype: DType) -> Result<f64> {
        Cell::of_text(text, dtype)?.into_number(dtype)
    }

    #[test]
    fn text_stands_for_numbers_truth_values_and_missing_values() {
        assert_eq!(number(" -1.5e2 ", DType::F32).unwrap(), -150.0);
        assert_eq!(number("True", DType::Bool).unwrap(), 1.0);
        assert_eq!(number("false", DType::F32).unwrap(), 0.0);
        assert_eq!(number("-inf", DType::F32).unwrap(), f64::NEG_INFINITY);
        assert_eq!(number("0.1", DType::F32).unwrap(), f64::from(0.1_f32));
        for missing in ["", "  ", "NaN", "nan", "NA", "null"] {
            assert!(number(missing, DType::F16).unwrap().is_nan(), "{missing}");
        }
        assert_eq!(Cell::of_text("NA", DType::Text).unwrap().into_text().unwrap(), "NA");
    }

    #[test]
    fn what_does_not_fit_is_refused_with_both_sides() {
        let refused = [
            ("abc", DType::F32, "expected a number, found 'abc'"),
            ("1,5", DType::F32, "expected a number, found '1,5'\nhint: write decimals with a point"),
            ("1e39", DType::F32, "1e39 is beyond the range of float32"),
            ("70000", DType::F16, "70000.0 is beyond the range of float16"),
            ("1e999", DType::F64, "1e999 is beyond the range of float64"),
            ("1.5", DType::I64, "expected a whole number (int64), found 1.5"),
            ("", DType::I32, "a value is missing, and int32 has none to stand for it"),
            ("inf", DType::I32, "expected a whole number (int32), found inf"),
            ("300", DType::U8, "300.0 is beyond the range of uint8"),
            ("-1", DType::U64, "-1.0 is beyond the range of uint64"),
            ("2", DType::Bool, "expected true or false (1 or 0), found 2.0"),
            (
                "9007199254740993",
                DType::I64,
                "9007199254740992.0 is too large: integers are held exactly up to 2^53",
            ),
        ];
        for (text, dtype, message) in refused {
            assert_eq!(number(text, dtype).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn long_texts_are_cut_in_messages() {
        let message = number(&"é".repeat(1000), DType::F32).unwrap_err().to_string();
        assert_eq!(message, format!("expected a number, found '{}…'", "é".repeat(40)));
    }
}
