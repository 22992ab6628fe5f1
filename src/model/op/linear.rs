//! Matrix products.

use anyhow::{Context, Result, bail};
use ndarray::{Array2, ArrayD, ArrayView2, ArrayViewD, Axis, IxDyn};

use super::shape::{broadcast_shape, common_dtype, element_count};
use crate::tensor::Tensor;

/// The matrix product over the last two axes, with numpy's rules for batches and vectors.
///
/// # Errors
/// If the inner lengths differ, or the batch axes cannot be broadcast.
pub fn matmul(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let dtype = common_dtype(a.dtype(), b.dtype())?;
    Tensor::numbers(dtype, product(a.as_numbers()?, b.as_numbers()?)?)
}

fn product(a: &ArrayD<f64>, b: &ArrayD<f64>) -> Result<ArrayD<f64>> {
    // A vector is a single row on the left and a single column on the right.
    let left = if a.ndim() == 1 { a.view().insert_axis(Axis(0)) } else { a.view() };
    let right = if b.ndim() == 1 { b.view().insert_axis(Axis(1)) } else { b.view() };
    let ([left_batch @ .., rows, inner], [right_batch @ .., right_inner, columns]) =
        (left.shape(), right.shape())
    else {
        bail!("a matrix product needs at least one axis: {:?} times {:?}", a.shape(), b.shape());
    };
    if inner != right_inner {
        bail!("the inner lengths of {:?} times {:?} differ", a.shape(), b.shape());
    }
    let batch = broadcast_shape(left_batch, right_batch).context("the batch axes differ")?;
    let mut shape = batch.clone();
    shape.extend((a.ndim() > 1).then_some(*rows));
    shape.extend((b.ndim() > 1).then_some(*columns));
    element_count(&shape)?;

    let values = if right_batch.is_empty() {
        // All matrices of the batch meet the same one: they are one tall matrix.
        let tall = (left_batch.iter().product::<usize>() * rows, *inner);
        times(left.to_shape(tall)?.view(), right.to_shape((*inner, *columns))?.view()).into_dyn()
    } else {
        batched(&left, &right, &batch)?
    };
    Ok(values.to_shape(IxDyn(&shape))?.into_owned())
}

/// The products of two stacks of matrices, whose batch axes are repeated to `batch`.
fn batched(left: &ArrayViewD<'_, f64>, right: &ArrayViewD<'_, f64>, batch: &[usize]) -> Result<ArrayD<f64>> {
    let (left, right) = (stack(left, batch)?, stack(right, batch)?);
    let products: Vec<f64> = left
        .outer_iter()
        .zip(right.outer_iter())
        .flat_map(|(left, right)| times(left, right).into_iter())
        .collect();
    Ok(ndarray::Array1::from(products).into_dyn())
}

/// The matrices of a batch, in a row along the first axis.
fn stack(matrices: &ArrayViewD<'_, f64>, batch: &[usize]) -> Result<ndarray::Array3<f64>> {
    let [.., rows, columns] = *matrices.shape() else { bail!("a matrix has two axes") };
    let shape: Vec<usize> = batch.iter().copied().chain([rows, columns]).collect();
    element_count(&shape)?;
    let count: usize = batch.iter().product();
    let wide = matrices.broadcast(IxDyn(&shape)).context("the batch axes differ")?;
    Ok(wide.to_shape((count, rows, columns))?.into_owned())
}

/// The product of two matrices of fitting lengths.
fn times(a: ArrayView2<'_, f64>, b: ArrayView2<'_, f64>) -> Array2<f64> {
    if a.nrows() != 1 {
        return a.dot(&b);
    }
    // One row is the common case, and too little work to be worth packing `b` for.
    let mut row = Array2::zeros((1, b.ncols()));
    for (&factor, values) in a.iter().zip(b.rows()) {
        row.row_mut(0).scaled_add(factor, &values);
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::DType;
    use ndarray::{Array, arr1, arr2};
    use proptest::prelude::*;

    /// 0, 1, 2 … in this shape.
    fn counting(shape: &[usize]) -> Tensor {
        let count = shape.iter().product::<usize>();
        let values = Array::from_iter((0..count).map(|value| value as f64));
        Tensor::f64s(values.into_shape_with_order(IxDyn(shape)).unwrap())
    }

    fn shape_of(a: &[usize], b: &[usize]) -> Vec<usize> {
        matmul(&counting(a), &counting(b)).unwrap().shape().to_vec()
    }

    #[test]
    fn matrices_multiply() {
        let expected = Tensor::f64s(arr2(&[[10.0, 13.0], [28.0, 40.0]]).into_dyn());
        assert_eq!(matmul(&counting(&[2, 3]), &counting(&[3, 2])).unwrap(), expected);
        let row = Tensor::f64s(arr2(&[[10.0, 13.0]]).into_dyn());
        assert_eq!(matmul(&counting(&[1, 3]), &counting(&[3, 2])).unwrap(), row);
    }

    #[test]
    fn vectors_lose_the_axis_they_gained() {
        assert_eq!(
            matmul(&counting(&[3]), &counting(&[3])).unwrap(),
            Tensor::f64s(ndarray::arr0(5.0).into_dyn())
        );
        assert_eq!(shape_of(&[3], &[3, 2]), [2]);
        assert_eq!(shape_of(&[4, 3], &[3]), [4]);
        assert_eq!(shape_of(&[5, 4, 3], &[3]), [5, 4]);
        assert_eq!(shape_of(&[3], &[5, 3, 2]), [5, 2]);
    }

    #[test]
    fn batches_broadcast() {
        assert_eq!(shape_of(&[7, 1, 2, 3], &[5, 3, 4]), [7, 5, 2, 4]);
        let product = matmul(&counting(&[2, 1, 2]), &counting(&[2, 2, 1])).unwrap();
        assert_eq!(product, Tensor::f64s(arr1(&[1.0, 13.0]).into_dyn()).reshape(&[2, 1, 1]).unwrap());
        let message = format!("{:#}", matmul(&counting(&[2, 1, 3]), &counting(&[4, 3, 1])).unwrap_err());
        assert!(message.starts_with("the batch axes differ: "), "{message}");
    }

    #[test]
    fn empty_products_are_zeros() {
        assert_eq!(
            matmul(&counting(&[2, 0]), &counting(&[0, 3])).unwrap(),
            Tensor::zeros(DType::F64, &[2, 3])
        );
        assert_eq!(shape_of(&[2, 2, 0], &[2, 0, 3]), [2, 2, 3]);
        assert_eq!(shape_of(&[0, 3], &[3, 2]), [0, 2]);
    }

    #[test]
    fn misfits_are_named() {
        let message = matmul(&counting(&[1, 3]), &counting(&[4, 2])).unwrap_err().to_string();
        assert_eq!(message, "the inner lengths of [1, 3] times [4, 2] differ");
        assert!(matmul(&counting(&[]), &counting(&[1])).is_err());
    }

    proptest! {
        #[test]
        fn every_way_gives_the_sum_of_products(
            batch in 1_usize..4, rows in 1_usize..4, inner in 1_usize..5, columns in 1_usize..4, shared in any::<bool>(),
        ) {
            let (a, b) = (counting(&[batch, rows, inner]), counting(&[if shared { 1 } else { batch }, inner, columns]));
            let (left, right) = (a.as_numbers().unwrap(), b.as_numbers().unwrap());
            let expected = Array::from_shape_fn((batch, rows, columns), |(n, i, j)| {
                (0..inner).map(|k| left[[n, i, k]] * right[[if shared { 0 } else { n }, k, j]]).sum::<f64>()
            });
            prop_assert_eq!(matmul(&a, &b).unwrap(), Tensor::f64s(expected.clone().into_dyn()));
            if shared {
                let flat = b.reshape(&[inner, columns]).unwrap();
                prop_assert_eq!(matmul(&a, &flat).unwrap(), Tensor::f64s(expected.into_dyn()));
            }
        }
    }
}
