//! Numbers without special registers.

use super::{Complex, Lanes};

/// Plain numbers: what any processor does, four at once.
#[derive(Clone, Copy)]
pub struct Plain;

impl Lanes<4> for Plain {
    type Numbers = [f64; 4];

    #[inline(always)]
    fn load(self, values: &[f64; 4]) -> [f64; 4] {
        *values
    }

    #[inline(always)]
    fn store(self, numbers: [f64; 4], place: &mut [f64; 4]) {
        *place = numbers;
    }

    #[inline(always)]
    fn add(self, a: [f64; 4], b: [f64; 4]) -> [f64; 4] {
        std::array::from_fn(|i| a[i] + b[i])
    }

    #[inline(always)]
    fn sub(self, a: [f64; 4], b: [f64; 4]) -> [f64; 4] {
        std::array::from_fn(|i| a[i] - b[i])
    }

    #[inline(always)]
    fn mul(self, a: [f64; 4], b: [f64; 4]) -> [f64; 4] {
        std::array::from_fn(|i| a[i] * b[i])
    }

    #[inline(always)]
    fn mul_add(self, a: [f64; 4], b: [f64; 4], c: [f64; 4]) -> [f64; 4] {
        std::array::from_fn(|i| c[i] + a[i] * b[i])
    }

    #[inline(always)]
    fn sub_mul(self, a: [f64; 4], b: [f64; 4], c: [f64; 4]) -> [f64; 4] {
        std::array::from_fn(|i| c[i] - a[i] * b[i])
    }

    #[inline(always)]
    fn transpose(self, rows: [[f64; 4]; 4]) -> [[f64; 4]; 4] {
        std::array::from_fn(|column| std::array::from_fn(|row| rows[row][column]))
    }

    #[inline(always)]
    fn fourier(self, parts: [Complex<4, Self>; 4]) -> [Complex<4, Self>; 4] {
        Complex::fourier_of_four(self, parts)
    }
}
