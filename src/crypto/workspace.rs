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

    /// Sets the four sums to Σ (row of a level) · (factor of the level), for rows in the order of
    /// [`place_rows`].
    pub(super) fn sum_switched(&mut self, rows: &[Column], levels: usize) {
        let (sums, factors) = (&mut self.sums, &self.factors);
        dispatch(SumProducts::<4> { sums, rows, factors, terms: levels, onto: false });
    }

    /// Adds Σ (row of a term) · (factor of the term) to mask and body, for rows in the order of
    /// [`place_rows`].
    pub(super) fn add_products(&self, sums: &mut [Column], rows: &[Column], terms: usize) {
        dispatch(SumProducts::<2> { sums, rows, factors: &self.factors, terms, onto: true });
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

/// Puts the four transformed polynomials of a level where sums read them: column by column, in it level by level,
/// in it polynomial by polynomial.
pub(super) fn place_rows(rows: &mut [Column], polynomials: &[Column], level: usize, levels: usize) {
    let columns = polynomials.len() / 4;
    for (column, group) in rows.chunks_exact_mut(4 * levels).enumerate() {
        // A group holds the four polynomials of all levels.
        for (part, place) in group[4 * level..][..4].iter_mut().enumerate() {
            *place = polynomials[part * columns + column];
        }
    }
}

/// The sums of products of rows and factors, column by column: sums stay in registers and rows are read once
/// from end to end.
struct SumProducts<'a, const PARTS: usize> {
    sums: &'a mut [Column],
    rows: &'a [Column],
    factors: &'a Factors,
    terms: usize,
    /// Whether products are added to the sums that are there.
    onto: bool,
}

impl<const PARTS: usize> Work for SumProducts<'_, PARTS> {
    #[inline(always)]
    fn work<F: Four>(self, four: F) {
        let columns = self.rows.len() / self.terms / PARTS;
        for (column, rows) in self.rows.chunks_exact(self.terms * PARTS).enumerate() {
            let mut sums = [Complex::zero(four); PARTS];
            if self.onto {
                for (part, sum) in sums.iter_mut().enumerate() {
                    // There is room for so many polynomials.
                    *sum = Complex::load(four, &self.sums[part * columns + column]);
                }
            }
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
                // As above.
                sum.store(four, &mut self.sums[part * columns + column]);
            }
        }
    }
}
