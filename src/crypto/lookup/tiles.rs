//! The Fourier transform of lookups, and sums of products in it, a tile at a time.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use pulp::{Simd, WithSimd};
use tfhe::core_crypto::fft_impl::fft64::c64;
use tfhe::core_crypto::fft_impl::fft64::math::fft::{FftAlgo, Method, Plan, setup_custom_fft_plan};
use tfhe::core_crypto::fft_impl::fft64::math::polynomial::FourierPolynomialMutView;
use tfhe::core_crypto::prelude::*;

/// The transform of a ring, by one algorithm on every machine. Left alone, tfhe tries all of them for some tenths
/// of a second in every process, and takes a slow one where others disturb the measurement. This one was the
/// fastest, or near it, in quiet measurements.
pub(super) fn transform(polynomial_size: usize) -> Fft {
    static PLANNED: Mutex<BTreeSet<usize>> = Mutex::new(BTreeSet::new());
    // A set of sizes is whole after a panic elsewhere. It is locked until the plan is there: transforms of
    // different plans have their values in different orders.
    let mut planned = PLANNED.lock().unwrap_or_else(PoisonError::into_inner);
    if planned.insert(polynomial_size) {
        let size = polynomial_size / 2;
        let method = Method::UserProvided { base_algo: FftAlgo::Dif4, base_n: size / 4 };
        setup_custom_fft_plan(Plan::new(size, method));
    }
    Fft::new(PolynomialSize(polynomial_size))
}

/// The number of values of one polynomial that are summed up over all levels together.
pub(super) const TILE: usize = 16;

/// Puts transformed rows, `parts` polynomials for each of `levels`, in the order in which sums read them: tile by
/// tile, in it polynomial by polynomial, in it level by level.
pub(super) fn tile(rows: &[c64], levels: usize, parts: usize, tiled: &mut [c64]) {
    let half = rows.len() / levels / parts;
    let sources = (0..half / TILE).flat_map(|tile| {
        (0..parts)
            .flat_map(move |part| (0..levels).map(move |level| (parts * level + part) * half / TILE + tile))
    });
    for (place, source) in tiled.chunks_exact_mut(TILE).zip(sources) {
        // Each source is a tile of the rows, all of which are visited once.
        place.copy_from_slice(&rows[source * TILE..][..TILE]);
    }
}

/// The sums of products of rows and factors, a tile at a time, so that sums stay in registers and rows are
/// read once from end to end.
pub(super) struct SumProducts<'a> {
    pub sums: &'a mut [c64],
    pub rows: &'a [c64],
    pub factors: &'a [c64],
    pub stride: usize,
    pub levels: usize,
    pub parts: usize,
}

impl WithSimd for SumProducts<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let half = self.sums.len() / self.parts;
        for (index, rows) in self.rows.chunks_exact(TILE * self.levels).enumerate() {
            let (tile, part) = (index / self.parts * TILE, index % self.parts * half);
            // Tiles are within the sums of `half` values each.
            let (sums, _) = S::as_mut_simd_c64s(&mut self.sums[part + tile..][..TILE]);
            let mut accumulators = [simd.splat_c64s(c64::default()); TILE];
            let factors = self.factors.chunks_exact(self.stride);
            for (row, factor) in rows.chunks_exact(TILE).zip(factors) {
                // Registers hold a power of two of values, up to a tile: no tails are left.
                let (row, _) = S::as_simd_c64s(row);
                let (factor, _) = S::as_simd_c64s(&factor[tile..][..TILE]);
                for (sum, (row, factor)) in accumulators.iter_mut().zip(row.iter().zip(factor)) {
                    *sum = simd.mul_add_c64s(*row, *factor, *sum);
                }
            }
            sums.iter_mut().zip(accumulators).for_each(|(sum, accumulator)| *sum = accumulator);
        }
    }
}

/// Transforms a polynomial of torus values.
pub(super) fn transform_torus(
    fft: &Fft,
    buffers: &mut ComputationBuffers,
    values: &[u64],
    place: &mut [c64],
) {
    fft.as_view().forward_as_torus(
        FourierPolynomialMutView { data: place },
        Polynomial::from_container(values).as_view(),
        buffers.stack(),
    );
}
