//! The steps of a Fourier transform: blocks of complex numbers, real and imaginary parts apart, split in parts that
//! are transformed alone, and joined again.
//!
//! What works with registers is always inlined, and no closure: else it would be compiled for other registers.

use std::f64::consts::PI;

use pulp::Simd;

/// The planes of the powers w^j, w^2j ... of a root w of order `block`, for j below `block` / `radix`.
pub(super) fn roots(block: usize, radix: usize) -> Vec<f64> {
    let angle = |power: usize, j: usize| -2.0 * PI * (power * j) as f64 / block as f64;
    let plane = |power: usize, part: fn(f64) -> f64| (0..block / radix).map(move |j| part(angle(power, j)));
    (1..radix).flat_map(|power| plane(power, f64::cos).chain(plane(power, f64::sin))).collect()
}

/// The sums of four numbers with i^-jk: a Fourier transform of length four.
#[inline(always)]
pub(super) fn four<S: Simd>(simd: S, re: [S::f64s; 4], im: [S::f64s; 4]) -> ([S::f64s; 4], [S::f64s; 4]) {
    let even_re = (simd.add_f64s(re[0], re[2]), simd.sub_f64s(re[0], re[2]));
    let even_im = (simd.add_f64s(im[0], im[2]), simd.sub_f64s(im[0], im[2]));
    let odd_re = (simd.add_f64s(re[1], re[3]), simd.sub_f64s(re[1], re[3]));
    let odd_im = (simd.add_f64s(im[1], im[3]), simd.sub_f64s(im[1], im[3]));
    (
        [
            simd.add_f64s(even_re.0, odd_re.0),
            simd.add_f64s(even_re.1, odd_im.1),
            simd.sub_f64s(even_re.0, odd_re.0),
            simd.sub_f64s(even_re.1, odd_im.1),
        ],
        [
            simd.add_f64s(even_im.0, odd_im.0),
            simd.sub_f64s(even_im.1, odd_re.1),
            simd.sub_f64s(even_im.0, odd_im.0),
            simd.add_f64s(even_im.1, odd_re.1),
        ],
    )
}

/// A complex product; `SIGN` false: with the conjugate of the root.
#[inline(always)]
fn times<S: Simd, const SIGN: bool>(
    simd: S,
    (re, im): (S::f64s, S::f64s),
    (cos, sin): (S::f64s, S::f64s),
) -> (S::f64s, S::f64s) {
    let (re_cos, im_cos) = (simd.mul_f64s(re, cos), simd.mul_f64s(im, cos));
    match SIGN {
        true => (simd.negate_mul_add_f64s(im, sin, re_cos), simd.mul_add_f64s(re, sin, im_cos)),
        false => (simd.mul_add_f64s(im, sin, re_cos), simd.negate_mul_add_f64s(re, sin, im_cos)),
    }
}

/// A block as four of a quarter each, multiplied by their roots: decimation in frequency.
#[inline(always)]
pub(super) fn split_four<S: Simd>(simd: S, re: &mut [f64], im: &mut [f64], mut roots: &[f64]) {
    let quarter = re.len() / 4;
    let (re, im) = (quarters::<S>(re, quarter), quarters::<S>(im, quarter));
    let roots =
        [root::<S>(&mut roots, quarter), root::<S>(&mut roots, quarter), root::<S>(&mut roots, quarter)];
    for j in 0..re[0].len() {
        // Quarters and planes of roots are equally long.
        let (sums_re, sums_im) =
            four(simd, [re[0][j], re[1][j], re[2][j], re[3][j]], [im[0][j], im[1][j], im[2][j], im[3][j]]);
        (re[0][j], im[0][j]) = (sums_re[0], sums_im[0]);
        for part in 1..4 {
            let root = (roots[part - 1][0][j], roots[part - 1][1][j]);
            (re[part][j], im[part][j]) = times::<S, true>(simd, (sums_re[part], sums_im[part]), root);
        }
    }
}

/// Turns [`split_four`] back, but for a factor of four.
#[inline(always)]
pub(super) fn join_four<S: Simd>(simd: S, re: &mut [f64], im: &mut [f64], mut roots: &[f64]) {
    let quarter = re.len() / 4;
    let (re, im) = (quarters::<S>(re, quarter), quarters::<S>(im, quarter));
    let roots =
        [root::<S>(&mut roots, quarter), root::<S>(&mut roots, quarter), root::<S>(&mut roots, quarter)];
    for j in 0..re[0].len() {
        // Quarters and planes of roots are equally long.
        let a = (re[0][j], im[0][j]);
        let b = times::<S, false>(simd, (re[1][j], im[1][j]), (roots[0][0][j], roots[0][1][j]));
        let c = times::<S, false>(simd, (re[2][j], im[2][j]), (roots[1][0][j], roots[1][1][j]));
        let d = times::<S, false>(simd, (re[3][j], im[3][j]), (roots[2][0][j], roots[2][1][j]));
        // The same sums with the parts exchanged turn the other way.
        let (sums_im, sums_re) = four(simd, [a.1, b.1, c.1, d.1], [a.0, b.0, c.0, d.0]);
        for part in 0..4 {
            (re[part][j], im[part][j]) = (sums_re[part], sums_im[part]);
        }
    }
}

/// A block of eight as two of four.
#[inline(always)]
pub(super) fn split_two<S: Simd>(simd: S, re: &mut [f64], im: &mut [f64], mut roots: &[f64]) {
    let half = re.len() / 2;
    let ([re_a, re_b], [im_a, im_b]) = (halves::<S>(re, half), halves::<S>(im, half));
    let [cos, sin] = root::<S>(&mut roots, half);
    for j in 0..re_a.len() {
        let difference = (simd.sub_f64s(re_a[j], re_b[j]), simd.sub_f64s(im_a[j], im_b[j]));
        (re_a[j], im_a[j]) = (simd.add_f64s(re_a[j], re_b[j]), simd.add_f64s(im_a[j], im_b[j]));
        (re_b[j], im_b[j]) = times::<S, true>(simd, difference, (cos[j], sin[j]));
    }
}

/// Turns [`split_two`] back, but for a factor of two.
#[inline(always)]
pub(super) fn join_two<S: Simd>(simd: S, re: &mut [f64], im: &mut [f64], mut roots: &[f64]) {
    let half = re.len() / 2;
    let ([re_a, re_b], [im_a, im_b]) = (halves::<S>(re, half), halves::<S>(im, half));
    let [cos, sin] = root::<S>(&mut roots, half);
    for j in 0..re_a.len() {
        let turned = times::<S, false>(simd, (re_b[j], im_b[j]), (cos[j], sin[j]));
        (re_b[j], im_b[j]) = (simd.sub_f64s(re_a[j], turned.0), simd.sub_f64s(im_a[j], turned.1));
        (re_a[j], im_a[j]) = (simd.add_f64s(re_a[j], turned.0), simd.add_f64s(im_a[j], turned.1));
    }
}

/// A plane of four parts of the same `length`, so that loops over them need no checks.
#[inline(always)]
fn quarters<S: Simd>(plane: &mut [f64], length: usize) -> [&mut [S::f64s]; 4] {
    let (a, rest) = plane.split_at_mut(length);
    let (b, rest) = rest.split_at_mut(length);
    let (c, rest) = rest.split_at_mut(length);
    let (d, _) = rest.split_at_mut(length);
    [S::as_mut_simd_f64s(a).0, S::as_mut_simd_f64s(b).0, S::as_mut_simd_f64s(c).0, S::as_mut_simd_f64s(d).0]
}

#[inline(always)]
fn halves<S: Simd>(plane: &mut [f64], length: usize) -> [&mut [S::f64s]; 2] {
    let (a, rest) = plane.split_at_mut(length);
    let (b, _) = rest.split_at_mut(length);
    [S::as_mut_simd_f64s(a).0, S::as_mut_simd_f64s(b).0]
}

/// The two planes of a root, taken off the front of `roots`.
#[inline(always)]
fn root<'a, S: Simd>(roots: &mut &'a [f64], length: usize) -> [&'a [S::f64s]; 2] {
    let (cos, rest) = roots.split_at(length);
    let (sin, rest) = rest.split_at(length);
    *roots = rest;
    [S::as_simd_f64s(cos).0, S::as_simd_f64s(sin).0]
}
