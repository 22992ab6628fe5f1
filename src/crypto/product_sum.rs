//! Sums of external products that wait to be transformed back, all at once.

use tfhe::core_crypto::fft_impl::fft64::ABox;

use super::RingCiphertext;
use super::conversion::AddTorus;
use super::lanes::Column;
use super::ring_ciphertext::zeros;
use super::workspace::RingWorkspace;

/// A sum of products of [`Ggsw`](super::Ggsw) and ring ciphertexts, transformed: two transforms less for each
/// product but one.
pub struct ProductSum {
    /// Mask, then body; anything while the sum is empty.
    columns: ABox<[Column]>,
    is_empty: bool,
}

impl ProductSum {
    /// The sum of no products, for `polynomial_size` coefficients.
    pub fn empty(polynomial_size: usize) -> Self {
        Self { columns: zeros(polynomial_size / 4), is_empty: true }
    }

    /// Becomes the sum of no products.
    pub fn clear(&mut self) {
        self.is_empty = true;
    }

    /// Adds another sum of the same size.
    pub fn add_assign(&mut self, other: &Self) {
        self.combine(other, |sum, other| sum + other);
    }

    /// Subtracts another sum of the same size.
    pub fn sub_assign(&mut self, other: &Self) {
        self.combine(other, |sum, other| sum - other);
    }

    /// Adds the sum to a ciphertext of the same size; then it is empty.
    pub fn settle(&mut self, sum: &mut RingCiphertext, workspace: &mut RingWorkspace) {
        if !std::mem::replace(&mut self.is_empty, true) {
            let (mask, body) = sum.parts_mut();
            let columns = self.columns.chunks_exact_mut(workspace.transform.columns());
            for (part, columns) in [mask, body].into_iter().zip(columns) {
                workspace.transform.backward(columns, AddTorus(part));
            }
        }
    }

    /// Mask and body, for products to be added to, from now on a sum of some.
    pub(super) fn open(&mut self) -> &mut [Column] {
        if std::mem::replace(&mut self.is_empty, false) {
            self.columns.fill(Column::default());
        }
        &mut self.columns
    }

    fn combine(&mut self, other: &Self, operation: impl Fn(f64, f64) -> f64) {
        if other.is_empty {
            return;
        }
        let sums = self.open().as_flattened_mut().as_flattened_mut();
        for (sum, other) in sums.iter_mut().zip(other.columns.as_flattened().as_flattened()) {
            *sum = operation(*sum, *other);
        }
    }
}
