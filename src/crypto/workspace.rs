//! The Fourier transform of one ring and the memory that its products need, so that they allocate nothing.

use pulp::{Arch, Simd, WithSimd};
use tfhe::core_crypto::fft_impl::fft64::math::polynomial::FourierPolynomialMutView;
use tfhe::core_crypto::fft_impl::fft64::{ABox, c64};
use tfhe::core_crypto::prelude::*;

use super::RingParameters;
use super::ring_ciphertext::zeros;

/// What one thread needs to compute products in one ring. Make one for each thread and keep it.
pub struct RingWorkspace {
    pub(super) fft: Fft,
    pub(super) buffers: ComputationBuffers,
    /// A mask to be switched to another key.
    pub(super) mask: ABox<[u64]>,
    /// What is left of a mask while its digits are taken off.
    pub(super) rest: ABox<[u64]>,
    pub(super) digits: ABox<[u64]>,
    /// The digits, transformed.
    pub(super) factor: ABox<[c64]>,
    /// Sums of products: mask and body in two halves each.
    pub(super) sums: ABox<[c64]>,
    /// The high half of a sum, in coefficients.
    pub(super) high: ABox<[u64]>,
}

impl RingWorkspace {
    /// A workspace for the ring of these parameters.
    pub fn new(parameters: &RingParameters) -> Self {
        let size = parameters.polynomial_size();
        let fft = Fft::new(PolynomialSize(size));
        let mut buffers = ComputationBuffers::new();
        let view = fft.as_view();
        buffers.resize(
            cmux_assign_mem_optimized_requirement::<u64>(GlweSize(2), PolynomialSize(size), view)
                .or(view.backward_scratch())
                .unaligned_bytes_required(),
        );
        Self {
            fft,
            buffers,
            mask: zeros(size),
            rest: zeros(size),
            digits: zeros(size),
            factor: zeros(size / 2),
            sums: zeros(2 * size),
            high: zeros(size),
        }
    }

    /// Transforms the digits into the factor of the next products.
    pub(super) fn transform_digits(&mut self) {
        self.fft.as_view().forward_as_integer(
            FourierPolynomialMutView { data: &mut self.factor },
            Polynomial::from_container(&*self.digits).as_view(),
            self.buffers.stack(),
        );
    }

    /// Adds the product of each polynomial of `row` with the factor to the sum in its place, or sets the
    /// sum to it if it is the first.
    pub(super) fn multiply_add(&mut self, row: &[c64], first: bool) {
        Arch::new().dispatch(MultiplyAdd { sums: &mut self.sums, row, factor: &self.factor, first });
    }
}

/// sums += row · factor, polynomial by polynomial.
struct MultiplyAdd<'a> {
    sums: &'a mut [c64],
    row: &'a [c64],
    factor: &'a [c64],
    first: bool,
}

impl WithSimd for MultiplyAdd<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let size = self.factor.len();
        // Registers hold a power of two of values and polynomials are longer: no tails are left.
        let (factor, _) = S::as_simd_c64s(self.factor);
        for (sum, row) in self.sums.chunks_exact_mut(size).zip(self.row.chunks_exact(size)) {
            let (sum, _) = S::as_mut_simd_c64s(sum);
            let (row, _) = S::as_simd_c64s(row);
            let terms = sum.iter_mut().zip(row.iter().zip(factor));
            if self.first {
                terms.for_each(|(sum, (row, factor))| *sum = simd.mul_c64s(*row, *factor));
            } else {
                terms.for_each(|(sum, (row, factor))| *sum = simd.mul_add_c64s(*row, *factor, *sum));
            }
        }
    }
}

/// Transforms a polynomial of torus values.
pub(super) fn transform_torus(
    fft: &Fft,
    buffers: &mut ComputationBuffers,
    values: &[u64],
    place: &mut [c64],
) {
    fft.as_view().forward_as_torus(
        FourierPolynomialMutView { data: place },
        Polynomial::from_container(values).as_view(),
        buffers.stack(),
    );
}
