//! From coefficients of ring ciphertexts to LWE ciphertexts and back, under one secret: a ring key of k polynomials
//! of N bits and one of a polynomial of k·N bits are the same vector.

use super::{LweCiphertext, RingCiphertext, switch_modulus};

impl RingCiphertext {
    /// The ciphertext of the coefficient at `position` (below N). It costs no noise.
    pub fn extract(&self, position: usize) -> LweCiphertext {
        LweCiphertext::extract(self.words(), self.polynomial_size(), position)
    }

    /// A ring ciphertext whose constant coefficient is what `value` encrypts; all others hold anything. It costs no
    /// noise.
    pub fn embed(value: &LweCiphertext) -> Self {
        let (mask, body) = value.parts();
        let mut ring = Self::zero(mask.len());
        let (ring_mask, ring_body) = ring.parts_mut();
        // The constant coefficient of a product with the key: the first bit meets the first coefficient, all others
        // meet the negated rest from its end.
        let (first, rest) = ring_mask.split_at_mut(1.min(mask.len()));
        for (place, value) in first.iter_mut().zip(mask) {
            *place = *value;
        }
        for (place, value) in rest.iter_mut().rev().zip(mask.iter().skip(1)) {
            *place = value.wrapping_neg();
        }
        if let Some(place) = ring_body.first_mut() {
            *place = body;
        }
        ring
    }

    /// Divides mask and body by 2^`log2`, rounded. Messages become m / 2^log2 plus unknown multiples of
    /// 2^(64 - log2): whatever is then multiplied by 2^log2, as a trace does, is m again.
    pub fn divide(&mut self, log2: u32) {
        let (mask, body) = self.parts_mut();
        for value in mask.iter_mut().chain(body) {
            *value = switch_modulus(*value, 64 - log2);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::lookup::trial::{phase, set};
    use crate::crypto::trial::{assert_close, errors, variance};
    use crate::crypto::{
        ExpansionKey, ExpansionParameters, Gadget, LookupSecretKey, ReversalKey, RingParameters,
        RingWorkspace, SecretKey, noise,
    };

    /// Keys of both forms and the parameters of traces over the last five steps.
    fn keys() -> (LookupSecretKey, SecretKey, ExpansionParameters) {
        let secret = LookupSecretKey::generate(set((4, 512), 700, (17, 2), (3, 5)));
        let ring = secret.as_ring_key().unwrap();
        let steps = (0..11).map(|_| Gadget::new(8, 6).unwrap()).collect();
        let expansion = ExpansionParameters::new(ring.parameters(), steps, Gadget::new(14, 4).unwrap());
        (secret, ring, expansion.unwrap())
    }

    fn fresh(key: &SecretKey, message: &[u64]) -> RingCiphertext {
        RingCiphertext::from_seeded(&key.parameters(), &key.encrypt(message, 64), 64)
    }

    #[test]
    fn coefficients_come_out_and_go_in() {
        let (secret, ring, _) = keys();
        let message: Vec<u64> = (0..2048).map(|place| place << 50).collect();
        let ciphertext = fresh(&ring, &message);
        for position in [0, 1, 700, 2047] {
            let value = ciphertext.extract(position);
            assert_eq!(switch_modulus(phase(&secret, &value), 14), position as u64);
            let embedded = RingCiphertext::embed(&value);
            assert_eq!(ring.phase(&embedded)[0], phase(&secret, &value));
        }
    }

    #[test]
    fn a_trace_leaves_the_constant_coefficient() {
        let mut all = Vec::new();
        let mut others = Vec::new();
        for _ in 0..8 {
            let (secret, ring, parameters) = keys();
            let expander = ExpansionKey::generate(&ring, &parameters).unwrap().expand();
            let workspace = &mut RingWorkspace::new(&ring.parameters());
            for value in 1..32_u64 {
                let value = secret.encrypt(&[value << 58], 64);
                let value = &LweCiphertext::expand(&secret.parameters(), &value, 64).unwrap()[0];
                let mut traced = RingCiphertext::embed(value);
                traced.divide(5);
                expander.trace(&mut traced, 6..11, workspace).unwrap();
                let phases = ring.phase(&traced);
                all.extend(errors(&phases[..1], &[phase(&secret, value)]));
                others.extend(phases.iter().skip(64).step_by(64).flat_map(|value| errors(&[*value], &[0])));
            }
        }
        let added = noise::trace(&RingParameters::secure(2048).unwrap(), &[Gadget::new(8, 6).unwrap(); 5]);
        // The mean square of 248 normal numbers is off by 0.7 with a probability of exp(-124 * 0.169) < 2^-30.
        assert_close(variance(&all), added, 0.7);
        // 31 coefficients of each, half of them those of the last step: known to a twentieth.
        let rest =
            noise::trace_rest(&RingParameters::secure(2048).unwrap(), &[Gadget::new(8, 6).unwrap(); 5]);
        assert_close(variance(&others), rest, 0.4);
    }

    #[test]
    fn the_reversal_turns_products_into_dot_products() {
        let (_, key, _) = keys();
        let ring = key.parameters();
        // So fine that nothing is rounded away: noise of coefficients is all but independent.
        let gadget = Gadget::new(8, 6).unwrap();
        let stored = ReversalKey::generate(&key, gadget);
        let bytes = stored.to_bytes();
        assert_eq!(bytes.len(), ReversalKey::byte_count(&ring, gadget));
        assert_eq!(ReversalKey::from_bytes(&ring, gadget, &bytes).unwrap(), stored);
        assert!(ReversalKey::from_bytes(&ring, gadget, &bytes[1..]).is_err());
        let message: Vec<u64> = (0..2048).map(|place| place << 48).collect();
        let mut expected: Vec<u64> = message.iter().rev().map(|value| value.wrapping_neg()).collect();
        expected.rotate_right(1);
        expected[0] = message[0];
        let mut image = RingCiphertext::zero(2048);
        let workspace = &mut RingWorkspace::new(&ring);
        stored.expand().apply(&fresh(&key, &message), &mut image, workspace);
        let predicted = noise::encryption(&ring) + noise::automorphism(&ring, gadget);
        assert_close(variance(&errors(&key.phase(&image), &expected)), predicted, 0.6);
    }
}
