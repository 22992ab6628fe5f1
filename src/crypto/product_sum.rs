//! Sums of external products that wait to be transformed back, all at once.

use tfhe::core_crypto::fft_impl::fft64::ABox;

use super::RingCiphertext;
use super::conversion::AddTorus;
use super::ring_ciphertext::zeros;
use super::workspace::RingWorkspace;

/// A sum of products of [`Ggsw`](super::Ggsw) and ring ciphertexts, transformed: two transforms less for each
/// product but one.
pub struct ProductSum {
    /// Mask, then body; anything while the sum is empty.
    values: ABox<[f64]>,
    is_empty: bool,
}

impl ProductSum {
    /// The sum of no products, for `polynomial_size` coefficients.
    pub fn empty(polynomial_size: usize) -> Self {
        Self { values: zeros(2 * polynomial_size), is_empty: true }
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
            let sums = self.values.chunks_exact_mut(workspace.transform.values());
            for (part, values) in [mask, body].into_iter().zip(sums) {
                workspace.transform.backward(values, AddTorus(part));
            }
        }
    }

    /// Mask and body, for products to be added to, from now on a sum of some; and whether there were any before:
    /// if not, it holds anything.
    pub(super) fn open(&mut self) -> (&mut [f64], bool) {
        let onto = !std::mem::replace(&mut self.is_empty, false);
        (&mut self.values, onto)
    }

    fn combine(&mut self, other: &Self, operation: impl Fn(f64, f64) -> f64) {
        if other.is_empty {
            return;
        }
        let (sums, onto) = self.open();
        if !onto {
            sums.fill(0.0);
        }
        for (sum, other) in sums.iter_mut().zip(other.values.iter()) {
            *sum = operation(*sum, *other);
        }
    }
}
