//! The ends of a transform: coefficients become the columns of the first split, and columns coefficients again.

use crate::crypto::lanes::{Column, Complex, Lanes};

/// Coefficients on their way into a transform.
pub trait Source {
    /// Sets values to the coefficients from `start` on.
    fn give<const RUN: usize>(&mut self, start: usize, values: &mut [f64; RUN]);
}

/// Where coefficients go on their way out.
pub trait Sink {
    /// What is to be done with coefficients while they are in registers.
    fn prepare<const L: usize, F: Lanes<L>>(&self, lanes: F, values: F::Numbers) -> F::Numbers;

    /// Takes the prepared coefficients from `start` on.
    fn take<const RUN: usize>(&mut self, start: usize, values: &[f64; RUN]);
}

/// The first split: the coefficients of a source, `RUN` of each part at a time, to columns.
#[inline(always)]
pub fn split<const L: usize, const RUN: usize, F: Lanes<L>>(
    lanes: F,
    factors: &[[f64; 2]],
    source: &mut impl Source,
    place: &mut [Column<L>],
) {
    let part = place.len();
    // Imaginary parts come after all real ones.
    let half = L * part;
    let factors = spread(lanes, factors);
    let (mut re, mut im) = ([[0.0; RUN]; L], [[0.0; RUN]; L]);
    for (run, columns) in place.chunks_exact_mut(RUN).enumerate() {
        for (number, (re, im)) in re.iter_mut().zip(&mut im).enumerate() {
            let start = run * RUN + number * part;
            source.give(start, re);
            source.give(half + start, im);
        }
        for (number, columns) in columns.as_chunks_mut::<L>().0.iter_mut().enumerate() {
            let mut inputs = [Complex::zero(lanes); L];
            for (part, (input, factor)) in inputs.iter_mut().zip(factors).enumerate() {
                // A run holds whole columns.
                let (re, im) = (&re[part].as_chunks().0[number], &im[part].as_chunks().0[number]);
                let value = Complex::new(lanes.load(re), lanes.load(im));
                *input = if part == 0 { value } else { value.mul(lanes, factor) };
            }
            let parts = Complex::transpose(lanes, lanes.fourier(inputs));
            Complex::store_all(lanes, parts, columns.each_mut());
        }
    }
}

/// The way back: columns to the coefficients of a sink.
#[inline(always)]
pub fn join<const L: usize, const RUN: usize, F: Lanes<L>>(
    lanes: F,
    factors: &[[f64; 2]],
    place: &[Column<L>],
    sink: &mut impl Sink,
) {
    let part = place.len();
    // Imaginary parts come after all real ones.
    let half = L * part;
    let factors = spread(lanes, factors);
    let (mut re, mut im) = ([[0.0; RUN]; L], [[0.0; RUN]; L]);
    for (run, columns) in place.chunks_exact(RUN).enumerate() {
        for (number, columns) in columns.as_chunks::<L>().0.iter().enumerate() {
            let parts = Complex::transpose(lanes, Complex::load_all(lanes, columns.each_ref()));
            // Powers of the conjugate root: sums in the other order.
            let mut sums = lanes.fourier(parts);
            sums[1..].reverse();
            for (part, (sum, factor)) in sums.into_iter().zip(factors).enumerate() {
                let joined = if part == 0 { sum } else { sum.mul_conjugate(lanes, factor) };
                let (a, b) = joined.parts();
                // A run holds whole columns.
                lanes.store(sink.prepare(lanes, a), &mut re[part].as_chunks_mut().0[number]);
                lanes.store(sink.prepare(lanes, b), &mut im[part].as_chunks_mut().0[number]);
            }
        }
        for (number, (re, im)) in re.iter().zip(&im).enumerate() {
            let start = run * RUN + number * part;
            sink.take(start, re);
            sink.take(half + start, im);
        }
    }
}

/// The factors of the first split, in all lanes; one for the first part.
#[inline(always)]
fn spread<const L: usize, F: Lanes<L>>(lanes: F, factors: &[[f64; 2]]) -> [Complex<L, F>; L] {
    let mut all = [Complex::zero(lanes); L];
    for (all, [re, im]) in all[1..].iter_mut().zip(factors) {
        *all = Complex::load(lanes, &[[*re; L], [*im; L]]);
    }
    all
}
