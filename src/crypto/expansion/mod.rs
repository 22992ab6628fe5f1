//! From one packed ring ciphertext to many encrypted bits that multiply.
//!
//! A client packs bits into the coefficients of one polynomial. The server expands it into one ring
//! ciphertext an item, by automorphisms, and turns those of each bit into a GGSW ciphertext, by a key for
//! the square of the secret key. It learns nothing: the keys are ring encryptions of images and of the
//! square of the secret key, safe under the usual assumption of circular security.
//!
//! Papers: Chen, Laine, Player, *Simple Encrypted Arithmetic Library* (oblivious expansion; used in
//! Angel, Chen, Laine, Setty, *PIR with compressed queries and amortized query processing*, S&P 2018);
//! Chen, Chillotti, Ren, *Onion Ring ORAM* (CCS 2019), expansion into GSW; Mughees, Chen, Ren, *OnionPIR*
//! (CCS 2021), and Menon, Wu, *Spiral* (S&P 2022), GSW rows from ring ciphertexts by a key for the square.

mod expand;
mod key;
mod parameters;
mod reversal;

pub use expand::Expander;
pub use key::ExpansionKey;
pub use parameters::ExpansionParameters;
pub use reversal::{Reversal, ReversalKey};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::trial::{assert_close, errors, variance};
    use crate::crypto::{Gadget, Ggsw, RingCiphertext, RingParameters, RingWorkspace, SecretKey};
    use crate::crypto::{noise, switch_modulus};

    const SIZE: usize = 4096;
    const DEPTH: usize = 4;
    const TREES: usize = 16;
    const LEAF_BITS: u32 = 12;

    /// Secure parameters for 64 bits of two levels each; gadgets from the first step to the last.
    fn parameters() -> ExpansionParameters {
        let gadget = |(log2_base, levels)| Gadget::new(log2_base, levels).unwrap();
        let steps = [(4, 14), (5, 11), (6, 9), (7, 8), (8, 7), (9, 6), (11, 5)].map(gadget);
        let ring = RingParameters::secure(SIZE).unwrap();
        ExpansionParameters::new(ring, steps.to_vec(), gadget((14, 4))).unwrap()
    }

    /// The polynomial of bits, an item for each level.
    fn pack(parameters: &ExpansionParameters, bits: &[bool], gadget: Gadget) -> Vec<u64> {
        let mut polynomial = vec![0; SIZE];
        let values = bits.iter().flat_map(|bit| gadget.scales().map(move |scale| u64::from(*bit) * scale));
        values.enumerate().for_each(|(item, value)| parameters.place(&mut polynomial, item, value));
        polynomial
    }

    /// The leaf that the bits choose, the first bit between the two halves of the leaves.
    fn select(
        bits: &[Ggsw],
        mut leaves: Vec<RingCiphertext>,
        workspace: &mut RingWorkspace,
    ) -> RingCiphertext {
        for bit in bits {
            let mut ones = leaves.split_off(leaves.len() / 2);
            for (zero, one) in leaves.iter_mut().zip(&mut ones) {
                bit.choose(zero, one, workspace);
            }
        }
        leaves.remove(0)
    }

    /// Leaf polynomials with other values in every coefficient, encrypted so that masks are full.
    fn leaves(secret: &SecretKey) -> (Vec<Vec<u64>>, Vec<RingCiphertext>) {
        let value = |leaf: usize, place: usize| ((leaf * 977 + place * 31) as u64) << (64 - LEAF_BITS);
        let messages: Vec<Vec<u64>> =
            (0..1 << DEPTH).map(|leaf| (0..SIZE).map(|place| value(leaf, place)).collect()).collect();
        let encrypt = |message: &Vec<u64>| {
            RingCiphertext::from_seeded(&secret.parameters(), &secret.encrypt(message, 64), 64)
        };
        let ciphertexts = messages.iter().map(encrypt).collect();
        (messages, ciphertexts)
    }

    /// The noise of a chosen leaf if half of the bits are 1.
    fn predicted(parameters: &ExpansionParameters, gadget: Gadget) -> f64 {
        let ring = parameters.ring();
        let fresh = noise::encryption(ring);
        let body_row = noise::expansion(parameters, fresh);
        let mask_row = noise::scheme_switch(parameters, body_row);
        let rounding = noise::external_product(ring, gadget, 0.0, 0.0);
        let product = noise::external_product(ring, gadget, body_row, mask_row) - rounding / 2.0;
        fresh + DEPTH as f64 * product
    }

    #[test]
    fn packed_bits_choose_leaves_with_the_noise_of_the_formulas() {
        let parameters = parameters();
        let gadget = Gadget::new(13, 2).unwrap();
        let workspace = &mut RingWorkspace::new(parameters.ring());
        let mut all = Vec::new();
        for key in 0..4 {
            let secret = SecretKey::generate(*parameters.ring());
            let expander = ExpansionKey::generate(&secret, &parameters).unwrap().expand();
            let (messages, leaves) = leaves(&secret);
            for query in 0..5 {
                let word = (5 * key + query + 1_u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                let bits: Vec<bool> = (0..DEPTH * TREES).map(|place| word >> place & 1 == 1).collect();
                let seeded = secret.encrypt(&pack(&parameters, &bits, gadget), 64);
                let packed = RingCiphertext::from_seeded(parameters.ring(), &seeded, 64);
                let items: Vec<usize> = (0..bits.len() * gadget.levels()).collect();
                let expanded = expander.expand(packed, 0..parameters.steps().len(), &items).unwrap();
                let expanded: Vec<Ggsw> = expanded
                    .chunks(gadget.levels())
                    .map(|levels| {
                        let mut bit = Ggsw::zero(parameters.ring(), gadget);
                        expander.switch_scheme(levels, &mut bit, workspace);
                        bit
                    })
                    .collect();
                for (chosen, choice) in bits.chunks(DEPTH).zip(expanded.chunks(DEPTH)) {
                    let leaf = chosen.iter().fold(0, |leaf, bit| 2 * leaf + usize::from(*bit));
                    let phase = secret.phase(&select(choice, leaves.clone(), workspace));
                    let value = |phase: u64| switch_modulus(phase, LEAF_BITS) << (64 - LEAF_BITS);
                    assert!(
                        phase.iter().zip(&messages[leaf]).all(|(phase, message)| value(*phase) == *message)
                    );
                    all.extend(errors(&phase, &messages[leaf]));
                }
            }
        }
        // Noise is shared within a query and within a key: an eighth of the standard deviation.
        assert_close(variance(&all), predicted(&parameters, gadget), 0.25);
    }
}
