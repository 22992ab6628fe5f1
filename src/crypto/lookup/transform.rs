//! The negacyclic Fourier transform of blind rotations, with real and imaginary parts apart.
//!
//! A polynomial p of size N is the complex polynomial p_j + i·p_(j + N/2) of half the size; twisted by roots of i,
//! its Fourier transform of length M = N/2 makes products modulo X^N + 1 of products of values. With the parts in
//! two planes every step works on whole registers; values come out in an order of their own, the same for both
//! factors, so nothing is sorted. Four values in a register are turned around once on each way.
//!
//! Paper: Klemsa, *Fast and Error-Free Negacyclic Integer Convolution using Extended Fourier Transform* (2021).

use std::f64::consts::PI;

use pulp::{Arch, Simd, WithSimd};
use tfhe::core_crypto::fft_impl::fft64::ABox;

use super::butterfly::{four, join_four, join_two, roots, split_four, split_two};
use crate::crypto::Gadget;
use crate::crypto::ring_ciphertext::zeros;

/// Planes lie a multiple of N/2 and this many numbers apart: powers of two would fight for the same cache lines.
const GAP: usize = 8;

/// 1.5 · 2^52: added to a number below 2^51, it leaves the nearest integer in the lowest bits.
const ROUNDER: f64 = 6_755_399_441_055_744.0;

/// Everything that does not depend on the polynomial.
pub(super) struct Transform {
    /// M.
    length: usize,
    /// Roots of i: those that twist, and their inverses divided by M. Two planes each.
    twist: ABox<[f64]>,
    untwist: ABox<[f64]>,
    /// For each pass of radix four, from long to short, the planes of its three roots; at last those of a pass of
    /// radix two, if M is not a power of four.
    passes: Vec<Vec<f64>>,
}

impl Transform {
    /// The transform of polynomials of this size, a power of two from 32.
    pub fn new(polynomial_size: usize) -> Self {
        let length = polynomial_size / 2;
        let mut twist = zeros(2 * length);
        let mut untwist = zeros(2 * length);
        for j in 0..length {
            let (sin, cos) = (PI * j as f64 / polynomial_size as f64).sin_cos();
            (twist[j], twist[length + j]) = (cos, sin);
            (untwist[j], untwist[length + j]) = (cos / length as f64, -sin / length as f64);
        }
        let mut passes = Vec::new();
        let mut block = length;
        while block > 4 {
            let radix = if block == 8 { 2 } else { 4 };
            passes.push(roots(block, radix));
            block /= radix;
        }
        Self { length, twist, untwist, passes }
    }

    /// The numbers that a transformed polynomial takes: two planes, and gaps.
    pub fn values(&self) -> usize {
        2 * self.plane()
    }

    /// The distance of the planes.
    fn plane(&self) -> usize {
        self.length + GAP
    }

    /// Real and imaginary parts of transformed values.
    #[inline(always)]
    pub fn parts<'a>(&self, values: &'a [f64]) -> (&'a [f64], &'a [f64]) {
        let (re, im) = values.split_at(self.plane());
        (&re[..self.length], &im[..self.length])
    }

    #[inline(always)]
    fn parts_mut<'a>(&self, values: &'a mut [f64]) -> (&'a mut [f64], &'a mut [f64]) {
        let (re, im) = values.split_at_mut(self.plane());
        (&mut re[..self.length], &mut im[..self.length])
    }

    /// Twists a polynomial of torus values, to be transformed.
    #[inline(always)]
    pub fn twist_torus(&self, polynomial: &[u64], values: &mut [f64]) {
        let (re, im) = self.parts_mut(values);
        let (low, high) = polynomial.split_at(self.length);
        let (cos, sin) = self.twist.split_at(self.length);
        let places = re.iter_mut().zip(im.iter_mut());
        for ((re, im), ((low, high), (cos, sin))) in places.zip(low.iter().zip(high).zip(cos.iter().zip(sin)))
        {
            let scale = 2.0_f64.powi(-64);
            let (low, high) = (*low as i64 as f64 * scale, *high as i64 as f64 * scale);
            (*re, *im) = (low * cos - high * sin, low * sin + high * cos);
        }
    }

    /// Twists the last digits of multiplicities, to be transformed.
    #[inline(always)]
    pub fn twist_digits(&self, gadget: Gadget, multiplicities: &[u64], values: &mut [f64]) {
        let (re, im) = self.parts_mut(values);
        let (low, high) = multiplicities.split_at(self.length);
        let (cos, sin) = self.twist.split_at(self.length);
        let places = re.iter_mut().zip(im.iter_mut());
        for ((re, im), ((low, high), (cos, sin))) in places.zip(low.iter().zip(high).zip(cos.iter().zip(sin)))
        {
            let (low, high) = (digit(gadget.split(*low).0), digit(gadget.split(*high).0));
            (*re, *im) = (low * cos - high * sin, low * sin + high * cos);
        }
    }

    /// Transforms a twisted polynomial.
    // What works with registers is no closure: only what is always inlined is compiled for them.
    #[inline(always)]
    pub fn forward<S: Simd>(&self, simd: S, values: &mut [f64]) {
        let (re, im) = self.parts_mut(values);
        let mut block = self.length;
        for roots in &self.passes {
            let blocks = re.chunks_exact_mut(block).zip(im.chunks_exact_mut(block));
            if block == 8 {
                for (re, im) in blocks {
                    split_two(simd, re, im, roots);
                }
                block /= 2;
            } else {
                for (re, im) in blocks {
                    split_four(simd, re, im, roots);
                }
                block /= 4;
            }
        }
        let blocks =
            S::as_mut_simd_f64s(re).0.chunks_exact_mut(4).zip(S::as_mut_simd_f64s(im).0.chunks_exact_mut(4));
        for (re, im) in blocks {
            let turned_re = simd.deinterleave_shfl_f64s([re[0], re[1], re[2], re[3]]);
            let turned_im = simd.deinterleave_shfl_f64s([im[0], im[1], im[2], im[3]]);
            let (sums_re, sums_im) = four(simd, turned_re, turned_im);
            re.copy_from_slice(&sums_re);
            im.copy_from_slice(&sums_im);
        }
    }

    /// Adds the polynomial of transformed values, whose coefficients are torus values, and uses the values up.
    #[inline(always)]
    pub fn add_backward<S: Simd>(&self, simd: S, values: &mut [f64], polynomial: &mut [u64]) {
        let (re, im) = self.parts_mut(values);
        let blocks =
            S::as_mut_simd_f64s(re).0.chunks_exact_mut(4).zip(S::as_mut_simd_f64s(im).0.chunks_exact_mut(4));
        for (re, im) in blocks {
            // The same sums with the parts exchanged turn the other way.
            let (sums_im, sums_re) = four(simd, [im[0], im[1], im[2], im[3]], [re[0], re[1], re[2], re[3]]);
            re.copy_from_slice(&simd.interleave_shfl_f64s(sums_re));
            im.copy_from_slice(&simd.interleave_shfl_f64s(sums_im));
        }
        let mut block = 4;
        for roots in self.passes.iter().rev() {
            block *= if block == 4 && roots.len() == 8 { 2 } else { 4 };
            let blocks = re.chunks_exact_mut(block).zip(im.chunks_exact_mut(block));
            if block == 8 {
                for (re, im) in blocks {
                    join_two(simd, re, im, roots);
                }
            } else {
                for (re, im) in blocks {
                    join_four(simd, re, im, roots);
                }
            }
        }
        let (low, high) = polynomial.split_at_mut(self.length);
        let (cos, sin) = self.untwist.split_at(self.length);
        let places = low.iter_mut().zip(high);
        let values = re.iter().zip(im.iter()).zip(cos.iter().zip(sin));
        for ((low, high), ((re, im), (cos, sin))) in places.zip(values) {
            *low = low.wrapping_add(torus(re * cos - im * sin));
            *high = high.wrapping_add(torus(re * sin + im * cos));
        }
    }
}

/// Works with registers of four numbers at most, for which the shortest passes are long enough.
pub(super) fn vectorize<W: WithSimd>(work: W) -> W::Output {
    #[cfg(target_arch = "x86_64")]
    if let Some(simd) = pulp::x86::V3::try_new() {
        return Simd::vectorize(simd, work);
    }
    Arch::new().dispatch(work)
}

/// A digit of less than 2^51 in two's complement, as a number.
#[inline(always)]
fn digit(value: u64) -> f64 {
    f64::from_bits(ROUNDER.to_bits().wrapping_add(value)) - ROUNDER
}

/// The torus value of a number below 2^51, whole turns dropped.
#[inline(always)]
fn torus(turns: f64) -> u64 {
    let fraction = turns - ((turns + ROUNDER) - ROUNDER);
    let scaled = fraction * 2.0_f64.powi(32);
    let high = scaled + ROUNDER;
    let low = (scaled - (high - ROUNDER)) * 2.0_f64.powi(32) + ROUNDER;
    let high = high.to_bits().wrapping_sub(ROUNDER.to_bits()) << 32;
    high.wrapping_add(low.to_bits().wrapping_sub(ROUNDER.to_bits()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Products;

    /// Adds the product of small numbers and torus values to a polynomial.
    struct Product<'a> {
        transform: &'a Transform,
        digits: &'a [u64],
        torus: &'a [u64],
        sum: &'a mut [u64],
    }

    impl WithSimd for Product<'_> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            let count = self.transform.values();
            let [mut a, mut b, mut product] = [0; 3].map(|_| zeros(count));
            // A gadget whose multiplicities are digits.
            self.transform.twist_digits(Gadget::new(20, 1).unwrap(), self.digits, &mut a);
            self.transform.forward(simd, &mut a);
            self.transform.twist_torus(self.torus, &mut b);
            self.transform.forward(simd, &mut b);
            for i in 0..self.transform.length {
                let j = i + self.transform.plane();
                product[i] = a[i] * b[i] - a[j] * b[j];
                product[j] = a[i] * b[j] + a[j] * b[i];
            }
            self.transform.add_backward(simd, &mut product, self.sum);
        }
    }

    #[test]
    fn products_are_negacyclic() {
        for size in [256, 512, 1024, 2048, 4096, 8192] {
            let transform = Transform::new(size);
            let mut state = 7_u64;
            let mut random = || {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                state
            };
            let digits: Vec<u64> = (0..size).map(|_| (random() as i64 >> 48) as u64).collect();
            let torus: Vec<u64> = (0..size).map(|_| random()).collect();
            let products = Products::new(size).unwrap();
            let exact = products.multiply(&products.transform(&digits), &products.transform(&torus));
            let mut sum = vec![5 << 60; size];
            vectorize(Product { transform: &transform, digits: &digits, torus: &torus, sum: &mut sum });
            let mut scalar = vec![5 << 60; size];
            let work = Product { transform: &transform, digits: &digits, torus: &torus, sum: &mut scalar };
            pulp::Scalar::new().vectorize(work);
            for sums in [sum, scalar] {
                for (sum, exact) in sums.iter().zip(&exact) {
                    let error = sum.wrapping_sub(5 << 60).wrapping_sub(*exact) as i64;
                    assert!(error.unsigned_abs() < 1 << 38, "{size}: {error}");
                }
            }
        }
    }

    #[test]
    fn numbers_become_torus_values() {
        for (turns, value) in [
            (0.25, 1 << 62),
            (-0.25, 3 << 62),
            (1000.25, 1 << 62),
            (-7.0, 0),
            (2.0_f64.powi(-64), 1),
            (-(2.0_f64.powi(-64)), u64::MAX),
            (0.5 - 2.0_f64.powi(-54), (1 << 63) - (1 << 10)),
        ] {
            assert_eq!(torus(turns), value, "{turns}");
        }
        assert_eq!(torus(0.5), 1 << 63);
        assert_eq!([digit(3), digit(0), digit(3_u64.wrapping_neg())], [3.0, 0.0, -3.0]);
    }
}
