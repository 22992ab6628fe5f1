//! GGSW ciphertexts of bits, the external product and the CMUX: an encrypted bit chooses between
//! encrypted polynomials.
//!
//! Papers: Gentry, Sahai, Waters, *Homomorphic Encryption from Learning with Errors* (Crypto 2013);
//! Ducas, Micciancio, *FHEW* (Eurocrypt 2015); Chillotti, Gama, Georgieva, Izabachène, *TFHE* (Journal of
//! Cryptology, 2020).

use tfhe::core_crypto::commons::math::random::{CompressionSeed, Seed};
use tfhe::core_crypto::fft_impl::fft64::{ABox, c64};
use tfhe::core_crypto::prelude::*;

use super::ring::gaussian;
use super::ring_ciphertext::zeros;
use super::workspace::{RingWorkspace, transform_torus};
use super::{Gadget, RingCiphertext, RingParameters, SecretKey};

/// An encrypted bit (or small integer), transformed, ready to multiply ring ciphertexts.
///
/// For each level j of its gadget it holds ring ciphertexts of -s·bit·q/B^j and of bit·q/B^j: the *mask
/// row* and the *body row*.
pub struct Ggsw {
    fourier: FourierGgswCiphertext<ABox<[c64]>>,
}

/// A fresh encrypted bit as a client sends it: the seed of its masks, and its bodies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeededGgsw {
    /// The masks are expanded from this.
    pub seed: [u8; 16],
    /// 2·levels polynomials: mask row and body row of each level, the finest first.
    pub bodies: Vec<u64>,
}

impl SecretKey {
    /// Encrypts a bit to multiply with; each row has the noise [`noise::encryption`](super::noise::encryption).
    pub fn encrypt_ggsw(&self, bit: bool, gadget: Gadget) -> SeededGgsw {
        let mut seeder = new_seeder();
        let seed = seeder.seed();
        let size = self.parameters().polynomial_size();
        let mut ggsw = seeded(vec![0; 2 * gadget.levels() * size], size, gadget, seed);
        encrypt_constant_seeded_ggsw_ciphertext(
            &self.as_glwe(),
            &mut ggsw,
            Cleartext(u64::from(bit)),
            gaussian(&self.parameters()),
            seeder.as_mut(),
        );
        SeededGgsw { seed: seed.0.to_le_bytes(), bodies: ggsw.into_container() }
    }
}

impl SeededGgsw {
    /// The number of body coefficients of a ciphertext with this gadget.
    pub fn body_count(parameters: &RingParameters, gadget: Gadget) -> usize {
        2 * gadget.levels() * parameters.polynomial_size()
    }

    /// The ciphertext ready to multiply, or `None` if it has another number of bodies than
    /// [`SeededGgsw::body_count`].
    pub fn expand(
        &self,
        parameters: &RingParameters,
        gadget: Gadget,
        workspace: &mut RingWorkspace,
    ) -> Option<Ggsw> {
        let size = parameters.polynomial_size();
        if self.bodies.len() != Self::body_count(parameters, gadget) {
            return None;
        }
        let seed = Seed(u128::from_le_bytes(self.seed));
        let standard = seeded(self.bodies.as_slice(), size, gadget, seed).decompress_into_ggsw_ciphertext();
        let standard = standard.into_container();
        let mut ggsw = Ggsw::zero(parameters, gadget);
        let places = ggsw.fourier.as_mut_view().data().chunks_exact_mut(size / 2);
        for (part, place) in standard.chunks_exact(size).zip(places) {
            transform_torus(&workspace.fft, &mut workspace.buffers, part, place);
        }
        Some(ggsw)
    }
}

impl Ggsw {
    /// Room for a ciphertext, for now a noiseless zero.
    pub fn zero(parameters: &RingParameters, gadget: Gadget) -> Self {
        let polynomial_size = parameters.polynomial_size();
        Self {
            fourier: FourierGgswCiphertext::from_container(
                zeros(2 * gadget.levels() * polynomial_size),
                GlweSize(2),
                PolynomialSize(polynomial_size),
                DecompositionBaseLog(gadget.log2_base() as usize),
                DecompositionLevelCount(gadget.levels()),
            ),
        }
    }

    /// Sets the rows of one level; the finest level has number 0.
    pub(super) fn set_level(
        &mut self,
        level: usize,
        mask_row: &RingCiphertext,
        body_row: &RingCiphertext,
        workspace: &mut RingWorkspace,
    ) {
        let size = mask_row.polynomial_size();
        let parts = [mask_row.mask(), mask_row.body(), body_row.mask(), body_row.body()];
        let data = self.fourier.as_mut_view().data();
        for (part, place) in parts.into_iter().zip(data.chunks_exact_mut(size / 2).skip(4 * level)) {
            transform_torus(&workspace.fft, &mut workspace.buffers, part, place);
        }
    }

    /// The number of levels of its gadget.
    pub fn levels(&self) -> usize {
        self.fourier.decomposition_level_count().0
    }

    /// The number of coefficients of the ring it belongs to.
    pub fn polynomial_size(&self) -> usize {
        self.fourier.polynomial_size().0
    }

    /// Adds bit · `factor` to `sum`; the noise that comes with it is [`noise::external_product`](super::noise::external_product).
    ///
    /// # Panics
    /// If the sizes differ.
    pub fn add_product(
        &self,
        sum: &mut RingCiphertext,
        factor: &RingCiphertext,
        workspace: &mut RingWorkspace,
    ) {
        add_external_product_assign_mem_optimized(
            &mut sum.as_glwe_mut(),
            &self.fourier,
            &factor.as_glwe(),
            workspace.fft.as_view(),
            workspace.buffers.stack(),
        );
    }

    /// CMUX: `zero` stays itself if the bit is 0 and becomes `one` if it is 1. `one` is used up.
    ///
    /// The noise is that of the chosen input plus [`noise::external_product`](super::noise::external_product).
    ///
    /// # Panics
    /// If the sizes differ.
    pub fn choose(&self, zero: &mut RingCiphertext, one: &mut RingCiphertext, workspace: &mut RingWorkspace) {
        cmux_assign_mem_optimized(
            &mut zero.as_glwe_mut(),
            &mut one.as_glwe_mut(),
            &self.fourier,
            workspace.fft.as_view(),
            workspace.buffers.stack(),
        );
    }
}

fn seeded<C: Container<Element = u64>>(
    bodies: C,
    polynomial_size: usize,
    gadget: Gadget,
    seed: Seed,
) -> SeededGgswCiphertext<C> {
    SeededGgswCiphertext::from_container(
        bodies,
        GlweSize(2),
        PolynomialSize(polynomial_size),
        DecompositionBaseLog(gadget.log2_base() as usize),
        CompressionSeed::from(seed),
        CiphertextModulus::new_native(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::noise;
    use crate::crypto::trial::{assert_close, errors, variance};

    #[test]
    fn a_bit_chooses() {
        for size in [2048, 4096] {
            let parameters = RingParameters::secure(size).unwrap();
            let key = SecretKey::generate(parameters);
            let gadget = Gadget::new(13, 2).unwrap();
            let workspace = &mut RingWorkspace::new(&parameters);
            let (left, right) = (vec![1 << 60; size], vec![5 << 60; size]);
            for bit in [false, true] {
                let ggsw = key.encrypt_ggsw(bit, gadget).expand(&parameters, gadget, workspace).unwrap();
                let mut chosen = RingCiphertext::trivial(&left);
                ggsw.choose(&mut chosen, &mut RingCiphertext::trivial(&right), workspace);
                let expected = if bit { &right } else { &left };
                assert!(variance(&errors(&key.phase(&chosen), expected)).sqrt() < 1e-5);
            }
        }
    }

    #[test]
    fn external_product_noise_fits_the_formula() {
        for (size, log2_base, levels) in [(2048, 13, 2), (4096, 13, 2), (4096, 9, 3)] {
            let parameters = RingParameters::secure(size).unwrap();
            let gadget = Gadget::new(log2_base, levels).unwrap();
            let workspace = &mut RingWorkspace::new(&parameters);
            let fresh = noise::encryption(&parameters);
            let predicted = fresh + noise::external_product(&parameters, gadget, fresh, fresh);
            let mut all = Vec::new();
            for _ in 0..60 {
                let key = SecretKey::generate(parameters);
                let ggsw = key.encrypt_ggsw(true, gadget).expand(&parameters, gadget, workspace).unwrap();
                for _ in 0..5 {
                    let input = key.encrypt(&vec![0; size], 64);
                    let mut output = RingCiphertext::zero(size);
                    let input = RingCiphertext::from_seeded(&parameters, &input, 64);
                    ggsw.add_product(&mut output, &input, workspace);
                    all.extend(errors(&key.phase(&output), &vec![0; size]));
                }
            }
            assert_close(variance(&all), predicted, 0.1);
        }
    }

    #[test]
    fn a_ciphertext_of_another_size_is_refused() {
        let parameters = RingParameters::secure(2048).unwrap();
        let gadget = Gadget::new(13, 2).unwrap();
        let mut ggsw = SecretKey::generate(parameters).encrypt_ggsw(true, gadget);
        assert_eq!(ggsw.bodies.len(), SeededGgsw::body_count(&parameters, gadget));
        ggsw.bodies.pop();
        assert!(ggsw.expand(&parameters, gadget, &mut RingWorkspace::new(&parameters)).is_none());
    }
}
