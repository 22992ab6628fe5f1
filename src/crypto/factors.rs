//! External products in the Fourier domain: digits of polynomials as factors, rows that they multiply, and sums.

use tfhe::core_crypto::fft_impl::fft64::ABox;

use super::Gadget;
use super::conversion::Digits;
use super::lanes::{self, Column, Complex, Lanes, Work, columns, columns_mut, dispatch};
use super::ring_ciphertext::zeros;
use super::transform::{Source, Transform};

/// From one polynomial to the next there are this many values more than it has: distances of a power of two would
/// make them fight for the same cache lines.
pub const GAP: usize = 32;

/// Digits of polynomials, transformed.
pub struct Factors {
    /// What is left of a polynomial while its digits are taken off.
    rest: ABox<[u64]>,
    values: ABox<[f64]>,
}

impl Factors {
    /// Room for this many factors of a ring.
    pub fn new(polynomial_size: usize, terms: usize) -> Self {
        Self { rest: zeros(polynomial_size), values: zeros(terms * (polynomial_size + GAP)) }
    }

    /// Makes room for so many factors.
    pub fn reserve(&mut self, terms: usize) {
        let count = terms * (self.rest.len() + GAP);
        if self.values.len() < count {
            self.values = zeros(count);
        }
    }

    /// Sets every so many factors, from a first one on, to the digits of a polynomial, the finest first.
    pub fn decompose(
        &mut self,
        polynomial: &[u64],
        gadget: Gadget,
        (first, step): (usize, usize),
        transform: &Transform,
    ) {
        gadget.round(polynomial, &mut self.rest);
        self.decompose_rest(gadget, (first, step), transform);
    }

    /// Room for the multiplicities of a polynomial that a gadget rounded, for [`Factors::decompose_rest`].
    pub fn rest(&mut self) -> &mut [u64] {
        &mut self.rest
    }

    /// Sets every so many factors, from a first one on, to the digits of what is left, the finest first.
    pub fn decompose_rest(&mut self, gadget: Gadget, (first, step): (usize, usize), transform: &Transform) {
        let size = self.rest.len();
        let places = self.values.chunks_exact_mut(size + GAP).skip(first).step_by(step);
        for place in places.take(gadget.levels()) {
            // A place has room for a polynomial and a gap.
            transform.forward(Digits { gadget, rest: &mut self.rest }, &mut place[..size]);
        }
    }

    /// Sets the factor at a place to a polynomial of small integers.
    pub fn transform(&mut self, place: usize, source: impl Source, transform: &Transform) {
        let size = self.rest.len();
        // A place has room for a polynomial and a gap.
        if let Some(place) = self.values.chunks_exact_mut(size + GAP).nth(place) {
            transform.forward(source, &mut place[..size]);
        }
    }

    /// A column of each factor.
    #[inline(always)]
    pub fn column<const L: usize>(&self, index: usize) -> impl Iterator<Item = &Column<L>> {
        let columns: &[Column<L>] = columns(&self.values);
        columns.iter().skip(index).step_by((self.rest.len() + GAP) / (2 * L))
    }

    /// Sets `parts` sums to Σ (row of a term) · (its factor), for rows in the order of [`place_rows`]; `onto` what
    /// the sums are, or as if they were zero. Sums lie side by side, each with as many values as the others.
    pub fn sum(&self, sums: &mut [f64], parts: usize, rows: &[f64], terms: usize, onto: bool) {
        let mut first = 0;
        while first < parts {
            let sum = Sum { factors: self, sums, parts, first, rows, terms, onto };
            first += match parts - first {
                1 => sum.of::<1>(),
                2 => sum.of::<2>(),
                3 => sum.of::<3>(),
                4 => sum.of::<4>(),
                5 => sum.of::<5>(),
                6 => sum.of::<6>(),
                7 => sum.of::<7>(),
                _ => sum.of::<8>(),
            };
        }
    }
}

/// Puts transformed polynomials, the parts of one term or of several that follow each other, where sums read them:
/// column by column, in it term by term, in it part by part. `count` is the number of polynomials of all terms,
/// `first` the place of these among them.
pub fn place_rows(rows: &mut [f64], polynomials: &[f64], polynomial_size: usize, first: usize, count: usize) {
    let width = 2 * lanes::count();
    for (number, polynomial) in polynomials.chunks_exact(polynomial_size).enumerate() {
        let places = rows.chunks_exact_mut(width).skip(first + number).step_by(count);
        for (place, column) in places.zip(polynomial.chunks_exact(width)) {
            place.copy_from_slice(column);
        }
    }
}

/// The sums of products, column by column: sums stay in registers and rows are read once from end to end.
struct Sum<'a> {
    factors: &'a Factors,
    sums: &'a mut [f64],
    /// All sums, and the first that is meant.
    parts: usize,
    first: usize,
    rows: &'a [f64],
    terms: usize,
    onto: bool,
}

impl Sum<'_> {
    /// Computes so many sums, and gives their number.
    fn of<const COUNT: usize>(self) -> usize {
        dispatch(Sums::<COUNT>(self));
        COUNT
    }
}

struct Sums<'a, const COUNT: usize>(Sum<'a>);

impl<const COUNT: usize> Work for Sums<'_, COUNT> {
    type Output = ();

    #[inline(always)]
    fn work<const L: usize, F: Lanes<L>>(self, lanes: F) {
        let Sum { factors, sums, parts, first, rows, terms, onto } = self.0;
        let stride = sums.len() / parts / (2 * L);
        let sums: &mut [Column<L>] = &mut columns_mut(sums)[first * stride..];
        let rows: &[Column<L>] = columns(rows);
        for (column, rows) in rows.chunks_exact(terms * parts).enumerate() {
            let mut registers = [Complex::zero(lanes); COUNT];
            if onto {
                for (part, sum) in registers.iter_mut().enumerate() {
                    // There is room for so many polynomials.
                    *sum = Complex::load(lanes, &sums[part * stride + column]);
                }
            }
            let rows = rows.chunks_exact(parts).filter_map(|row| row.get(first..)?.first_chunk::<COUNT>());
            for (row, factor) in rows.zip(factors.column(column)) {
                let factor = Complex::load(lanes, factor);
                for (sum, row) in registers.iter_mut().zip(row) {
                    *sum = Complex::load(lanes, row).mul_add(lanes, factor, *sum);
                }
            }
            for (part, sum) in registers.into_iter().enumerate() {
                // As above.
                sum.store(lanes, &mut sums[part * stride + column]);
            }
        }
    }
}
