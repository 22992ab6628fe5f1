//! Ring ciphertexts while they are worked with: full mask and body, and what costs no noise.

use tfhe::core_crypto::fft_impl::fft64::{ABox, AVec};
use tfhe::core_crypto::prelude::*;

use super::lanes::{Lanes, Work, dispatch};
use super::{RingParameters, SecretKey, SeededRing, SwitchedRing, expand_mask, switch_modulus};

/// A ring (GLWE, dimension 1) ciphertext modulo 2^64: (a, b) with b = a·s + m + e, in memory aligned for
/// the widest registers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RingCiphertext {
    /// The mask a, then the body b.
    container: ABox<[u64]>,
}

impl RingCiphertext {
    /// A noiseless encryption of zero with `polynomial_size` coefficients.
    pub fn zero(polynomial_size: usize) -> Self {
        Self { container: zeros(2 * polynomial_size) }
    }

    /// A noiseless, public encryption of the polynomial with these coefficients, all N of them.
    pub fn trivial(coefficients: &[u64]) -> Self {
        let mut trivial = Self::zero(coefficients.len());
        trivial.body_mut().copy_from_slice(coefficients);
        trivial
    }

    /// The ciphertext with this mask and body, one after the other.
    pub(super) fn from_parts(parts: &[u64]) -> Self {
        let mut ciphertext = Self::zero(parts.len() / 2);
        ciphertext.container.copy_from_slice(parts);
        ciphertext
    }

    /// The ciphertext that [`SecretKey::encrypt`] made with as many `bits`; body coefficients that it did
    /// not keep are zero and decrypt to nonsense.
    pub fn from_seeded(parameters: &RingParameters, seeded: &SeededRing, bits: u32) -> Self {
        let mut ciphertext = Self::zero(parameters.polynomial_size());
        let (mask, body) = ciphertext.parts_mut();
        mask.copy_from_slice(&expand_mask(parameters, seeded.seed));
        for (place, value) in body.iter_mut().zip(&seeded.body) {
            *place = value << (64 - bits);
        }
        ciphertext
    }

    /// The number N of coefficients of mask and body each.
    pub fn polynomial_size(&self) -> usize {
        self.container.len() / 2
    }

    /// Mask and body, one after the other.
    pub(super) fn words(&self) -> &[u64] {
        &self.container
    }

    /// The mask a.
    pub fn mask(&self) -> &[u64] {
        self.container.split_at(self.polynomial_size()).0
    }

    /// The body b.
    pub fn body(&self) -> &[u64] {
        self.container.split_at(self.polynomial_size()).1
    }

    /// Mask and body.
    pub(super) fn parts_mut(&mut self) -> (&mut [u64], &mut [u64]) {
        let size = self.polynomial_size();
        self.container.split_at_mut(size)
    }

    /// The body, to add public values to a message.
    pub fn body_mut(&mut self) -> &mut [u64] {
        self.parts_mut().1
    }

    /// Becomes a noiseless encryption of zero.
    pub fn clear(&mut self) {
        self.container.fill(0);
    }

    /// Becomes a copy of `other`, which has the same size.
    pub fn copy_from(&mut self, other: &Self) {
        self.container.copy_from_slice(&other.container);
    }

    /// Adds `other`, which has the same size; the noise variances add up.
    pub fn add_assign(&mut self, other: &Self) {
        for (value, other) in self.container.iter_mut().zip(other.container.iter()) {
            *value = value.wrapping_add(*other);
        }
    }

    /// Subtracts `other`, which has the same size; the noise variances add up.
    pub fn sub_assign(&mut self, other: &Self) {
        for (value, other) in self.container.iter_mut().zip(other.container.iter()) {
            *value = value.wrapping_sub(*other);
        }
    }

    /// Becomes `other` times X^`power` modulo X^N + 1, for any power: X^(2N) is 1.
    pub fn copy_rotated(&mut self, other: &Self, power: usize) {
        let size = self.polynomial_size();
        let (mask, body) = self.parts_mut();
        rotate(other.mask(), power % (2 * size), mask);
        rotate(other.body(), power % (2 * size), body);
    }

    /// Becomes (`a` - `b`) · X^(-2^`step`), where all have the same size.
    pub(super) fn copy_difference_rotated(&mut self, a: &Self, b: &Self, step: usize) {
        let shift = 1 << step;
        let parts = [(a.mask(), b.mask()), (a.body(), b.body())];
        let (mask, body) = self.parts_mut();
        for (part, (a, b)) in [mask, body].into_iter().zip(parts) {
            let (low, high) = part.split_at_mut(a.len() - shift);
            let ((a_low, a_high), (b_low, b_high)) = (a.split_at(shift), b.split_at(shift));
            for (place, (a, b)) in low.iter_mut().zip(a_high.iter().zip(b_high)) {
                *place = a.wrapping_sub(*b);
            }
            for (place, (a, b)) in high.iter_mut().zip(a_low.iter().zip(b_low)) {
                *place = b.wrapping_sub(*a);
            }
        }
    }

    /// Adds `weight` · X^`power` · `other`, of the same size, for any power: X^(2N) is 1. The noise of `other`
    /// is multiplied by the weight, a small integer modulo 2^64.
    pub fn add_multiple(&mut self, other: &Self, power: usize, weight: u64) {
        self.add_terms(other, [(power, weight)]);
    }

    /// Adds `other` times Σ weight · X^power over some terms, as [`add_multiple`](Self::add_multiple) does term by
    /// term, but reads and writes fewer numbers.
    pub fn add_multiples(&mut self, other: &Self, terms: &[(usize, u64)]) {
        let (fours, rest) = terms.as_chunks::<4>();
        fours.iter().for_each(|four| self.add_terms(other, *four));
        match *rest {
            [a, b, c] => self.add_terms(other, [a, b, c]),
            [a, b] => self.add_terms(other, [a, b]),
            [a] => self.add_terms(other, [a]),
            _ => {}
        }
    }

    fn add_terms<const COUNT: usize>(&mut self, other: &Self, terms: [(usize, u64); COUNT]) {
        let size = self.polynomial_size();
        let mut terms = terms.map(|(power, weight)| match power / size % 2 {
            0 => (power % size, weight),
            _ => (power % size, weight.wrapping_neg()),
        });
        terms.sort_unstable();
        let (mask, body) = self.parts_mut();
        for (sum, other) in [(mask, other.mask()), (body, other.body())] {
            // Coefficients below the power of a term get what is turned past the end, which is negative.
            let mut start = 0;
            for end in terms.map(|(power, _)| power).into_iter().chain([size]) {
                // Powers are below the size, and they rise.
                let sums = &mut sum[start..end];
                let first = |power: usize| if power <= start { start - power } else { size + start - power };
                let values = terms.map(|(power, _)| &other[first(power)..first(power) + sums.len()]);
                let weights = terms.map(|(power, weight)| match power <= start {
                    true => weight,
                    false => weight.wrapping_neg(),
                });
                dispatch(AddScaled { sums, values, weights });
                start = end;
            }
        }
    }

    /// The result to send: modulus 2^`bits`, with the body at `positions` (below N) only.
    pub fn switch_modulus(&self, bits: u32, positions: &[usize]) -> SwitchedRing {
        let body = self.body();
        SwitchedRing {
            mask: self.mask().iter().map(|value| switch_modulus(*value, bits)).collect(),
            bodies: positions
                .iter()
                .filter_map(|position| body.get(*position))
                .map(|value| switch_modulus(*value, bits))
                .collect(),
        }
    }

    pub(super) fn as_glwe(&self) -> GlweCiphertextView<'_, u64> {
        let size = PolynomialSize(self.polynomial_size());
        GlweCiphertext::from_container(&*self.container, size, CiphertextModulus::new_native())
    }
}

impl SecretKey {
    /// What a ciphertext holds: message plus noise, all coefficients.
    pub fn phase(&self, ciphertext: &RingCiphertext) -> Vec<u64> {
        let mut plaintext = PlaintextList::new(0, PlaintextCount(ciphertext.polynomial_size()));
        decrypt_glwe_ciphertext(&self.as_glwe(), &ciphertext.as_glwe(), &mut plaintext);
        plaintext.into_container()
    }
}

/// Zeros in memory aligned for the widest registers.
pub(super) fn zeros<T: Default + Clone>(count: usize) -> ABox<[T]> {
    let mut values = AVec::with_capacity(0, count);
    values.resize(count, T::default());
    values.into_boxed_slice()
}

/// `polynomial` times X^`power` modulo X^N + 1, for powers below 2N.
pub(super) fn rotate(polynomial: &[u64], power: usize, product: &mut [u64]) {
    let size = polynomial.len();
    let negative = power >= size;
    let shift = power % size;
    let (kept, wrapped) = polynomial.split_at(size - shift);
    let (front, back) = product.split_at_mut(shift);
    copy_signed(wrapped, !negative, front);
    copy_signed(kept, negative, back);
}

/// Adds several runs of as many values, each times its weight.
struct AddScaled<'a, const COUNT: usize> {
    sums: &'a mut [u64],
    values: [&'a [u64]; COUNT],
    weights: [u64; COUNT],
}

impl<const COUNT: usize> Work for AddScaled<'_, COUNT> {
    type Output = ();

    #[inline(always)]
    fn work<const L: usize, F: Lanes<L>>(self, _: F) {
        let Self { sums, mut values, weights } = self;
        // Cut to one length, so that the loop need not look.
        for values in &mut values {
            *values = &values[..sums.len()];
        }
        for (place, sum) in sums.iter_mut().enumerate() {
            let mut total = *sum;
            for (values, weight) in values.iter().zip(weights) {
                total = total.wrapping_add(values[place].wrapping_mul(weight));
            }
            *sum = total;
        }
    }
}

fn copy_signed(values: &[u64], negate: bool, places: &mut [u64]) {
    if negate {
        places.iter_mut().zip(values).for_each(|(place, value)| *place = value.wrapping_neg());
    } else {
        places.copy_from_slice(values);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::RingDecryptor;

    #[test]
    fn powers_of_x_turn_negative_at_the_end() {
        let source = RingCiphertext::trivial(&[1, 2, 3, 4]);
        let mut product = RingCiphertext::zero(4);
        let neg = |value: u64| value.wrapping_neg();
        for (power, expected) in [
            (0, [1, 2, 3, 4]),
            (1, [neg(4), 1, 2, 3]),
            (4, [neg(1), neg(2), neg(3), neg(4)]),
            (7, [2, 3, 4, neg(1)]),
            (8, [1, 2, 3, 4]),
        ] {
            product.copy_rotated(&source, power);
            assert_eq!(product.body(), expected, "X^{power}");
            product.add_multiple(&source, power, 2);
            assert_eq!(product.body(), expected.map(|value: u64| value.wrapping_mul(3)), "3 X^{power}");
        }
    }

    #[test]
    fn multiples_are_added_together_as_one_by_one() {
        let source = RingCiphertext::from_parts(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);
        let terms = [(5, 3), (0, 2), (9, 7), (5, u64::MAX), (15, 11), (7, 1), (16, 4), (3, 5), (12, 6)];
        for count in 0..=terms.len() {
            let (mut together, mut one_by_one) = (source.clone(), source.clone());
            together.add_multiples(&source, &terms[..count]);
            let mut turned = RingCiphertext::zero(8);
            for (power, weight) in &terms[..count] {
                turned.copy_rotated(&source, *power);
                let pairs = one_by_one.container.iter_mut().zip(turned.container.iter());
                pairs.for_each(|(sum, value)| *sum = sum.wrapping_add(value.wrapping_mul(*weight)));
            }
            assert_eq!(together, one_by_one, "{count} terms");
        }
    }

    #[test]
    fn a_difference_moves_back() {
        let (a, b) = (RingCiphertext::trivial(&[9, 8, 7, 6]), RingCiphertext::trivial(&[1, 2, 3, 4]));
        let (mut moved, mut difference) = (RingCiphertext::zero(4), a.clone());
        difference.sub_assign(&b);
        for step in 0..2 {
            moved.copy_difference_rotated(&a, &b, step);
            let mut expected = RingCiphertext::zero(4);
            expected.copy_rotated(&difference, 8 - (1 << step));
            assert_eq!(moved, expected);
        }
    }

    #[test]
    fn a_seeded_ciphertext_opens() {
        let parameters = RingParameters::secure(2048).unwrap();
        let key = SecretKey::generate(parameters);
        let message: Vec<u64> = (0..2048).map(|i| i << 50).collect();
        let ciphertext = RingCiphertext::from_seeded(&parameters, &key.encrypt(&message, 40), 40);
        let opened: Vec<u64> =
            key.phase(&ciphertext).iter().map(|value| switch_modulus(*value, 14)).collect();
        assert_eq!(opened, (0..2048).collect::<Vec<_>>());

        let sent = ciphertext.switch_modulus(30, &[7, 9]);
        let opened: Vec<u64> = RingDecryptor::new(&key)
            .unwrap()
            .decrypt(&sent, 30, &[7, 9])
            .iter()
            .map(|value| switch_modulus(*value, 14))
            .collect();
        assert_eq!(opened, [7, 9]);
    }
}
