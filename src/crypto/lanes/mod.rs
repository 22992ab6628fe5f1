//! A few numbers at once, and columns of as many complex numbers, on every processor.

mod complex;
mod plain;
#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(target_arch = "x86_64")]
use pulp::x86::{V3, V4};
use pulp::{Arch, NullaryFnOnce};

pub use complex::Complex;
pub use plain::Plain;

/// Complex numbers side by side: their real parts, then their imaginary parts.
pub type Column<const LANES: usize> = [[f64; LANES]; 2];

/// The arithmetic of a processor with so many numbers at once.
pub trait Lanes<const COUNT: usize>: Copy {
    type Numbers: Copy;

    fn load(self, values: &[f64; COUNT]) -> Self::Numbers;
    fn store(self, numbers: Self::Numbers, place: &mut [f64; COUNT]);
    fn add(self, a: Self::Numbers, b: Self::Numbers) -> Self::Numbers;
    fn sub(self, a: Self::Numbers, b: Self::Numbers) -> Self::Numbers;
    fn mul(self, a: Self::Numbers, b: Self::Numbers) -> Self::Numbers;
    /// `a` · `b` + `c`
    fn mul_add(self, a: Self::Numbers, b: Self::Numbers, c: Self::Numbers) -> Self::Numbers;
    /// `c` - `a` · `b`
    fn sub_mul(self, a: Self::Numbers, b: Self::Numbers, c: Self::Numbers) -> Self::Numbers;
    /// Rows become columns.
    fn transpose(self, rows: [Self::Numbers; COUNT]) -> [Self::Numbers; COUNT];
    /// Σ_j (part j) · w^(jk) for each k, where w is the first root of one of order `COUNT`.
    fn fourier(self, parts: [Complex<COUNT, Self>; COUNT]) -> [Complex<COUNT, Self>; COUNT];
}

/// Work that is written for any processor.
pub trait Work {
    type Output;

    fn work<const COUNT: usize, F: Lanes<COUNT>>(self, lanes: F) -> Self::Output;
}

/// Does work with the best that this processor has.
pub fn dispatch<W: Work>(work: W) -> W::Output {
    #[cfg(target_arch = "x86_64")]
    {
        if let Some(registers) = V4::try_new() {
            return registers.vectorize(Bound::<8, _, _> { registers, work });
        }
        if let Some(registers) = V3::try_new() {
            return registers.vectorize(Bound::<4, _, _> { registers, work });
        }
    }
    Arch::new().dispatch(|| work.work(Plain))
}

struct Bound<const COUNT: usize, F, W> {
    registers: F,
    work: W,
}

impl<const COUNT: usize, F: Lanes<COUNT>, W: Work> NullaryFnOnce for Bound<COUNT, F, W> {
    type Output = W::Output;

    #[inline(always)]
    fn call(self) -> W::Output {
        self.work.work(self.registers)
    }
}

/// The number of lanes that [`dispatch`] works with.
pub fn count() -> usize {
    dispatch(Count)
}

struct Count;

impl Work for Count {
    type Output = usize;

    #[inline(always)]
    fn work<const COUNT: usize, F: Lanes<COUNT>>(self, _: F) -> usize {
        COUNT
    }
}

/// Values as columns.
#[inline(always)]
pub fn columns<const COUNT: usize>(values: &[f64]) -> &[Column<COUNT>] {
    values.as_chunks().0.as_chunks().0
}

/// The same, to be changed.
#[inline(always)]
pub fn columns_mut<const COUNT: usize>(values: &mut [f64]) -> &mut [Column<COUNT>] {
    values.as_chunks_mut().0.as_chunks_mut().0
}
