//! Conversions between element types.

use anyhow::{Result, bail};

use crate::tensor::{DType, Tensor};

/// The elements as another type, text to numbers and back included.
///
/// Floats become integers by truncation; integers that do not fit lose their high bits. Numbers
/// are written as onnxruntime writes them.
pub(in crate::model::op) fn cast(input: &Tensor, dtype: DType) -> Result<Tensor> {
    match (input.dtype(), dtype) {
        (DType::Text, DType::Text) => Ok(input.clone()),
        (DType::Text, _) => {
            let numbers: Vec<f64> =
                input.as_text()?.iter().map(|text| parse(text, dtype)).collect::<Result<_>>()?;
            Tensor::numbers(dtype, ndarray::ArrayD::from_shape_vec(input.shape(), numbers)?)
        }
        (from, DType::Text) => Ok(Tensor::text(input.as_numbers()?.map(|&value| written(value, from)))),
        (from, _) if from.is_float() => Tensor::numbers(dtype, input.as_numbers()?.clone()),
        (_, _) => Tensor::numbers(dtype, input.as_numbers()?.mapv(|value| wrap(dtype, value))),
    }
}

/// An integer without the high bits that an integer type of up to 32 bits does not hold.
pub(super) fn wrap(dtype: DType, value: f64) -> f64 {
    let bits = value as i64;
    match dtype {
        DType::U8 => f64::from(bits as u8),
        DType::I8 => f64::from(bits as i8),
        DType::U16 => f64::from(bits as u16),
        DType::I16 => f64::from(bits as i16),
        DType::U32 => f64::from(bits as u32),
        DType::I32 => f64::from(bits as i32),
        DType::Bool | DType::U64 | DType::I64 | DType::F16 | DType::F32 | DType::F64 | DType::Text => value,
    }
}

fn parse(text: &str, dtype: DType) -> Result<f64> {
    match text.trim().parse() {
        Ok(value) => Ok(value),
        Err(_) => bail!("cannot read '{text}' as {dtype}"),
    }
}

fn written(value: f64, dtype: DType) -> String {
    if !dtype.is_float() {
        return format!("{value:.0}");
    }
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "INF" } else { "-INF" }.to_owned();
    }
    eight_digits(value)
}

/// A finite number with eight significant digits, as C's `%.8g` writes it.
fn eight_digits(value: f64) -> String {
    let scientific = format!("{value:.7e}");
    // Rust's `e` format always has an exponent.
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    match usize::try_from(7 - exponent) {
        Ok(decimals) if exponent >= -4 => without_zeros(&format!("{value:.decimals$}")).to_owned(),
        Ok(_) | Err(_) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{}e{sign}{:02}", without_zeros(mantissa), exponent.abs())
        }
    }
}

fn without_zeros(decimal: &str) -> &str {
    if decimal.contains('.') { decimal.trim_end_matches('0').trim_end_matches('.') } else { decimal }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::arr1;

    fn numbers(dtype: DType, values: &[f64]) -> Tensor {
        Tensor::numbers(dtype, arr1(values).into_dyn()).unwrap()
    }

    fn text(values: &[&str]) -> Tensor {
        Tensor::text(values.iter().map(|&value| value.to_owned()).collect::<ndarray::Array1<_>>().into_dyn())
    }

    #[test]
    fn floats_truncate_and_integers_wrap() {
        let cast_floats = cast(&numbers(DType::F32, &[2.9, -2.9, 0.5]), DType::I32).unwrap();
        assert_eq!(cast_floats, numbers(DType::I32, &[2.0, -2.0, 0.0]));
        assert_eq!(cast(&numbers(DType::I16, &[200.0]), DType::I8).unwrap(), numbers(DType::I8, &[-56.0]));
        let truths = cast(&numbers(DType::F32, &[0.0, -0.1, f64::NAN]), DType::Bool).unwrap();
        assert_eq!(truths, numbers(DType::Bool, &[0.0, 1.0, 1.0]));
    }

    #[test]
    fn numbers_are_written_as_onnxruntime_does() {
        let values =
            [1.0, -0.5, 0.1, 1234567.0, 123456789.0, 0.00012345, 0.000012345, f64::NAN, f64::NEG_INFINITY];
        let expected =
            ["1", "-0.5", "0.1", "1234567", "1.2345679e+08", "0.00012345", "1.2345e-05", "NaN", "-INF"];
        assert_eq!(cast(&numbers(DType::F32, &values[..4]), DType::Text).unwrap(), text(&expected[..4]));
        assert_eq!(cast(&numbers(DType::F64, &values), DType::Text).unwrap(), text(&expected));
        assert_eq!(eight_digits(1.0 / 3.0), "0.33333333");
        assert_eq!(eight_digits(99_999_999.9), "1e+08");
        assert_eq!(eight_digits(0.0), "0");
        assert_eq!(
            cast(&numbers(DType::I64, &[-12.0, 3e9]), DType::Text).unwrap(),
            text(&["-12", "3000000000"])
        );
        assert_eq!(cast(&numbers(DType::Bool, &[1.0]), DType::Text).unwrap(), text(&["1"]));
    }

    #[test]
    fn text_is_read_or_refused() {
        let read = cast(&text(&[" 2.5", "-1e3", "NaN"]), DType::F32).unwrap();
        let values = read.as_numbers().unwrap();
        assert!(values[[0]] == 2.5 && values[[1]] == -1000.0 && values[[2]].is_nan());
        let message = cast(&text(&["blue"]), DType::I64).unwrap_err().to_string();
        assert_eq!(message, "cannot read 'blue' as int64");
    }
}
