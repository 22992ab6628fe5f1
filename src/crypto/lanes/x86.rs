//! The registers of x86-64 processors.

use std::arch::x86_64::{__m256d, __m512d};

use pulp::x86::{V3, V4};

use super::{Complex, Lanes};

/// Registers of 256 bits with fused multiplication and addition.
impl Lanes<4> for V3 {
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

    #[inline(always)]
    fn fourier(self, parts: [Complex<4, Self>; 4]) -> [Complex<4, Self>; 4] {
        Complex::fourier_of_four(self, parts)
    }
}

/// Registers of 512 bits.
impl Lanes<8> for V4 {
    type Numbers = __m512d;

    #[inline(always)]
    fn load(self, values: &[f64; 8]) -> __m512d {
        pulp::cast(*values)
    }

    #[inline(always)]
    fn store(self, numbers: __m512d, place: &mut [f64; 8]) {
        *place = pulp::cast(numbers);
    }

    #[inline(always)]
    fn add(self, a: __m512d, b: __m512d) -> __m512d {
        self.avx512f._mm512_add_pd(a, b)
    }

    #[inline(always)]
    fn sub(self, a: __m512d, b: __m512d) -> __m512d {
        self.avx512f._mm512_sub_pd(a, b)
    }

    #[inline(always)]
    fn mul(self, a: __m512d, b: __m512d) -> __m512d {
        self.avx512f._mm512_mul_pd(a, b)
    }

    #[inline(always)]
    fn mul_add(self, a: __m512d, b: __m512d, c: __m512d) -> __m512d {
        self.avx512f._mm512_fmadd_pd(a, b, c)
    }

    #[inline(always)]
    fn sub_mul(self, a: __m512d, b: __m512d, c: __m512d) -> __m512d {
        self.avx512f._mm512_fnmadd_pd(a, b, c)
    }

    #[inline(always)]
    fn transpose(self, [a, b, c, d, e, f, g, h]: [__m512d; 8]) -> [__m512d; 8] {
        let avx = self.avx512f;
        // Pairs of rows, then the lanes of 128 bits among four rows, then among all.
        let (ab_even, ab_odd) = (avx._mm512_unpacklo_pd(a, b), avx._mm512_unpackhi_pd(a, b));
        let (cd_even, cd_odd) = (avx._mm512_unpacklo_pd(c, d), avx._mm512_unpackhi_pd(c, d));
        let (ef_even, ef_odd) = (avx._mm512_unpacklo_pd(e, f), avx._mm512_unpackhi_pd(e, f));
        let (gh_even, gh_odd) = (avx._mm512_unpacklo_pd(g, h), avx._mm512_unpackhi_pd(g, h));
        let [column0, column2, column4, column6] = self.turn([ab_even, cd_even, ef_even, gh_even]);
        let [column1, column3, column5, column7] = self.turn([ab_odd, cd_odd, ef_odd, gh_odd]);
        [column0, column1, column2, column3, column4, column5, column6, column7]
    }

    #[inline(always)]
    fn fourier(self, parts: [Complex<8, Self>; 8]) -> [Complex<8, Self>; 8] {
        Complex::fourier_of_eight(self, parts)
    }
}

trait Turn {
    fn turn(self, rows: [__m512d; 4]) -> [__m512d; 4];
}

impl Turn for V4 {
    /// Four rows of four lanes of 128 bits become columns.
    #[inline(always)]
    fn turn(self, [a, b, c, d]: [__m512d; 4]) -> [__m512d; 4] {
        let avx = self.avx512f;
        let (ab_even, ab_odd) =
            (avx._mm512_shuffle_f64x2::<0x88>(a, b), avx._mm512_shuffle_f64x2::<0xdd>(a, b));
        let (cd_even, cd_odd) =
            (avx._mm512_shuffle_f64x2::<0x88>(c, d), avx._mm512_shuffle_f64x2::<0xdd>(c, d));
        [
            avx._mm512_shuffle_f64x2::<0x88>(ab_even, cd_even),
            avx._mm512_shuffle_f64x2::<0x88>(ab_odd, cd_odd),
            avx._mm512_shuffle_f64x2::<0xdd>(ab_even, cd_even),
            avx._mm512_shuffle_f64x2::<0xdd>(ab_odd, cd_odd),
        ]
    }
}
