//! Rings split in two and four, and joined again: columns by columns.

use crate::crypto::lanes::{Column, Complex, Lanes};

#[inline(always)]
pub fn in_two<const L: usize, F: Lanes<L>>(lanes: F, values: &mut [Column<L>], factors: &[Column<L>]) {
    let length = values.len() / factors.len();
    for (ring, factor) in values.chunks_exact_mut(length).zip(factors) {
        let factor = Complex::load(lanes, factor);
        let (a, b) = ring.split_at_mut(length / 2);
        for (a, b) in a.iter_mut().zip(b) {
            let (left, right) = (Complex::load(lanes, a), Complex::load(lanes, b).mul(lanes, factor));
            left.add(lanes, right).store(lanes, a);
            left.sub(lanes, right).store(lanes, b);
        }
    }
}

#[inline(always)]
pub fn in_four<const L: usize, F: Lanes<L>>(lanes: F, values: &mut [Column<L>], factors: &[[Column<L>; 3]]) {
    let length = values.len() / factors.len();
    for (ring, factors) in values.chunks_exact_mut(length).zip(factors) {
        let factors = Complex::load_all(lanes, factors.each_ref());
        let half = ring.len() / 2;
        let (left, right) = ring.split_at_mut(half);
        let ((a, b), (c, d)) = (left.split_at_mut(half / 2), right.split_at_mut(half / 2));
        for ((a, b), (c, d)) in a.iter_mut().zip(b).zip(c.iter_mut().zip(d)) {
            let inputs = Complex::load_all(lanes, [&*a, &*b, &*c, &*d]);
            Complex::store_all(lanes, split_four(lanes, inputs, factors), [a, b, c, d]);
        }
    }
}

/// A polynomial modulo X^m - r^4, given as four parts by X^(m/4), modulo X^(m/4) - r·i^k for each k.
#[inline(always)]
fn split_four<const L: usize, F: Lanes<L>>(
    lanes: F,
    parts: [Complex<L, F>; 4],
    factors: [Complex<L, F>; 3],
) -> [Complex<L, F>; 4] {
    let [a, b, c, d] = parts;
    let [r, r2, r3] = factors;
    Complex::fourier_of_four(lanes, [a, b.mul(lanes, r), c.mul(lanes, r2), d.mul(lanes, r3)])
}

/// The way back, times four.
#[inline(always)]
fn joined_four<const L: usize, F: Lanes<L>>(
    lanes: F,
    parts: [Complex<L, F>; 4],
    factors: [Complex<L, F>; 3],
) -> [Complex<L, F>; 4] {
    // Powers of -i instead of i: the second sum and the fourth change places.
    let [a, d, c, b] = Complex::fourier_of_four(lanes, parts);
    let [r, r2, r3] = factors;
    [a, b.mul_conjugate(lanes, r), c.mul_conjugate(lanes, r2), d.mul_conjugate(lanes, r3)]
}

#[inline(always)]
pub fn join_two<const L: usize, F: Lanes<L>>(lanes: F, values: &mut [Column<L>], factors: &[Column<L>]) {
    let length = values.len() / factors.len();
    for (ring, factor) in values.chunks_exact_mut(length).zip(factors) {
        let factor = Complex::load(lanes, factor);
        let (a, b) = ring.split_at_mut(length / 2);
        for (a, b) in a.iter_mut().zip(b) {
            let (left, right) = (Complex::load(lanes, a), Complex::load(lanes, b));
            left.add(lanes, right).store(lanes, a);
            left.sub(lanes, right).mul_conjugate(lanes, factor).store(lanes, b);
        }
    }
}

#[inline(always)]
pub fn join_four<const L: usize, F: Lanes<L>>(
    lanes: F,
    values: &mut [Column<L>],
    factors: &[[Column<L>; 3]],
) {
    let length = values.len() / factors.len();
    for (ring, factors) in values.chunks_exact_mut(length).zip(factors) {
        let factors = Complex::load_all(lanes, factors.each_ref());
        let half = ring.len() / 2;
        let (left, right) = ring.split_at_mut(half);
        let ((a, b), (c, d)) = (left.split_at_mut(half / 2), right.split_at_mut(half / 2));
        for ((a, b), (c, d)) in a.iter_mut().zip(b).zip(c.iter_mut().zip(d)) {
            let inputs = Complex::load_all(lanes, [&*a, &*b, &*c, &*d]);
            Complex::store_all(lanes, joined_four(lanes, inputs, factors), [a, b, c, d]);
        }
    }
}
