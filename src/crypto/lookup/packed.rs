//! Encrypted values that are added up while they are packed: a sum is one product of rings, however many terms it has.
//!
//! Value j of a ring ciphertext (a_1, …, a_k, b) is the constant coefficient of X^(-j) times it. So the sum of values
//! with weights w_j is that of the product with the polynomial Σ w_j X^(-j): a transform of small integers, k products
//! of transformed polynomials, and k transforms back.
//!
//! Paper: Chen, Dai, Kim, Song, *Efficient Homomorphic Conversion Between (Ring) LWE Ciphertexts* (ACNS 2021), on
//! extraction.

use anyhow::{Result, ensure};
use tfhe::core_crypto::fft_impl::fft64::ABox;

use super::ciphertext::full_ring;
use super::{LookupParameters, LweCiphertext};
use crate::crypto::SeededRing;
use crate::crypto::conversion::{AddTorus, Scaled};
use crate::crypto::factors::{Factors, GAP, place_rows};
use crate::crypto::ring_ciphertext::zeros;
use crate::crypto::transform::Transform;

/// Values of a row in ring ciphertexts, as many in each but the last.
pub struct PackedInputs {
    parameters: LookupParameters,
    /// Values of a ciphertext.
    width: usize,
    rings: Vec<Packed>,
}

/// One ciphertext.
struct Packed {
    /// The k masks, then the body.
    words: Vec<u64>,
    /// The masks, transformed, in the order in which sums read them.
    masks: ABox<[f64]>,
}

/// What one thread needs to add up packed values.
pub struct SumMemory {
    transform: Transform,
    weights: Vec<u64>,
    factors: Factors,
    sums: ABox<[f64]>,
    products: Vec<u64>,
}

impl PackedInputs {
    /// The values that [`LookupSecretKey::encrypt`](super::LookupSecretKey::encrypt) encrypted with as many `bits`.
    ///
    /// # Errors
    /// If a ciphertext holds more values than a polynomial has coefficients.
    pub fn expand(parameters: &LookupParameters, packed: &[SeededRing], bits: u32) -> Result<Self> {
        let width = packed.first().map_or(1, |first| first.body.len().max(1));
        let size = parameters.polynomial_size();
        ensure!(width <= size, "{width} values in a ciphertext that has room for {size}");
        let words =
            packed.iter().map(|packed| full_ring(parameters, packed, bits)).collect::<Result<Vec<_>>>()?;
        Ok(Self::of_words(parameters, width, words))
    }

    /// The words of all ciphertexts, one after the other.
    pub fn words(&self) -> impl Iterator<Item = u64> {
        self.rings.iter().flat_map(|ring| &ring.words).copied()
    }

    /// The values whose [`PackedInputs::words`] these are, so many in each ciphertext.
    ///
    /// # Errors
    /// If they are no whole ciphertexts.
    pub fn from_words(parameters: &LookupParameters, width: usize, words: &[u64]) -> Result<Self> {
        let each = Self::words_each(parameters);
        ensure!(words.len().is_multiple_of(each), "{} words of ciphertexts of {each} words", words.len());
        Ok(Self::of_words(parameters, width, words.chunks_exact(each).map(<[u64]>::to_vec).collect()))
    }

    /// The words of one ciphertext.
    pub fn words_each(parameters: &LookupParameters) -> usize {
        parameters.big_dimension() + parameters.polynomial_size()
    }

    fn of_words(parameters: &LookupParameters, width: usize, words: Vec<Vec<u64>>) -> Self {
        let size = parameters.polynomial_size();
        let transform = Transform::new(size);
        // Fractions of the torus; and backward transforms multiply by N/2.
        let scale = 2.0_f64.powi(-64) * 2.0 / size as f64;
        let mut transformed = zeros(size);
        let ring = |words: Vec<u64>| {
            let mut masks = zeros(parameters.big_dimension());
            for (place, values) in words.chunks_exact(size).take(parameters.glwe_dimension()).enumerate() {
                transform.forward(Scaled { values, part: |value| value, scale }, &mut transformed);
                place_rows(&mut masks, &transformed, size, place, parameters.glwe_dimension());
            }
            Packed { words, masks }
        };
        Self { parameters: *parameters, width, rings: words.into_iter().map(ring).collect() }
    }

    /// Adds the sum of values with weights to a ciphertext; terms come in rising order of their values.
    ///
    /// Noise variances come with squared weights. What rounding to floating-point numbers adds lies below 2^-50 of the
    /// torus times the 2-norm of the weights.
    ///
    /// # Panics
    /// If there is no such value.
    pub fn add_sum(&self, terms: &[(u32, i32)], sum: &mut LweCiphertext, memory: &mut SumMemory) {
        let (size, parts) = (self.parameters.polynomial_size(), self.parameters.glwe_dimension());
        let SumMemory { transform, weights, factors, sums, products } = memory;
        let mut body = 0_u64;
        let ring_of = |term: &(u32, i32)| term.0 as usize / self.width;
        for (count, own) in terms.chunk_by(|a, b| ring_of(a) == ring_of(b)).enumerate() {
            let ring = &self.rings[ring_of(&own[0])]; // chunks are not empty
            let values = &ring.words[parts * size..];
            weights.fill(0);
            for (value, weight) in own {
                let (position, weight) = (*value as usize % self.width, i64::from(*weight) as u64);
                body = body.wrapping_add(values[position].wrapping_mul(weight));
                // X^-j is -X^(N - j).
                match position {
                    0 => weights[0] = weight,
                    _ => weights[size - position] = weight.wrapping_neg(),
                }
            }
            factors.transform(0, Scaled { values: weights, part: |value| value, scale: 1.0 }, transform);
            factors.sum(sums, parts, &ring.masks, 1, count > 0);
        }
        if terms.is_empty() {
            return;
        }
        products.fill(0);
        for (product, values) in
            products.chunks_exact_mut(size).zip(sums.chunks_exact_mut(size + GAP)).take(parts)
        {
            // A sum has room for a polynomial and a gap.
            transform.backward(&mut values[..size], AddTorus(product));
        }
        sum.add_assign(&LweCiphertext::extract(products, size, 0));
        sum.add_plaintext(body);
    }
}

impl SumMemory {
    /// Memory for sums with these parameters.
    pub fn new(parameters: &LookupParameters) -> Self {
        let (size, parts) = (parameters.polynomial_size(), parameters.glwe_dimension());
        Self {
            transform: Transform::new(size),
            weights: vec![0; size],
            factors: Factors::new(size, 1),
            sums: zeros(parts * (size + GAP)),
            // The body of a product is added up by itself.
            products: vec![0; (parts + 1) * size],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::lookup::LookupSecretKey;
    use crate::crypto::lookup::trial::{fast, set};

    #[test]
    fn packed_sums_are_those_of_single_values() {
        for parameters in [fast(), set((1, 2048), 700, (15, 2), (3, 6)), set((2, 1024), 760, (23, 1), (4, 3))]
        {
            let secret = LookupSecretKey::generate(parameters);
            let width = 200;
            let encrypt =
                |start: u64| secret.encrypt(&(start..start + width).map(|x| x << 50).collect::<Vec<_>>(), 40);
            let packed = [encrypt(0), encrypt(1000)];
            let singles: Vec<LweCiphertext> = packed
                .iter()
                .flat_map(|packed| LweCiphertext::expand(&parameters, packed, 40).unwrap())
                .collect();
            let inputs = PackedInputs::expand(&parameters, &packed, 40).unwrap();
            let words: Vec<u64> = inputs.words().collect();
            let again = PackedInputs::from_words(&parameters, width as usize, &words).unwrap();
            let memory = &mut SumMemory::new(&parameters);
            for terms in [
                vec![(0, 1)],
                vec![(199, -3)],
                vec![(0, 511), (7, -511), (199, 2), (200, 5), (399, -1)],
                (0..400).map(|value| (value, value as i32 * 37 % 31 - 15)).collect(),
                vec![],
            ] {
                let mut expected = LweCiphertext::trivial(&parameters, 12345);
                for (value, weight) in &terms {
                    expected.add_multiple(&singles[*value as usize], i64::from(*weight));
                }
                for inputs in [&inputs, &again] {
                    let mut found = LweCiphertext::trivial(&parameters, 12345);
                    inputs.add_sum(&terms, &mut found, memory);
                    found.sub_assign(&expected);
                    let norm = terms.iter().map(|(_, weight)| f64::from(*weight).powi(2)).sum::<f64>().sqrt();
                    for word in found.words() {
                        let error = (*word as i64) as f64 / 2.0_f64.powi(64);
                        assert!(error.abs() <= norm * 2.0_f64.powi(-49), "2^{}", error.abs().log2());
                    }
                }
            }
        }
    }
}
