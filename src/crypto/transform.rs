//! The Fourier transform of a ring: polynomials modulo X^N + 1 as N/2 complex numbers that multiply one by one.
//!
//! A polynomial f is read as N/2 complex coefficients f_j + i·f_(j + N/2), modulo X^(N/2) - i. A ring modulo
//! X^m - c splits into four modulo X^(m/4) - r·i^k, where r is a fourth root of c, and so on down to the roots
//! themselves. So no coefficient is turned beforehand, and the few factors of a node serve all of its
//! coefficients. After the first split the four parts lie side by side in the lanes of a register: all later
//! splits work on whole registers. The order of the roots does not matter to products; nothing is sorted.
//!
//! Conversions between integers and floating point happen on the way in and out: a [`Source`] gives
//! coefficients, a [`Sink`] takes them. Nothing is divided by N/2 on the way back: one factor of each product is.
//!
//! Papers: Bernstein, *The tangent FFT* (2007), on transforms as towers of rings; Klemsa, *Fast and error-free
//! negacyclic integer convolution using extended Fourier transform* (2021), on real polynomials folded.

use std::collections::BTreeMap;
use std::f64::consts::TAU;
use std::sync::{Arc, Mutex, PoisonError};

use tfhe::core_crypto::fft_impl::fft64::ABox;

use super::lanes::{Column, Complex, Four, Work, dispatch};
use super::ring_ciphertext::zeros;

/// Coefficients that are converted together: enough of them for loops over wide registers.
pub const RUN: usize = 64;

/// Coefficients on their way into a transform.
pub trait Source {
    /// Sets values to the coefficients from `start` on.
    fn give(&mut self, start: usize, values: &mut [f64; RUN]);
}

/// Where coefficients go on their way out.
pub trait Sink {
    /// What is to be done with coefficients while they are in registers.
    fn prepare<F: Four>(&self, four: F, values: F::Numbers) -> F::Numbers;

    /// Takes the prepared coefficients from `start` on.
    fn take(&mut self, start: usize, values: &[f64; RUN]);
}

/// The transform of one ring.
#[derive(Clone)]
pub struct Transform {
    tables: Arc<Tables>,
}

struct Tables {
    polynomial_size: usize,
    /// The factors of the first split.
    first: [Column; 3],
    /// The later splits.
    splits: Vec<Split>,
}

/// All splits of one depth.
enum Split {
    /// For each ring the root.
    Two(ABox<[Column]>),
    /// For each ring the root, its square and its cube.
    Four(ABox<[[Column; 3]]>),
}

impl Transform {
    /// The transform of polynomials of this size, a power of two from 512 on.
    pub fn new(polynomial_size: usize) -> Self {
        static TABLES: Mutex<BTreeMap<usize, Arc<Tables>>> = Mutex::new(BTreeMap::new());
        // A map of tables is whole after a panic elsewhere.
        let mut known = TABLES.lock().unwrap_or_else(PoisonError::into_inner);
        let tables = known.entry(polynomial_size).or_insert_with(|| Arc::new(Tables::new(polynomial_size)));
        Self { tables: tables.clone() }
    }

    /// The number of columns of a transformed polynomial.
    pub fn columns(&self) -> usize {
        self.tables.polynomial_size / 8
    }

    /// Transforms the coefficients of a source.
    pub fn forward(&self, source: impl Source, place: &mut [Column]) {
        dispatch(Forward { tables: &self.tables, source, place });
    }

    /// Transforms back, times N/2; `values` are used up.
    pub fn backward(&self, values: &mut [Column], sink: impl Sink) {
        dispatch(Backward { tables: &self.tables, values, sink });
    }
}

impl Tables {
    fn new(polynomial_size: usize) -> Self {
        // The ring's i, and its fourth root.
        let root = 0.25 / 4.0;
        let first = [1.0, 2.0, 3.0].map(|power| column([power * root; 4]));
        let mut splits = Vec::new();
        // Lanes hold the four parts of the first split.
        let mut rings: Vec<[f64; 4]> = vec![std::array::from_fn(|lane| root + lane as f64 / 4.0)];
        let mut length = polynomial_size / 8;
        while length > 1 {
            // An odd power of two is halved once.
            let parts = if length.ilog2() % 2 == 1 { 2 } else { 4 };
            let roots: Vec<[f64; 4]> =
                rings.iter().map(|ring| ring.map(|turn| turn / parts as f64)).collect();
            splits.push(Split::new(&roots, parts));
            let part = |root: &[f64; 4], part: usize| root.map(|turn| turn + part as f64 / parts as f64);
            rings = roots.iter().flat_map(|root| (0..parts).map(move |number| part(root, number))).collect();
            length /= parts;
        }
        Self { polynomial_size, first, splits }
    }
}

impl Split {
    fn new(roots: &[[f64; 4]], parts: usize) -> Self {
        if parts == 2 {
            let mut factors = zeros(roots.len());
            factors.iter_mut().zip(roots).for_each(|(factor, root)| *factor = column(*root));
            return Self::Two(factors);
        }
        let mut factors: ABox<[[Column; 3]]> = zeros(roots.len());
        for (factors, root) in factors.iter_mut().zip(roots) {
            *factors = [1.0, 2.0, 3.0].map(|power| column(root.map(|turn| power * turn)));
        }
        Self::Four(factors)
    }
}

/// The complex numbers of absolute value one at these parts of a full turn, which are exact: powers of two are
/// their denominators.
fn column(turns: [f64; 4]) -> Column {
    let points = turns.map(|turn| {
        let quarters = (4.0 * turn).round();
        let (sin, cos) = (TAU * (turn - quarters / 4.0)).sin_cos();
        match (quarters as i64).rem_euclid(4) {
            0 => [cos, sin],
            1 => [-sin, cos],
            2 => [-cos, -sin],
            _ => [sin, -cos],
        }
    });
    [points.map(|[re, _]| re), points.map(|[_, im]| im)]
}

struct Forward<'a, S> {
    tables: &'a Tables,
    source: S,
    place: &'a mut [Column],
}

impl<S: Source> Work for Forward<'_, S> {
    #[inline(always)]
    fn work<F: Four>(mut self, four: F) {
        let quarter = self.place.len();
        let factors = Complex::load_all(four, self.tables.first.each_ref());
        let mut values = [[0.0; RUN]; 8];
        for (run, columns) in self.place.chunks_exact_mut(RUN).enumerate() {
            let start = run * RUN;
            for (part, values) in values.iter_mut().enumerate() {
                self.source.give(start + part * quarter, values);
            }
            for (number, columns) in columns.as_chunks_mut::<4>().0.iter_mut().enumerate() {
                let mut inputs = [Complex::zero(four); 4];
                for (part, input) in inputs.iter_mut().enumerate() {
                    // A run holds whole fours; imaginary parts are four quarters on.
                    let re = four.load(&values[part].as_chunks().0[number]);
                    *input = Complex::new(re, four.load(&values[part + 4].as_chunks().0[number]));
                }
                let parts = split_in_four(four, inputs, factors);
                Complex::store_all(four, Complex::transpose(four, parts), columns.each_mut());
            }
        }
        for split in &self.tables.splits {
            match split {
                Split::Two(factors) => split_all_in_two(four, self.place, factors),
                Split::Four(factors) => split_all_in_four(four, self.place, factors),
            }
        }
    }
}

#[inline(always)]
fn split_all_in_two<F: Four>(four: F, values: &mut [Column], factors: &[Column]) {
    let length = values.len() / factors.len();
    for (ring, factor) in values.chunks_exact_mut(length).zip(factors) {
        let factor = Complex::load(four, factor);
        let (a, b) = ring.split_at_mut(length / 2);
        for (a, b) in a.iter_mut().zip(b) {
            let (left, right) = (Complex::load(four, a), Complex::load(four, b).mul(four, factor));
            left.add(four, right).store(four, a);
            left.sub(four, right).store(four, b);
        }
    }
}

#[inline(always)]
fn split_all_in_four<F: Four>(four: F, values: &mut [Column], factors: &[[Column; 3]]) {
    let length = values.len() / factors.len();
    for (ring, factors) in values.chunks_exact_mut(length).zip(factors) {
        let factors = Complex::load_all(four, factors.each_ref());
        let half = ring.len() / 2;
        let (left, right) = ring.split_at_mut(half);
        let ((a, b), (c, d)) = (left.split_at_mut(half / 2), right.split_at_mut(half / 2));
        for ((a, b), (c, d)) in a.iter_mut().zip(b).zip(c.iter_mut().zip(d)) {
            let inputs = Complex::load_all(four, [&*a, &*b, &*c, &*d]);
            Complex::store_all(four, split_in_four(four, inputs, factors), [a, b, c, d]);
        }
    }
}

/// A polynomial modulo X^m - r^4, given as four parts by X^(m/4), modulo X^(m/4) - r·i^k for each k.
#[inline(always)]
fn split_in_four<F: Four>(four: F, parts: [Complex<F>; 4], factors: [Complex<F>; 3]) -> [Complex<F>; 4] {
    let [a, b, c, d] = parts;
    let [r, r2, r3] = factors;
    sums_of_four(four, [a, b.mul(four, r), c.mul(four, r2), d.mul(four, r3)])
}

/// The way back, times four.
#[inline(always)]
fn join_four<F: Four>(four: F, parts: [Complex<F>; 4], factors: [Complex<F>; 3]) -> [Complex<F>; 4] {
    // Powers of -i instead of i: the second sum and the fourth change places.
    let [a, d, c, b] = sums_of_four(four, parts);
    let [r, r2, r3] = factors;
    [a, b.mul_conjugate(four, r), c.mul_conjugate(four, r2), d.mul_conjugate(four, r3)]
}

/// Σ_j (part j) · i^(jk) for each k.
#[inline(always)]
fn sums_of_four<F: Four>(four: F, [a, b, c, d]: [Complex<F>; 4]) -> [Complex<F>; 4] {
    let (even_sum, even_difference) = (a.add(four, c), a.sub(four, c));
    let (odd_sum, odd_difference) = (b.add(four, d), b.sub(four, d));
    [
        even_sum.add(four, odd_sum),
        even_difference.add_turned(four, odd_difference),
        even_sum.sub(four, odd_sum),
        even_difference.sub_turned(four, odd_difference),
    ]
}

struct Backward<'a, S> {
    tables: &'a Tables,
    values: &'a mut [Column],
    sink: S,
}

impl<S: Sink> Work for Backward<'_, S> {
    #[inline(always)]
    fn work<F: Four>(mut self, four: F) {
        for split in self.tables.splits.iter().rev() {
            match split {
                Split::Two(factors) => join_all_twos(four, self.values, factors),
                Split::Four(factors) => join_all_fours(four, self.values, factors),
            }
        }
        let quarter = self.values.len();
        let factors = Complex::load_all(four, self.tables.first.each_ref());
        let mut values = [[0.0; RUN]; 8];
        for (run, columns) in self.values.chunks_exact(RUN).enumerate() {
            for (number, columns) in columns.as_chunks::<4>().0.iter().enumerate() {
                let columns = Complex::load_all(four, columns.each_ref());
                let parts = join_four(four, Complex::transpose(four, columns), factors);
                for (part, joined) in parts.into_iter().enumerate() {
                    let (re, im) = joined.parts();
                    // A run holds whole fours.
                    four.store(self.sink.prepare(four, re), &mut values[part].as_chunks_mut().0[number]);
                    four.store(self.sink.prepare(four, im), &mut values[part + 4].as_chunks_mut().0[number]);
                }
            }
            for (part, values) in values.iter().enumerate() {
                self.sink.take(run * RUN + part * quarter, values);
            }
        }
    }
}

#[inline(always)]
fn join_all_twos<F: Four>(four: F, values: &mut [Column], factors: &[Column]) {
    let length = values.len() / factors.len();
    for (ring, factor) in values.chunks_exact_mut(length).zip(factors) {
        let factor = Complex::load(four, factor);
        let (a, b) = ring.split_at_mut(length / 2);
        for (a, b) in a.iter_mut().zip(b) {
            let (left, right) = (Complex::load(four, a), Complex::load(four, b));
            left.add(four, right).store(four, a);
            left.sub(four, right).mul_conjugate(four, factor).store(four, b);
        }
    }
}

#[inline(always)]
fn join_all_fours<F: Four>(four: F, values: &mut [Column], factors: &[[Column; 3]]) {
    let length = values.len() / factors.len();
    for (ring, factors) in values.chunks_exact_mut(length).zip(factors) {
        let factors = Complex::load_all(four, factors.each_ref());
        let half = ring.len() / 2;
        let (left, right) = ring.split_at_mut(half);
        let ((a, b), (c, d)) = (left.split_at_mut(half / 2), right.split_at_mut(half / 2));
        for ((a, b), (c, d)) in a.iter_mut().zip(b).zip(c.iter_mut().zip(d)) {
            let inputs = Complex::load_all(four, [&*a, &*b, &*c, &*d]);
            Complex::store_all(four, join_four(four, inputs, factors), [a, b, c, d]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Products;
    use crate::crypto::conversion::{AddIntegers, Scaled};
    use crate::crypto::lanes::Plain;

    /// Values below 2^`bits`, of both signs, the same in every run.
    fn values(size: usize, bits: u32, seed: u64) -> Vec<u64> {
        let value = |index: u64| {
            (index.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ seed).wrapping_mul(0xbf58_476d_1ce4_e5b9)
        };
        (1..=size as u64).map(|index| ((value(index) as i64) >> (63 - bits)) as u64).collect()
    }

    fn scaled(values: &[u64], scale: f64) -> Scaled<'_, impl Fn(u64) -> u64> {
        Scaled { values, part: |value| value, scale }
    }

    #[test]
    fn products_are_those_of_the_ring() {
        for size in [512, 1024, 2048, 4096] {
            let (a, b) = (values(size, 12, 1), values(size, 20, 2));
            let transform = Transform::new(size);
            let mut transformed: [ABox<[Column]>; 2] = [zeros(size / 8), zeros(size / 8)];
            transform.forward(scaled(&a, 1.0), &mut transformed[0]);
            transform.forward(scaled(&b, 2.0 / size as f64), &mut transformed[1]);
            let [mut product, factor] = transformed;
            for ([re, im], [other_re, other_im]) in product.iter_mut().zip(factor.iter()) {
                for (((re, im), other_re), other_im) in re.iter_mut().zip(im).zip(other_re).zip(other_im) {
                    (*re, *im) = (*re * other_re - *im * other_im, *re * other_im + *im * other_re);
                }
            }
            let mut sum = a.clone();
            transform.backward(&mut product, AddIntegers(&mut sum));
            let exact = Products::new(size).unwrap();
            let exact = exact.multiply(&exact.transform(&a), &exact.transform(&b));
            let expected: Vec<u64> = exact.iter().zip(&a).map(|(exact, a)| exact.wrapping_add(*a)).collect();
            assert_eq!(sum, expected, "{size}");
        }
    }

    #[test]
    fn every_processor_gives_the_same() {
        let size = 2048;
        let values = values(size, 40, 3);
        let transform = Transform::new(size);
        let tables = &transform.tables;
        let mut places: [ABox<[Column]>; 2] = [zeros(size / 8), zeros(size / 8)];
        let [best, plain] = &mut places;
        transform.forward(scaled(&values, 1.0), best);
        Forward { tables, source: scaled(&values, 1.0), place: plain }.work(Plain);
        let scale = 2.0_f64.powi(46);
        for (a, b) in best.as_flattened().as_flattened().iter().zip(plain.as_flattened().as_flattened()) {
            assert!((a - b).abs() < 1e-12 * scale, "{a} {b}");
        }
        let mut backs = [vec![0; size], vec![0; size]];
        let [best_back, plain_back] = &mut backs;
        transform.backward(best, AddIntegers(best_back));
        Backward { tables, values: plain, sink: AddIntegers(plain_back) }.work(Plain);
        for ((a, b), value) in best_back.iter().zip(plain_back).zip(&values) {
            let expected = value.wrapping_mul(size as u64 / 2);
            assert!((a.wrapping_sub(expected) as i64).abs() < 1 << 8);
            assert!((b.wrapping_sub(expected) as i64).abs() < 1 << 8);
        }
    }
}
