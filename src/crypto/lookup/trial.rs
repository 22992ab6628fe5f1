//! Parameters and phases for the tests of lookups.

use super::{
    LookupKey, LookupLiteral, LookupParameters, LookupSecretKey, LweCiphertext, SeededLookupKey, Unrolling,
};
use crate::crypto::Gadget;

/// The set ((k, N), n, (log2 base, levels) of bootstrapping, of key switching).
pub fn set(
    ring: (usize, usize),
    n: usize,
    bootstrap: (u32, u32),
    key_switch: (u32, u32),
) -> LookupParameters {
    LookupParameters::new(LookupLiteral {
        glwe_dimension: ring.0,
        polynomial_size: ring.1,
        lwe_dimension: n,
        unrolling: Unrolling::Pairs,
        bootstrap: Gadget::new(bootstrap.0, bootstrap.1).unwrap(),
        key_switch: Gadget::new(key_switch.0, key_switch.1).unwrap(),
    })
    .unwrap()
}

/// The same set, with rotations bit after bit.
pub fn bit_by_bit(parameters: LookupParameters) -> LookupParameters {
    LookupParameters::new(LookupLiteral { unrolling: Unrolling::Single, ..parameters.into() }).unwrap()
}

/// A secure set of the least work, good for a bit.
pub fn fast() -> LookupParameters {
    set((5, 256), 624, (14, 1), (3, 3))
}

/// The message of a ciphertext with its noise.
pub fn phase(key: &LookupSecretKey, ciphertext: &LweCiphertext) -> u64 {
    key.decrypt(&ciphertext.switch_modulus(64), 64)
}

/// Fresh keys of a set.
pub fn keys(parameters: LookupParameters) -> (LookupSecretKey, LookupKey) {
    let secret = LookupSecretKey::generate(parameters);
    let key = SeededLookupKey::generate(&secret).expand();
    (secret, key)
}
