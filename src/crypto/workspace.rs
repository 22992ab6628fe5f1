//! The Fourier transform of one ring and the memory that its products need, so that they allocate nothing.

use tfhe::core_crypto::fft_impl::fft64::ABox;

use super::conversion::Digits;
use super::lanes::{Column, Complex, Four, Work, dispatch};
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
    pub(super) sums: ABox<[Column]>,
    /// A row of a GGSW ciphertext in the making.
    pub(super) row: RingCiphertext,
}

impl RingWorkspace {
    /// A workspace for the ring of these parameters.
    pub fn new(parameters: &RingParameters) -> Self {
        let size = parameters.polynomial_size();
        let transform = Transform::new(size);
        let sums = zeros(4 * transform.columns());
        Self {
            transform,
            mask: zeros(size),
            factors: Factors { rest: zeros(size), values: zeros(0), stride: 0 },
            sums,
            row: RingCiphertext::zero(size),
        }
    }

    /// Transforms the digits of the mask, the finest first, into factors.
    pub(super) fn decompose_mask(&mut self, gadget: Gadget) {
        self.factors.reserve(gadget.levels(), &self.transform);
        self.factors.decompose(&self.mask, gadget, (0, 1), &self.transform);
    }

    /// Transforms the digits of mask and body, the finest first, into factors: of each level two.
    pub(super) fn decompose_both(&mut self, ciphertext: &RingCiphertext, gadget: Gadget) {
        self.factors.reserve(2 * gadget.levels(), &self.transform);
        self.factors.decompose(ciphertext.mask(), gadget, (0, 2), &self.transform);
        self.factors.decompose(ciphertext.body(), gadget, (1, 2), &self.transform);
    }

    /// Sets the first `PARTS` sums to Σ (row of a term) · (factor of the term), for rows in the order of
    /// [`place_row`].
    pub(super) fn sum_products<const PARTS: usize>(&mut self, rows: &[Column], terms: usize) {
        let (sums, factors) = (&mut self.sums, &self.factors);
        dispatch(SumProducts::<PARTS> { sums, rows, factors, terms });
    }
}

/// Digits of polynomials, transformed.
struct Factors {
    /// What is left of a polynomial while its digits are taken off.
    rest: ABox<[u64]>,
    values: ABox<[Column]>,
    /// From one polynomial to the next. A power of two would make them fight for the same cache lines.
    stride: usize,
}

impl Factors {
    fn reserve(&mut self, terms: usize, transform: &Transform) {
        self.stride = transform.columns() + 4;
        if self.values.len() < terms * self.stride {
            self.values = zeros(terms * self.stride);
        }
    }

    /// Sets every so many factors, from a first one on.
    fn decompose(
        &mut self,
        polynomial: &[u64],
        gadget: Gadget,
        (first, step): (usize, usize),
        transform: &Transform,
    ) {
        gadget.round(polynomial, &mut self.rest);
        let places = self.values.chunks_exact_mut(self.stride).skip(first).step_by(step);
        for place in places.take(gadget.levels()) {
            let place = &mut place[..transform.columns()];
            transform.forward(Digits { gadget, rest: &mut self.rest }, place);
        }
    }
}

/// Puts a transformed polynomial, one part of the row of a term, where sums read it: column by column, in it
/// term by term, in it part by part.
pub(super) fn place_row(
    rows: &mut [Column],
    polynomial: &[Column],
    (term, terms): (usize, usize),
    (part, parts): (usize, usize),
) {
    for (group, column) in rows.chunks_exact_mut(terms * parts).zip(polynomial) {
        // A group holds all parts of all terms.
        group[term * parts + part] = *column;
    }
}

/// The sums of products of rows and factors, column by column: sums stay in registers and rows are read once
/// from end to end.
struct SumProducts<'a, const PARTS: usize> {
    sums: &'a mut [Column],
    rows: &'a [Column],
    factors: &'a Factors,
    terms: usize,
}

impl<const PARTS: usize> Work for SumProducts<'_, PARTS> {
    #[inline(always)]
    fn work<F: Four>(self, four: F) {
        let columns = self.rows.len() / self.terms / PARTS;
        for (column, rows) in self.rows.chunks_exact(self.terms * PARTS).enumerate() {
            let mut sums = [Complex::zero(four); PARTS];
            let (rows, _) = rows.as_chunks::<PARTS>();
            for (row, factor) in
                rows.iter().zip(self.factors.values[column..].iter().step_by(self.factors.stride))
            {
                let factor = Complex::load(four, factor);
                for (sum, row) in sums.iter_mut().zip(row) {
                    *sum = Complex::load(four, row).mul_add(four, factor, *sum);
                }
            }
            for (part, sum) in sums.into_iter().enumerate() {
                // There is room for four polynomials.
                sum.store(four, &mut self.sums[part * columns + column]);
            }
        }
    }
}
