//! Four numbers at once, and columns of four complex numbers, on every processor.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::__m256d;

#[cfg(target_arch = "x86_64")]
use pulp::x86::V3;
use pulp::{Arch, NullaryFnOnce};

/// Four complex numbers: their real parts, then their imaginary parts.
pub type Column = [[f64; 4]; 2];

/// The arithmetic of a processor with four numbers.
pub trait Four: Copy {
    type Numbers: Copy;

    fn load(self, values: &[f64; 4]) -> Self::Numbers;
    fn store(self, numbers: Self::Numbers, place: &mut [f64; 4]);
    fn add(self, a: Self::Numbers, b: Self::Numbers) -> Self::Numbers;
    fn sub(self, a: Self::Numbers, b: Self::Numbers) -> Self::Numbers;
    fn mul(self, a: Self::Numbers, b: Self::Numbers) -> Self::Numbers;
    /// `a` · `b` + `c`
    fn mul_add(self, a: Self::Numbers, b: Self::Numbers, c: Self::Numbers) -> Self::Numbers;
    /// `c` - `a` · `b`
    fn sub_mul(self, a: Self::Numbers, b: Self::Numbers, c: Self::Numbers) -> Self::Numbers;
    /// Rows become columns.
    fn transpose(self, rows: [Self::Numbers; 4]) -> [Self::Numbers; 4];
}

/// Work that is written for any processor.
pub trait Work {
    fn work<F: Four>(self, four: F);
}

/// Does work with the best that this processor has.
pub fn dispatch(work: impl Work) {
    #[cfg(target_arch = "x86_64")]
    if let Some(registers) = V3::try_new() {
        return registers.vectorize(Bound { four: registers, work });
    }
    Arch::new().dispatch(|| work.work(Plain));
}

struct Bound<F, W> {
    four: F,
    work: W,
}

impl<F: Four, W: Work> NullaryFnOnce for Bound<F, W> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        self.work.work(self.four);
    }
}

/// Four complex numbers in registers.
pub struct Complex<F: Four> {
    re: F::Numbers,
    im: F::Numbers,
}

impl<F: Four> Clone for Complex<F> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<F: Four> Copy for Complex<F> {}

impl<F: Four> Complex<F> {
    #[inline(always)]
    pub fn new(re: F::Numbers, im: F::Numbers) -> Self {
        Self { re, im }
    }

    #[inline(always)]
    pub fn load(four: F, column: &Column) -> Self {
        let [re, im] = column;
        Self { re: four.load(re), im: four.load(im) }
    }

    #[inline(always)]
    pub fn load_all<const COUNT: usize>(four: F, columns: [&Column; COUNT]) -> [Self; COUNT] {
        let mut loaded = [Self::zero(four); COUNT];
        for (loaded, column) in loaded.iter_mut().zip(columns) {
            *loaded = Self::load(four, column);
        }
        loaded
    }

    #[inline(always)]
    pub fn store_all<const COUNT: usize>(four: F, numbers: [Self; COUNT], columns: [&mut Column; COUNT]) {
        for (number, column) in numbers.into_iter().zip(columns) {
            number.store(four, column);
        }
    }

    /// Rows become columns.
    #[inline(always)]
    pub fn transpose(four: F, [a, b, c, d]: [Self; 4]) -> [Self; 4] {
        let re = four.transpose([a.re, b.re, c.re, d.re]);
        let im = four.transpose([a.im, b.im, c.im, d.im]);
        let [a, b, c, d] = re;
        let [e, f, g, h] = im;
        [Self::new(a, e), Self::new(b, f), Self::new(c, g), Self::new(d, h)]
    }

    #[inline(always)]
    pub fn zero(four: F) -> Self {
        Self::load(four, &Column::default())
    }

    #[inline(always)]
    pub fn store(self, four: F, column: &mut Column) {
        let [re, im] = column;
        four.store(self.re, re);
        four.store(self.im, im);
    }

    #[inline(always)]
    pub fn parts(self) -> (F::Numbers, F::Numbers) {
        (self.re, self.im)
    }

    #[inline(always)]
    pub fn add(self, four: F, other: Self) -> Self {
        Self { re: four.add(self.re, other.re), im: four.add(self.im, other.im) }
    }

    #[inline(always)]
    pub fn sub(self, four: F, other: Self) -> Self {
        Self { re: four.sub(self.re, other.re), im: four.sub(self.im, other.im) }
    }

    #[inline(always)]
    pub fn mul(self, four: F, other: Self) -> Self {
        Self {
            re: four.sub_mul(self.im, other.im, four.mul(self.re, other.re)),
            im: four.mul_add(self.im, other.re, four.mul(self.re, other.im)),
        }
    }

    /// Times the conjugate of `other`.
    #[inline(always)]
    pub fn mul_conjugate(self, four: F, other: Self) -> Self {
        Self {
            re: four.mul_add(self.im, other.im, four.mul(self.re, other.re)),
            im: four.sub_mul(self.re, other.im, four.mul(self.im, other.re)),
        }
    }

    /// `sum` + `self` · `other`
    #[inline(always)]
    pub fn mul_add(self, four: F, other: Self, sum: Self) -> Self {
        Self {
            re: four.sub_mul(self.im, other.im, four.mul_add(self.re, other.re, sum.re)),
            im: four.mul_add(self.im, other.re, four.mul_add(self.re, other.im, sum.im)),
        }
    }

    /// Plus i times `other`.
    #[inline(always)]
    pub fn add_turned(self, four: F, other: Self) -> Self {
        Self { re: four.sub(self.re, other.im), im: four.add(self.im, other.re) }
    }

    /// Minus i times `other`.
    #[inline(always)]
    pub fn sub_turned(self, four: F, other: Self) -> Self {
        Self { re: four.add(self.re, other.im), im: four.sub(self.im, other.re) }
    }
}

/// Plain numbers: processors other than those below.
#[derive(Clone, Copy)]
pub struct Plain;

impl Four for Plain {
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
}

/// Registers of 256 bits with fused multiplication and addition; wider ones would need other layouts.
#[cfg(target_arch = "x86_64")]
impl Four for V3 {
    type Numbers = __m256d;

    #[inline(always)]
    fn load(self, values: &[f64; 4]) -> __m256d {
        pulp::cast(*values)
    }

    #[inline(always)]
    fn store(self, numbers: __m256d, place: &mut [f64; 4]) {
        *place = pulp::cast(numbers);
    }

    #[inline(always)]
    fn add(self, a: __m256d, b: __m256d) -> __m256d {
        self.avx._mm256_add_pd(a, b)
    }

    #[inline(always)]
    fn sub(self, a: __m256d, b: __m256d) -> __m256d {
        self.avx._mm256_sub_pd(a, b)
    }

    #[inline(always)]
    fn mul(self, a: __m256d, b: __m256d) -> __m256d {
        self.avx._mm256_mul_pd(a, b)
    }

    #[inline(always)]
    fn mul_add(self, a: __m256d, b: __m256d, c: __m256d) -> __m256d {
        self.fma._mm256_fmadd_pd(a, b, c)
    }

    #[inline(always)]
    fn sub_mul(self, a: __m256d, b: __m256d, c: __m256d) -> __m256d {
        self.fma._mm256_fnmadd_pd(a, b, c)
    }

    #[inline(always)]
    fn transpose(self, [a, b, c, d]: [__m256d; 4]) -> [__m256d; 4] {
        let avx = self.avx;
        let (ab_even, ab_odd) = (avx._mm256_unpacklo_pd(a, b), avx._mm256_unpackhi_pd(a, b));
        let (cd_even, cd_odd) = (avx._mm256_unpacklo_pd(c, d), avx._mm256_unpackhi_pd(c, d));
        [
            avx._mm256_permute2f128_pd::<0x20>(ab_even, cd_even),
            avx._mm256_permute2f128_pd::<0x20>(ab_odd, cd_odd),
            avx._mm256_permute2f128_pd::<0x31>(ab_even, cd_even),
            avx._mm256_permute2f128_pd::<0x31>(ab_odd, cd_odd),
        ]
    }
}
