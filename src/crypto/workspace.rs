//! The Fourier transform of one ring and the memory that its products need, so that they allocate nothing.

use tfhe::core_crypto::fft_impl::fft64::ABox;

use super::factors::Factors;
use super::ring_ciphertext::zeros;
use super::transform::Transform;
use super::{Gadget, RingCiphertext, RingParameters};

/// What one thread needs to compute products in one ring. Make one for each thread and keep it.
pub struct RingWorkspace {
    pub(super) transform: Transform,
    /// A mask to be switched to another key.
    pub(super) mask: ABox<[u64]>,
    factors: Factors,
    /// Sums of products, up to four polynomials.
    pub(super) sums: ABox<[f64]>,
    /// A row of a GGSW ciphertext in the making.
    pub(super) row: RingCiphertext,
}

impl RingWorkspace {
    /// A workspace for the ring of these parameters.
    pub fn new(parameters: &RingParameters) -> Self {
        let size = parameters.polynomial_size();
        Self {
            transform: Transform::new(size),
            mask: zeros(size),
            factors: Factors::new(size, 0),
            sums: zeros(4 * size),
            row: RingCiphertext::zero(size),
        }
    }

    /// Transforms the digits of the mask, the finest first, into factors.
    pub(super) fn decompose_mask(&mut self, gadget: Gadget) {
        self.factors.reserve(gadget.levels());
        self.factors.decompose(&self.mask, gadget, (0, 1), &self.transform);
    }

    /// Transforms the digits of mask and body, the finest first, into factors: of each level two.
    pub(super) fn decompose_both(&mut self, ciphertext: &RingCiphertext, gadget: Gadget) {
        self.factors.reserve(2 * gadget.levels());
        self.factors.decompose(ciphertext.mask(), gadget, (0, 2), &self.transform);
        self.factors.decompose(ciphertext.body(), gadget, (1, 2), &self.transform);
    }

    /// Sets the four sums to Σ (row of a level) · (factor of the level), for rows in the order of
    /// [`place_rows`](super::factors::place_rows).
    pub(super) fn sum_switched(&mut self, rows: &[f64], levels: usize) {
        self.factors.sum(&mut self.sums, 4, rows, levels, false);
    }

    /// Sets mask and body to Σ (row of a term) · (factor of the term), `onto` what they are or as if they were zero,
    /// for rows in the order of [`place_rows`](super::factors::place_rows).
    pub(super) fn sum_products(&self, sums: &mut [f64], rows: &[f64], terms: usize, onto: bool) {
        self.factors.sum(sums, 2, rows, terms, onto);
    }
}
