//! Complex numbers in registers, and short Fourier transforms of them.

use std::f64::consts::FRAC_1_SQRT_2;

use super::{Column, Lanes};

/// Complex numbers in registers.
pub struct Complex<const COUNT: usize, F: Lanes<COUNT>> {
    re: F::Numbers,
    im: F::Numbers,
}

impl<const COUNT: usize, F: Lanes<COUNT>> Clone for Complex<COUNT, F> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<const COUNT: usize, F: Lanes<COUNT>> Copy for Complex<COUNT, F> {}

impl<const COUNT: usize, F: Lanes<COUNT>> Complex<COUNT, F> {
    #[inline(always)]
    pub fn new(re: F::Numbers, im: F::Numbers) -> Self {
        Self { re, im }
    }

    #[inline(always)]
    pub fn load(lanes: F, column: &Column<COUNT>) -> Self {
        let [re, im] = column;
        Self { re: lanes.load(re), im: lanes.load(im) }
    }

    #[inline(always)]
    pub fn load_all<const ALL: usize>(lanes: F, columns: [&Column<COUNT>; ALL]) -> [Self; ALL] {
        let mut loaded = [Self::zero(lanes); ALL];
        for (loaded, column) in loaded.iter_mut().zip(columns) {
            *loaded = Self::load(lanes, column);
        }
        loaded
    }

    #[inline(always)]
    pub fn store_all<const ALL: usize>(lanes: F, numbers: [Self; ALL], columns: [&mut Column<COUNT>; ALL]) {
        for (number, column) in numbers.into_iter().zip(columns) {
            number.store(lanes, column);
        }
    }

    /// Rows become columns.
    #[inline(always)]
    pub fn transpose(lanes: F, rows: [Self; COUNT]) -> [Self; COUNT] {
        let zero = Self::zero(lanes);
        let (mut re, mut im) = ([zero.re; COUNT], [zero.im; COUNT]);
        for ((re, im), row) in re.iter_mut().zip(&mut im).zip(rows) {
            (*re, *im) = (row.re, row.im);
        }
        let (re, im) = (lanes.transpose(re), lanes.transpose(im));
        let mut columns = [zero; COUNT];
        for ((column, re), im) in columns.iter_mut().zip(re).zip(im) {
            *column = Self { re, im };
        }
        columns
    }

    #[inline(always)]
    pub fn zero(lanes: F) -> Self {
        Self::load(lanes, &[[0.0; COUNT]; 2])
    }

    #[inline(always)]
    pub fn store(self, lanes: F, column: &mut Column<COUNT>) {
        let [re, im] = column;
        lanes.store(self.re, re);
        lanes.store(self.im, im);
    }

    #[inline(always)]
    pub fn parts(self) -> (F::Numbers, F::Numbers) {
        (self.re, self.im)
    }

    #[inline(always)]
    pub fn add(self, lanes: F, other: Self) -> Self {
        Self { re: lanes.add(self.re, other.re), im: lanes.add(self.im, other.im) }
    }

    #[inline(always)]
    pub fn sub(self, lanes: F, other: Self) -> Self {
        Self { re: lanes.sub(self.re, other.re), im: lanes.sub(self.im, other.im) }
    }

    #[inline(always)]
    pub fn mul(self, lanes: F, other: Self) -> Self {
        Self {
            re: lanes.sub_mul(self.im, other.im, lanes.mul(self.re, other.re)),
            im: lanes.mul_add(self.im, other.re, lanes.mul(self.re, other.im)),
        }
    }

    /// Times the conjugate of `other`.
    #[inline(always)]
    pub fn mul_conjugate(self, lanes: F, other: Self) -> Self {
        Self {
            re: lanes.mul_add(self.im, other.im, lanes.mul(self.re, other.re)),
            im: lanes.sub_mul(self.re, other.im, lanes.mul(self.im, other.re)),
        }
    }

    /// `sum` + `self` · `other`
    #[inline(always)]
    pub fn mul_add(self, lanes: F, other: Self, sum: Self) -> Self {
        Self {
            re: lanes.sub_mul(self.im, other.im, lanes.mul_add(self.re, other.re, sum.re)),
            im: lanes.mul_add(self.im, other.re, lanes.mul_add(self.re, other.im, sum.im)),
        }
    }

    /// Plus i times `other`.
    #[inline(always)]
    pub fn add_turned(self, lanes: F, other: Self) -> Self {
        Self { re: lanes.sub(self.re, other.im), im: lanes.add(self.im, other.re) }
    }

    /// Minus i times `other`.
    #[inline(always)]
    pub fn sub_turned(self, lanes: F, other: Self) -> Self {
        Self { re: lanes.add(self.re, other.im), im: lanes.sub(self.im, other.re) }
    }

    /// Σ_j (part j) · i^(jk) for each k.
    #[inline(always)]
    pub fn fourier_of_four(lanes: F, [a, b, c, d]: [Self; 4]) -> [Self; 4] {
        let (even_sum, even_difference) = (a.add(lanes, c), a.sub(lanes, c));
        let (odd_sum, odd_difference) = (b.add(lanes, d), b.sub(lanes, d));
        [
            even_sum.add(lanes, odd_sum),
            even_difference.add_turned(lanes, odd_difference),
            even_sum.sub(lanes, odd_sum),
            even_difference.sub_turned(lanes, odd_difference),
        ]
    }

    /// The same for the first eighth root of one.
    #[inline(always)]
    pub fn fourier_of_eight(lanes: F, [a, b, c, d, e, f, g, h]: [Self; 8]) -> [Self; 8] {
        let [a, c, e, g] = Self::fourier_of_four(lanes, [a, c, e, g]);
        let [b, d, f, h] = Self::fourier_of_four(lanes, [b, d, f, h]);
        let half = lanes.load(&[FRAC_1_SQRT_2; COUNT]);
        // Times 1 + i, and -1 + i, over √2.
        let d =
            Self { re: lanes.mul(half, lanes.sub(d.re, d.im)), im: lanes.mul(half, lanes.add(d.re, d.im)) };
        let minus_half = lanes.load(&[-FRAC_1_SQRT_2; COUNT]);
        let h = Self {
            re: lanes.mul(minus_half, lanes.add(h.re, h.im)),
            im: lanes.mul(half, lanes.sub(h.re, h.im)),
        };
        [
            a.add(lanes, b),
            c.add(lanes, d),
            e.add_turned(lanes, f),
            g.add(lanes, h),
            a.sub(lanes, b),
            c.sub(lanes, d),
            e.sub_turned(lanes, f),
            g.sub(lanes, h),
        ]
    }
}
