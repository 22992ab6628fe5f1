//! Sums of external products whose factor is turned by powers of X, one for each pattern of two bits.

use crate::crypto::factors::Factors;
use crate::crypto::lanes::{Column, Complex, Lanes, Work, columns, columns_mut, dispatch};
use crate::crypto::transform::{Monomial, Transform};

/// What two bits can be, but for both zero.
const PATTERNS: usize = 3;

/// Σ (row of a term and pattern) · (X^(power of the pattern) - 1) · (factor of the term), part by part.
pub(super) struct TurnedSum<'a> {
    pub factors: &'a Factors,
    pub transform: &'a Transform,
    /// Below 2N.
    pub powers: [usize; PATTERNS],
    /// In the order of [`place_rows`](crate::crypto::factors::place_rows): term by term, in it pattern by pattern.
    pub rows: &'a [f64],
    /// The polynomials of a row.
    pub parts: usize,
}

impl TurnedSum<'_> {
    /// Sets the sums, which lie side by side, each with as many values as the others.
    pub fn set(&self, sums: &mut [f64]) {
        let mut first = 0;
        while first < self.parts {
            first += match self.parts - first {
                1 => dispatch(Parts::<1> { sum: self, sums, first }),
                2 => dispatch(Parts::<2> { sum: self, sums, first }),
                3 => dispatch(Parts::<3> { sum: self, sums, first }),
                4 => dispatch(Parts::<4> { sum: self, sums, first }),
                5 => dispatch(Parts::<5> { sum: self, sums, first }),
                6 => dispatch(Parts::<6> { sum: self, sums, first }),
                7 => dispatch(Parts::<7> { sum: self, sums, first }),
                _ => dispatch(Parts::<8> { sum: self, sums, first }),
            };
        }
    }
}

/// So many parts from a first one on.
struct Parts<'a, const COUNT: usize> {
    sum: &'a TurnedSum<'a>,
    sums: &'a mut [f64],
    first: usize,
}

impl<const COUNT: usize> Work for Parts<'_, COUNT> {
    type Output = usize;

    #[inline(always)]
    fn work<const L: usize, F: Lanes<L>>(self, lanes: F) -> usize {
        let TurnedSum { factors, transform, powers: [a, b, c], rows, parts } = *self.sum;
        let stride = self.sums.len() / parts / (2 * L);
        let sums: &mut [Column<L>] = &mut columns_mut(self.sums)[self.first * stride..];
        let one = Complex::load(lanes, &[[1.0; L], [0.0; L]]);
        let monomials = [
            Monomial::new(lanes, transform, a),
            Monomial::new(lanes, transform, b),
            Monomial::new(lanes, transform, c),
        ];
        let rows: &[Column<L>] = columns(rows);
        let width = rows.len() * 2 * L / transform.values();
        for (index, rows) in rows.chunks_exact(width).enumerate() {
            let mut turns = [one; PATTERNS];
            for (turn, monomial) in turns.iter_mut().zip(&monomials) {
                *turn = monomial.column(lanes, index).sub(lanes, one);
            }
            let mut registers = [Complex::zero(lanes); COUNT];
            for (rows, factor) in rows.chunks_exact(PATTERNS * parts).zip(factors.column(index)) {
                let factor = Complex::load(lanes, factor);
                let rows =
                    rows.chunks_exact(parts).filter_map(|row| row.get(self.first..)?.first_chunk::<COUNT>());
                for (row, turn) in rows.zip(turns) {
                    let factor = factor.mul(lanes, turn);
                    for (sum, row) in registers.iter_mut().zip(row) {
                        *sum = Complex::load(lanes, row).mul_add(lanes, factor, *sum);
                    }
                }
            }
            for (part, sum) in registers.into_iter().enumerate() {
                // There is room for so many polynomials.
                sum.store(lanes, &mut sums[part * stride + index]);
            }
        }
        COUNT
    }
}
