//! What all operators check alike: shapes, axes and element types.

use anyhow::{Result, bail};

use crate::tensor::DType;

/// No tensor of a model has more elements: 2 GiB of numbers.
const MAX_ELEMENTS: usize = 1 << 28;

/// The number of elements of a shape that is about to be filled.
///
/// # Errors
/// If they are more than any tensor may have.
pub(in crate::model) fn element_count(shape: &[usize]) -> Result<usize> {
    let count = if shape.contains(&0) {
        Some(0)
    } else {
        shape.iter().try_fold(1_usize, |count, &length| count.checked_mul(length))
    };
    match count {
        Some(count) if count <= MAX_ELEMENTS => Ok(count),
        Some(_) | None => bail!("a tensor of shape {shape:?} has more than {MAX_ELEMENTS} elements"),
    }
}

/// The shape to which both shapes are repeated by numpy's rules.
///
/// # Errors
/// If two axes differ and neither has length 1, or the result is too large.
pub(super) fn broadcast_shape(a: &[usize], b: &[usize]) -> Result<Vec<usize>> {
    let rank = a.len().max(b.len());
    let lengths = |shape: &[usize]| -> Vec<usize> {
        std::iter::repeat_n(1, rank - shape.len()).chain(shape.iter().copied()).collect()
    };
    let mut shape = lengths(a);
    for (length, other) in shape.iter_mut().zip(lengths(b)) {
        *length = match (*length, other) {
            (1, other) => other,
            (length, 1) => length,
            (length, other) if length == other => length,
            (length, other) => bail!("shapes {a:?} and {b:?} do not broadcast: {length} is not {other}"),
        };
    }
    element_count(&shape)?;
    Ok(shape)
}

/// Refuses an axis that the shape does not have.
pub(super) fn check_axis(shape: &[usize], axis: usize) -> Result<()> {
    if axis >= shape.len() {
        bail!("there is no axis {axis} in shape {shape:?}");
    }
    Ok(())
}

/// The element type of a result of two operands: floats before integers, wide before narrow.
///
/// ONNX wants both to be the same; exporters do not always keep to it.
///
/// # Errors
/// If one is text and the other is not.
pub(super) fn common_dtype(a: DType, b: DType) -> Result<DType> {
    if a != b && (a == DType::Text || b == DType::Text) {
        bail!("cannot combine {a} with {b}");
    }
    // The variants are declared in this order.
    Ok(if a as u8 >= b as u8 { a } else { b })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_broadcast_as_in_numpy() {
        assert_eq!(broadcast_shape(&[2, 1, 3], &[4, 1]).unwrap(), [2, 4, 3]);
        assert_eq!(broadcast_shape(&[], &[5]).unwrap(), [5]);
        assert_eq!(broadcast_shape(&[0, 3], &[1, 3]).unwrap(), [0, 3]);
        let message = broadcast_shape(&[2, 3], &[2]).unwrap_err().to_string();
        assert_eq!(message, "shapes [2, 3] and [2] do not broadcast: 3 is not 2");
    }

    #[test]
    fn a_huge_result_is_refused_before_it_is_made() {
        let message = broadcast_shape(&[1 << 20, 1], &[1 << 20]).unwrap_err().to_string();
        assert!(message.contains("more than 268435456 elements"), "{message}");
        assert!(element_count(&[usize::MAX, 2]).is_err());
        assert_eq!(element_count(&[usize::MAX, 2, 0]).unwrap(), 0);
    }

    #[test]
    fn floats_and_wide_types_win() {
        assert_eq!(common_dtype(DType::I64, DType::F32).unwrap(), DType::F32);
        assert_eq!(common_dtype(DType::F64, DType::F32).unwrap(), DType::F64);
        assert_eq!(common_dtype(DType::U8, DType::I32).unwrap(), DType::I32);
        assert_eq!(common_dtype(DType::Text, DType::Text).unwrap(), DType::Text);
        assert!(common_dtype(DType::Text, DType::F32).is_err());
    }
}
