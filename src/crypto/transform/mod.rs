//! The Fourier transform of a ring: polynomials modulo X^N + 1 as N/2 complex numbers that multiply one by one.
//!
//! A polynomial f is read as N/2 complex coefficients f_j + i·f_(j + N/2), modulo X^(N/2) - i. A ring modulo
//! X^m - c splits into four modulo X^(m/4) - r·i^k, where r is a fourth root of c, and so on down to the roots
//! themselves. So no coefficient is turned beforehand, and the few factors of a node serve all of its
//! coefficients. The first split is into as many parts as a register has lanes, where they lie side by side from
//! then on: all later splits work on whole registers. The order of the roots does not matter to products; nothing
//! is sorted. So it depends on the processor, and transformed polynomials are not for files.
//!
//! Conversions between integers and floating point happen on the way in and out: a [`Source`] gives
//! coefficients, a [`Sink`] takes them. Nothing is divided by N/2 on the way back: one factor of each product is.
//!
//! Papers: Bernstein, *The tangent FFT* (2007), on transforms as towers of rings; Klemsa, *Fast and error-free
//! negacyclic integer convolution using extended Fourier transform* (2021), on real polynomials folded.

mod ends;
mod monomial;
mod splits;

use std::collections::BTreeMap;
use std::f64::consts::TAU;
use std::sync::{Arc, Mutex, PoisonError};

use tfhe::core_crypto::fft_impl::fft64::ABox;

pub use ends::{Sink, Source};
pub use monomial::Monomial;
use monomial::Roots;

use super::lanes::{self, Lanes, Work, columns, columns_mut, dispatch};
use super::ring_ciphertext::zeros;

/// The transform of one ring.
#[derive(Clone)]
pub struct Transform {
    tables: Arc<Tables>,
}

struct Tables {
    polynomial_size: usize,
    /// The factors of the first split: real and imaginary parts.
    first: Vec<[f64; 2]>,
    /// The later splits.
    splits: Vec<Split>,
    /// What powers of X become.
    roots: Roots,
}

/// All splits of one depth.
struct Split {
    /// Into how many parts each ring is split.
    parts: usize,
    /// For each ring the root, and its square and cube if there are four parts: columns.
    factors: ABox<[f64]>,
}

impl Transform {
    /// The transform of polynomials of this size, a power of two from 256 on.
    pub fn new(polynomial_size: usize) -> Self {
        static TABLES: Mutex<BTreeMap<usize, Arc<Tables>>> = Mutex::new(BTreeMap::new());
        // A map of tables is whole after a panic elsewhere.
        let mut known = TABLES.lock().unwrap_or_else(PoisonError::into_inner);
        let tables = known
            .entry(polynomial_size)
            .or_insert_with(|| Arc::new(Tables::new(polynomial_size, lanes::count())));
        Self { tables: tables.clone() }
    }

    /// The number of real and imaginary parts of a transformed polynomial, as many as it has coefficients.
    pub fn values(&self) -> usize {
        self.tables.polynomial_size
    }

    /// Transforms the coefficients of a source.
    pub fn forward(&self, source: impl Source, place: &mut [f64]) {
        dispatch(Forward { tables: &self.tables, source, place });
    }

    /// Transforms back, times N/2; `values` are used up.
    pub fn backward(&self, values: &mut [f64], sink: impl Sink) {
        dispatch(Backward { tables: &self.tables, values, sink });
    }
}

impl Tables {
    fn new(polynomial_size: usize, lanes: usize) -> Self {
        // The ring's i, and its root.
        let root = 0.25 / lanes as f64;
        let first = (1..lanes).map(|power| point(power as f64 * root)).collect();
        let mut splits = Vec::new();
        // Lanes hold the parts of the first split.
        let mut rings: Vec<Vec<f64>> =
            vec![(0..lanes).map(|lane| root + lane as f64 / lanes as f64).collect()];
        let mut length = polynomial_size / 2 / lanes;
        while length > 1 {
            // An odd power of two is halved once.
            let parts = if length.ilog2() % 2 == 1 { 2 } else { 4 };
            let roots: Vec<Vec<f64>> =
                rings.iter().map(|ring| ring.iter().map(|turn| turn / parts as f64).collect()).collect();
            splits.push(Split::new(&roots, parts));
            let part = |root: &[f64], part: usize| {
                root.iter().map(|turn| turn + part as f64 / parts as f64).collect()
            };
            rings = roots.iter().flat_map(|root| (0..parts).map(move |number| part(root, number))).collect();
            length /= parts;
        }
        let roots = Roots::new(polynomial_size, lanes, &rings);
        Self { polynomial_size, first, splits, roots }
    }
}

impl Split {
    fn new(roots: &[Vec<f64>], parts: usize) -> Self {
        let lanes = roots[0].len();
        let mut factors = zeros(roots.len() * (parts - 1) * 2 * lanes);
        let columns = factors.chunks_exact_mut(2 * lanes);
        let powers = roots.iter().flat_map(|root| (1..parts).map(move |power| (root, power as f64)));
        for (column, (root, power)) in columns.zip(powers) {
            for (lane, turn) in root.iter().enumerate() {
                [column[lane], column[lanes + lane]] = point(power * turn);
            }
        }
        Self { parts, factors }
    }
}

/// The complex number of absolute value one at this part of a full turn, which is exact: a power of two is its
/// denominator.
fn point(turn: f64) -> [f64; 2] {
    let quarters = (4.0 * turn).round();
    let (sin, cos) = (TAU * (turn - quarters / 4.0)).sin_cos();
    match (quarters as i64).rem_euclid(4) {
        0 => [cos, sin],
        1 => [-sin, cos],
        2 => [-cos, -sin],
        _ => [sin, -cos],
    }
}

struct Forward<'a, S> {
    tables: &'a Tables,
    source: S,
    place: &'a mut [f64],
}

impl<S: Source> Work for Forward<'_, S> {
    type Output = ();

    #[inline(always)]
    fn work<const L: usize, F: Lanes<L>>(mut self, lanes: F) {
        let place = columns_mut(self.place);
        let (first, source) = (&self.tables.first, &mut self.source);
        // The longest runs that short polynomials have.
        match place.len() {
            16 => ends::split::<L, 16, F>(lanes, first, source, place),
            32 => ends::split::<L, 32, F>(lanes, first, source, place),
            _ => ends::split::<L, 64, F>(lanes, first, source, place),
        }
        for split in &self.tables.splits {
            match split.parts {
                2 => splits::in_two(lanes, place, columns(&split.factors)),
                _ => splits::in_four(lanes, place, columns(&split.factors).as_chunks().0),
            }
        }
    }
}

struct Backward<'a, S> {
    tables: &'a Tables,
    values: &'a mut [f64],
    sink: S,
}

impl<S: Sink> Work for Backward<'_, S> {
    type Output = ();

    #[inline(always)]
    fn work<const L: usize, F: Lanes<L>>(mut self, lanes: F) {
        let place = columns_mut(self.values);
        for split in self.tables.splits.iter().rev() {
            match split.parts {
                2 => splits::join_two(lanes, place, columns(&split.factors)),
                _ => splits::join_four(lanes, place, columns(&split.factors).as_chunks().0),
            }
        }
        let (first, sink) = (&self.tables.first, &mut self.sink);
        match place.len() {
            16 => ends::join::<L, 16, F>(lanes, first, place, sink),
            32 => ends::join::<L, 32, F>(lanes, first, place, sink),
            _ => ends::join::<L, 64, F>(lanes, first, place, sink),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Products;
    use crate::crypto::conversion::{AddIntegers, Scaled};
    use crate::crypto::lanes::{Complex, Plain};

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

    /// Multiplies transformed polynomials.
    struct Multiply<'a>(&'a mut [f64], &'a [f64]);

    impl Work for Multiply<'_> {
        type Output = ();

        fn work<const L: usize, F: Lanes<L>>(self, lanes: F) {
            for (a, b) in columns_mut::<L>(self.0).iter_mut().zip(columns::<L>(self.1)) {
                let product = Complex::load(lanes, a).mul(lanes, Complex::load(lanes, b));
                product.store(lanes, a);
            }
        }
    }

    /// a + a·b, for the transform of a ring on some processor.
    fn sum<const L: usize, F: Lanes<L>>(lanes: F, a: &[u64], b: &[u64]) -> Vec<u64> {
        let tables = &Tables::new(a.len(), L);
        let mut transformed: [ABox<[f64]>; 2] = [zeros(a.len()), zeros(a.len())];
        let sources = [scaled(a, 1.0), scaled(b, 2.0 / a.len() as f64)];
        for (source, place) in sources.into_iter().zip(&mut transformed) {
            Forward { tables, source, place }.work(lanes);
        }
        let [mut product, factor] = transformed;
        Multiply(&mut product, &factor).work(lanes);
        let mut sum = a.to_vec();
        Backward { tables, values: &mut product, sink: AddIntegers(&mut sum) }.work(lanes);
        sum
    }

    /// The same on this processor at its best.
    struct Best<'a>(&'a [u64], &'a [u64]);

    impl Work for Best<'_> {
        type Output = Vec<u64>;

        fn work<const L: usize, F: Lanes<L>>(self, lanes: F) -> Vec<u64> {
            sum(lanes, self.0, self.1)
        }
    }

    /// The largest difference between a transformed power of X and what is computed of it.
    struct MonomialError<'a>(&'a Transform, usize);

    impl Work for MonomialError<'_> {
        type Output = f64;

        fn work<const L: usize, F: Lanes<L>>(self, lanes: F) -> f64 {
            let (transform, size) = (self.0, self.0.values());
            let mut power = vec![0; size];
            power[self.1 % size] = if self.1 < size { 1 } else { u64::MAX };
            let mut expected: ABox<[f64]> = zeros(size);
            Forward { tables: &transform.tables, source: scaled(&power, 1.0), place: &mut expected }
                .work(lanes);
            let monomial = Monomial::new(lanes, transform, self.1);
            let mut computed: ABox<[f64]> = zeros(size);
            for (index, column) in columns_mut::<L>(&mut computed).iter_mut().enumerate() {
                monomial.column(lanes, index).store(lanes, column);
            }
            computed.iter().zip(expected.iter()).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
        }
    }

    #[test]
    fn powers_of_x_need_no_transform() {
        for size in [256, 512, 1024, 2048] {
            let transform = Transform::new(size);
            for power in [0, 1, 77, size - 1, size, size + 5, 2 * size - 1] {
                assert!(dispatch(MonomialError(&transform, power)) < 1e-12, "{size} {power}");
            }
        }
    }

    #[test]
    fn products_are_those_of_the_ring_on_every_processor() {
        for size in [256, 512, 1024, 2048, 4096, 8192] {
            let (a, b) = (values(size, 12, 1), values(size, 20, 2));
            let exact = Products::new(size).unwrap();
            let exact = exact.multiply(&exact.transform(&a), &exact.transform(&b));
            let expected: Vec<u64> = exact.iter().zip(&a).map(|(exact, a)| exact.wrapping_add(*a)).collect();
            assert_eq!(sum(Plain, &a, &b), expected, "{size}");
            assert_eq!(dispatch(Best(&a, &b)), expected, "{size}");
            #[cfg(target_arch = "x86_64")]
            if let Some(lanes) = pulp::x86::V3::try_new() {
                assert_eq!(sum(lanes, &a, &b), expected, "{size}");
            }
        }
    }
}
