//! GGSW ciphertexts of bits, the external product and the CMUX: an encrypted bit chooses between
//! encrypted polynomials.
//!
//! Papers: Gentry, Sahai, Waters, *Homomorphic Encryption from Learning with Errors* (Crypto 2013);
//! Ducas, Micciancio, *FHEW* (Eurocrypt 2015); Chillotti, Gama, Georgieva, Izabachène, *TFHE* (Journal of
//! Cryptology, 2020).

use std::ops::{Deref, DerefMut};

use tfhe::core_crypto::commons::math::random::{CompressionSeed, Seed};
use tfhe::core_crypto::fft_impl::fft64::ABox;
use tfhe::core_crypto::prelude::*;

use super::conversion::Scaled;
use super::factors::place_rows;
use super::ring::gaussian;
use super::ring_ciphertext::zeros;
use super::workspace::RingWorkspace;
use super::{Gadget, ProductSum, RingCiphertext, RingParameters, SecretKey, SeededRing, switch_modulus};

/// An encrypted bit (or small integer), transformed, ready to multiply ring ciphertexts.
///
/// For each level j of its gadget it holds ring ciphertexts of -s·bit·q/B^j and of bit·q/B^j: the *mask
/// row* and the *body row*.
pub struct Ggsw<V = ABox<[f64]>> {
    gadget: Gadget,
    polynomial_size: usize,
    /// In the order of [`place_rows`], mask and body of each: mask row and body row of the finest level first.
    rows: V,
}

impl SecretKey {
    /// Encrypts a bit to multiply with: the seed of all masks, and the bodies of mask row and body row of each
    /// level, the finest first, rounded to `bits` bits. Each row has the noise
    /// [`noise::encryption`](super::noise::encryption) and that of rounding.
    pub fn encrypt_ggsw(&self, bit: bool, gadget: Gadget, bits: u32) -> SeededRing {
        let mut seeder = new_seeder();
        let seed = seeder.seed();
        let parameters = self.parameters();
        let (size, count) = (parameters.polynomial_size(), Ggsw::body_count(&parameters, gadget));
        let mut ggsw = seeded(vec![0; count], size, gadget, seed);
        encrypt_constant_seeded_ggsw_ciphertext(
            &self.as_glwe(),
            &mut ggsw,
            Cleartext(u64::from(bit)),
            gaussian(&parameters),
            seeder.as_mut(),
        );
        let body = ggsw.into_container().into_iter().map(|value| switch_modulus(value, bits)).collect();
        SeededRing { seed: seed.0.to_le_bytes(), body }
    }
}

impl Ggsw {
    /// Room for a ciphertext, for now a noiseless zero.
    pub fn zero(parameters: &RingParameters, gadget: Gadget) -> Self {
        let polynomial_size = parameters.polynomial_size();
        Self { gadget, polynomial_size, rows: zeros(Self::values(parameters, gadget)) }
    }

    /// The numbers that a ciphertext takes.
    pub fn values(parameters: &RingParameters, gadget: Gadget) -> usize {
        4 * gadget.levels() * parameters.polynomial_size()
    }

    /// The number of body coefficients that [`SecretKey::encrypt_ggsw`] gives.
    pub fn body_count(parameters: &RingParameters, gadget: Gadget) -> usize {
        2 * gadget.levels() * parameters.polynomial_size()
    }
}

impl<'a> Ggsw<&'a mut [f64]> {
    /// Rooms for ciphertexts side by side in a block; they hold anything.
    pub fn rooms(
        parameters: &RingParameters,
        gadget: Gadget,
        block: &'a mut [f64],
    ) -> impl Iterator<Item = Self> + use<'a> {
        let polynomial_size = parameters.polynomial_size();
        let rooms = block.chunks_exact_mut(Ggsw::values(parameters, gadget));
        rooms.map(move |rows| Self { gadget, polynomial_size, rows })
    }
}

impl<V: DerefMut<Target = [f64]>> Ggsw<V> {
    /// Sets the ciphertext to what [`SecretKey::encrypt_ggsw`] encrypted with as many `bits`, and gives the body
    /// row of a `level`, counted from the coarsest: a ciphertext of the bit times that scale. `None` if it has
    /// another number of bodies than [`Ggsw::body_count`], or there is no such level.
    pub fn set_from_seeded(
        &mut self,
        encrypted: &SeededRing,
        bits: u32,
        level: usize,
        workspace: &mut RingWorkspace,
    ) -> Option<RingCiphertext> {
        let size = self.polynomial_size();
        if encrypted.body.len() != 2 * self.levels() * size {
            return None;
        }
        let bodies: Vec<u64> = encrypted.body.iter().map(|value| value << (64 - bits)).collect();
        let seed = Seed(u128::from_le_bytes(encrypted.seed));
        let ggsw = seeded(bodies, size, self.gadget, seed).decompress_into_ggsw_ciphertext();
        let standard = ggsw.into_container();
        for (level, rows) in standard.chunks_exact(4 * size).enumerate() {
            let ((a, b), (c, d)) =
                (rows.split_at(2 * size).0.split_at(size), rows.split_at(2 * size).1.split_at(size));
            self.set_rows(level, [a, b, c, d], workspace);
        }
        // The finest level comes first: for each a mask row, then a body row, both of mask and body.
        let row = 4 * (self.levels() - 1).checked_sub(level)? + 2;
        standard.get(row * size..(row + 2) * size).map(RingCiphertext::from_parts)
    }

    /// Sets the rows of one level; the finest level has number 0.
    pub(super) fn set_level(
        &mut self,
        level: usize,
        mask_row: &RingCiphertext,
        body_row: &RingCiphertext,
        workspace: &mut RingWorkspace,
    ) {
        let parts = [mask_row.mask(), mask_row.body(), body_row.mask(), body_row.body()];
        self.set_rows(level, parts, workspace);
    }

    fn set_rows(&mut self, level: usize, parts: [&[u64]; 4], workspace: &mut RingWorkspace) {
        // Fractions of the torus; and backward transforms multiply by N/2.
        let scale = 2.0_f64.powi(-64) * 2.0 / self.polynomial_size as f64;
        let places = workspace.sums.chunks_exact_mut(self.polynomial_size);
        for (values, place) in parts.into_iter().zip(places) {
            workspace.transform.forward(Scaled { values, part: |value| value, scale }, place);
        }
        place_rows(
            &mut self.rows,
            &workspace.sums,
            self.polynomial_size,
            4 * level,
            4 * self.gadget.levels(),
        );
    }

    /// Becomes a noiseless zero.
    pub fn clear(&mut self) {
        self.rows.fill(0.0);
    }

    /// Adds another ciphertext for the same gadget, or takes it away: an encryption of the sum or difference of
    /// the two integers.
    pub fn add_signed(&mut self, other: &Self, negative: bool) {
        let sign = if negative { -1.0 } else { 1.0 };
        for (value, other) in self.rows.iter_mut().zip(other.rows.iter()) {
            *value += other * sign;
        }
    }
}

impl<V: Deref<Target = [f64]>> Ggsw<V> {
    /// The number of levels of its gadget.
    pub fn levels(&self) -> usize {
        self.gadget.levels()
    }

    /// The number of coefficients of the ring it belongs to.
    pub fn polynomial_size(&self) -> usize {
        self.polynomial_size
    }

    /// Adds bit · `factor` to `sum`; the noise that comes with it is [`noise::external_product`](super::noise::external_product).
    ///
    /// # Panics
    /// If the sizes differ.
    pub fn add_product(&self, sum: &mut ProductSum, factor: &RingCiphertext, workspace: &mut RingWorkspace) {
        workspace.decompose_both(factor, self.gadget);
        let (sums, onto) = sum.open();
        workspace.sum_products(sums, &self.rows, 2 * self.levels(), onto);
    }

    /// CMUX: `zero` stays itself if the bit is 0 and becomes `one` if it is 1. `one` is used up.
    ///
    /// The noise is that of the chosen input plus [`noise::external_product`](super::noise::external_product).
    ///
    /// # Panics
    /// If the sizes differ.
    pub fn choose(&self, zero: &mut RingCiphertext, one: &mut RingCiphertext, workspace: &mut RingWorkspace) {
        one.sub_assign(zero);
        let mut product = ProductSum::empty(self.polynomial_size);
        self.add_product(&mut product, one, workspace);
        product.settle(zero, workspace);
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
                let mut ggsw = Ggsw::zero(&parameters, gadget);
                let encrypted = key.encrypt_ggsw(bit, gadget, 52);
                let row = ggsw.set_from_seeded(&encrypted, 52, 1, workspace).unwrap();
                let mut scaled = vec![0; size];
                scaled[0] = u64::from(bit) << 38;
                assert!(variance(&errors(&key.phase(&row), &scaled)).sqrt() < 1e-11);
                let mut chosen = RingCiphertext::trivial(&left);
                ggsw.choose(&mut chosen, &mut RingCiphertext::trivial(&right), workspace);
                let expected = if bit { &right } else { &left };
                assert!(variance(&errors(&key.phase(&chosen), expected)).sqrt() < 1e-5);
            }
        }
    }

    #[test]
    fn external_product_noise_fits_the_formula() {
        for (size, log2_base, levels) in
            [(2048, 13, 2), (2048, 16, 2), (2048, 22, 1), (4096, 13, 2), (4096, 16, 3)]
        {
            let parameters = RingParameters::secure(size).unwrap();
            let gadget = Gadget::new(log2_base, levels).unwrap();
            let workspace = &mut RingWorkspace::new(&parameters);
            let fresh = noise::encryption(&parameters);
            let predicted = fresh + noise::external_product(&parameters, gadget, fresh, fresh);
            let mut all = Vec::new();
            for _ in 0..60 {
                let key = SecretKey::generate(parameters);
                let mut ggsw = Ggsw::zero(&parameters, gadget);
                ggsw.set_from_seeded(&key.encrypt_ggsw(true, gadget, 64), 64, 0, workspace).unwrap();
                for _ in 0..5 {
                    let input = key.encrypt(&vec![0; size], 64);
                    let mut output = RingCiphertext::zero(size);
                    let input = RingCiphertext::from_seeded(&parameters, &input, 64);
                    let mut product = ProductSum::empty(size);
                    ggsw.add_product(&mut product, &input, workspace);
                    product.settle(&mut output, workspace);
                    all.extend(errors(&key.phase(&output), &vec![0; size]));
                }
            }
            // Errors of the transforms are predicted by a rule of thumb; they matter with fresh rows alone.
            assert_close(variance(&all), predicted, 0.3);
        }
    }

    #[test]
    fn a_ciphertext_of_another_size_is_refused() {
        let parameters = RingParameters::secure(2048).unwrap();
        let gadget = Gadget::new(13, 2).unwrap();
        let mut encrypted = SecretKey::generate(parameters).encrypt_ggsw(true, gadget, 64);
        assert_eq!(encrypted.body.len(), Ggsw::body_count(&parameters, gadget));
        encrypted.body.pop();
        let workspace = &mut RingWorkspace::new(&parameters);
        assert!(Ggsw::zero(&parameters, gadget).set_from_seeded(&encrypted, 64, 0, workspace).is_none());
    }

    #[test]
    fn a_difference_of_bits_chooses() {
        let parameters = RingParameters::secure(2048).unwrap();
        let key = SecretKey::generate(parameters);
        let gadget = Gadget::new(13, 2).unwrap();
        let workspace = &mut RingWorkspace::new(&parameters);
        let mut bits = [Ggsw::zero(&parameters, gadget), Ggsw::zero(&parameters, gadget)];
        for bit in &mut bits {
            bit.set_from_seeded(&key.encrypt_ggsw(true, gadget, 64), 64, 0, workspace).unwrap();
        }
        let [mut sum, one] = bits;
        let factor = RingCiphertext::trivial(&vec![1 << 58; 2048]);
        for (negative, expected) in [(false, 2), (true, 1)] {
            sum.add_signed(&one, negative);
            let mut products = ProductSum::empty(2048);
            sum.add_product(&mut products, &factor, workspace);
            let mut product = RingCiphertext::zero(2048);
            products.settle(&mut product, workspace);
            assert!(variance(&errors(&key.phase(&product), &vec![expected << 58; 2048])).sqrt() < 1e-5);
        }
    }
}
