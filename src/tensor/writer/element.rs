//! Single output values, as text and as the bytes of numpy arrays.

use half::f16;

use crate::tensor::{DType, Tensor};

/// The values of a tensor as text: numbers in the fewest digits that read back as the same number
/// of type `dtype`.
pub(super) fn texts(tensor: &Tensor, dtype: DType) -> Vec<String> {
    if tensor.dtype() == DType::Text {
        return tensor.as_text().map(|texts| texts.iter().cloned().collect()).unwrap_or_default();
    }
    let numbers = tensor.as_numbers().into_iter().flatten();
    numbers.map(|&number| number_text(number, dtype)).collect()
}

/// A number in the fewest digits that read back as the same number of type `dtype`.
fn number_text(value: f64, dtype: DType) -> String {
    match dtype {
        DType::Bool => (value != 0.0).to_string(),
        DType::U8 | DType::U16 | DType::U32 | DType::U64 => (value as u64).to_string(),
        DType::I8 | DType::I16 | DType::I32 | DType::I64 => (value as i64).to_string(),
        DType::F16 => half_text(value),
        DType::F32 => format!("{:?}", value as f32),
        DType::F64 | DType::Text => format!("{value:?}"),
    }
}

fn half_text(value: f64) -> String {
    const ENOUGH: usize = 4;
    let half = f16::from_f64(value);
    let shortest = (0..ENOUGH)
        .filter_map(|digits| format!("{value:.digits$e}").parse::<f64>().ok())
        .find(|&short| f16::from_f64(short) == half);
    format!("{:?}", shortest.unwrap_or(value))
}

/// The numpy type string of numbers of this type; none for text, whose length matters.
pub(in crate::tensor) fn type_string(dtype: DType) -> Option<&'static str> {
    match dtype {
        DType::Bool => Some("|b1"),
        DType::U8 => Some("|u1"),
        DType::I8 => Some("|i1"),
        DType::U16 => Some("<u2"),
        DType::I16 => Some("<i2"),
        DType::U32 => Some("<u4"),
        DType::I32 => Some("<i4"),
        DType::U64 => Some("<u8"),
        DType::I64 => Some("<i8"),
        DType::F16 => Some("<f2"),
        DType::F32 => Some("<f4"),
        DType::F64 => Some("<f8"),
        DType::Text => None,
    }
}

/// Appends a number of type `dtype` as a numpy array holds it.
pub(in crate::tensor) fn append_bytes(bytes: &mut Vec<u8>, value: f64, dtype: DType) {
    match dtype {
        DType::Bool => bytes.push(u8::from(value != 0.0)),
        DType::U8 => bytes.push(value as u8),
        DType::I8 => bytes.extend((value as i8).to_le_bytes()),
        DType::U16 => bytes.extend((value as u16).to_le_bytes()),
        DType::I16 => bytes.extend((value as i16).to_le_bytes()),
        DType::U32 => bytes.extend((value as u32).to_le_bytes()),
        DType::I32 => bytes.extend((value as i32).to_le_bytes()),
        DType::U64 => bytes.extend((value as u64).to_le_bytes()),
        DType::I64 => bytes.extend((value as i64).to_le_bytes()),
        DType::F16 => bytes.extend(f16::from_f64(value).to_le_bytes()),
        DType::F32 => bytes.extend((value as f32).to_le_bytes()),
        DType::F64 | DType::Text => bytes.extend(value.to_le_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_print_as_their_type_does() {
        let third = f64::from(1.0_f32 / 3.0);
        for (value, dtype, text) in [
            (f64::from(0.1_f32), DType::F32, "0.1"),
            (third, DType::F32, "0.33333334"),
            (third, DType::F64, "0.3333333432674408"),
            (f16::from_f64(0.1).to_f64(), DType::F16, "0.1"),
            (2.0, DType::F32, "2.0"),
            (2.0, DType::I64, "2"),
            (-3.0, DType::I8, "-3"),
            (1.0, DType::Bool, "true"),
            (1e30, DType::F64, "1e30"),
            (f64::NAN, DType::F16, "NaN"),
            (f64::NEG_INFINITY, DType::F32, "-inf"),
        ] {
            assert_eq!(number_text(value, dtype), text);
        }
    }

    proptest! {
        #[test]
        fn every_float_reads_back_as_itself(bits in any::<u64>()) {
            let double = f64::from_bits(bits);
            let single = f64::from(f32::from_bits(bits as u32));
            let half = f16::from_bits(bits as u16).to_f64();
            for (value, dtype) in [(double, DType::F64), (single, DType::F32), (half, DType::F16)] {
                let back = dtype.round(number_text(value, dtype).parse().unwrap());
                prop_assert!(back == value || (back.is_nan() && value.is_nan()), "{value:?} {back:?} {dtype}");
            }
        }
    }
}
