//! The Fourier transform of one ring and the memory that its products need, so that they allocate nothing.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use pulp::{Arch, Simd, WithSimd};
use tfhe::core_crypto::fft_impl::fft64::math::fft::{FftAlgo, Method, Plan, setup_custom_fft_plan};
use tfhe::core_crypto::fft_impl::fft64::math::polynomial::FourierPolynomialMutView;
use tfhe::core_crypto::fft_impl::fft64::{ABox, c64};
use tfhe::core_crypto::prelude::*;

use super::ring_ciphertext::zeros;
use super::{RingCiphertext, RingParameters};

/// What one thread needs to compute products in one ring. Make one for each thread and keep it.
pub struct RingWorkspace {
    pub(super) fft: Fft,
    pub(super) buffers: ComputationBuffers,
    /// A mask to be switched to another key.
    pub(super) mask: ABox<[u64]>,
    /// What is left of a mask while its digits are taken off.
    pub(super) rest: ABox<[u64]>,
    pub(super) digits: ABox<[u64]>,
    /// The digits of each level, transformed; polynomials lie [`RingWorkspace::factor_stride`] apart.
    factors: ABox<[c64]>,
    /// Sums of products: mask and body in two halves each.
    pub(super) sums: ABox<[c64]>,
    /// The high half of a sum, in coefficients.
    pub(super) high: ABox<[u64]>,
    /// A row of a GGSW ciphertext in the making.
    pub(super) row: RingCiphertext,
}

impl RingWorkspace {
    /// A workspace for the ring of these parameters.
    pub fn new(parameters: &RingParameters) -> Self {
        let size = parameters.polynomial_size();
        let fft = transform(size);
        let mut buffers = ComputationBuffers::new();
        let view = fft.as_view();
        buffers.resize(
            cmux_assign_mem_optimized_requirement::<u64>(GlweSize(2), PolynomialSize(size), view)
                .or(view.backward_scratch())
                .unaligned_bytes_required(),
        );
        Self {
            fft,
            buffers,
            mask: zeros(size),
            rest: zeros(size),
            digits: zeros(size),
            factors: zeros(0),
            sums: zeros(2 * size),
            high: zeros(size),
            row: RingCiphertext::zero(size),
        }
    }

    /// Makes room for the digits of so many levels.
    pub(super) fn reserve_levels(&mut self, levels: usize) {
        let count = levels * self.factor_stride();
        if self.factors.len() < count {
            self.factors = zeros(count);
        }
    }

    /// Transforms the digits into the factor of a level, for which room was made.
    pub(super) fn transform_digits(&mut self, level: usize) {
        let (stride, half) = (self.factor_stride(), self.digits.len() / 2);
        let place = self.factors.chunks_exact_mut(stride).nth(level);
        if let Some((place, _)) = place.and_then(|place| place.split_at_mut_checked(half)) {
            self.fft.as_view().forward_as_integer(
                FourierPolynomialMutView { data: place },
                Polynomial::from_container(&*self.digits).as_view(),
                self.buffers.stack(),
            );
        }
    }

    /// Sets each of the four sums to Σ (row of a level) · (factor of the level), for rows in the order of
    /// [`tile_rows`].
    pub(super) fn sum_products(&mut self, rows: &[c64], levels: usize) {
        let stride = self.factor_stride();
        Arch::new().dispatch(SumProducts {
            sums: &mut self.sums,
            rows,
            factors: &self.factors,
            stride,
            levels,
        });
    }

    /// Half a polynomial and a tile: factors a power of two apart would fight for the same cache lines.
    fn factor_stride(&self) -> usize {
        self.digits.len() / 2 + TILE
    }
}

/// The transform of a ring, by one algorithm on every machine. Left alone, tfhe tries all of them for some tenths
/// of a second in every process, and takes a slow one where others disturb the measurement. This one was the
/// fastest, or near it, in quiet measurements.
fn transform(polynomial_size: usize) -> Fft {
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
const TILE: usize = 16;

/// Puts transformed rows, four polynomials for each level, in the order in which sums read them: tile by
/// tile, in it polynomial by polynomial, in it level by level.
pub(super) fn tile_rows(rows: &[c64], levels: usize) -> ABox<[c64]> {
    let half = rows.len() / levels / 4;
    let sources = (0..half / TILE).flat_map(|tile| {
        (0..4).flat_map(move |part| (0..levels).map(move |level| (4 * level + part) * half / TILE + tile))
    });
    let mut tiled = zeros(rows.len());
    for (place, source) in tiled.chunks_exact_mut(TILE).zip(sources) {
        // Each source is a tile of the rows, all of which are visited once.
        place.copy_from_slice(&rows[source * TILE..][..TILE]);
    }
    tiled
}

/// The sums of products of rows and factors, a tile at a time, so that sums stay in registers and rows are
/// read once from end to end.
struct SumProducts<'a> {
    sums: &'a mut [c64],
    rows: &'a [c64],
    factors: &'a [c64],
    stride: usize,
    levels: usize,
}

impl WithSimd for SumProducts<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let half = self.sums.len() / 4;
        for (index, rows) in self.rows.chunks_exact(TILE * self.levels).enumerate() {
            let (tile, part) = (index / 4 * TILE, index % 4 * half);
            // Tiles are within the four sums of `half` values each.
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
