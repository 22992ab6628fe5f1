//! What TFHE gives us, as few sharp words; the only room that names the `tfhe` crates.
//!
//! Takes integers on the torus (`u64`, the fraction `t / 2^64`), gives and takes ciphertexts, and
//! predicts their noise. It knows nothing of models, rows or files.

mod bits;
mod block;
mod conversion;
mod embedding;
mod expansion;
mod factors;
mod gadget;
mod ggsw;
mod lanes;
mod lookup;
pub mod noise;
mod parameters;
mod pool;
mod product;
mod product_sum;
mod public_key;
mod ring;
mod ring_ciphertext;
mod secret;
mod secret_key;
mod shared_mask;
mod shared_secret;
mod switching_key;
mod transform;
#[cfg(test)]
pub(crate) mod trial;
mod workspace;

pub use bits::{pack, packed_bytes, unpack};
pub use block::Block;
pub use expansion::{Expander, ExpansionKey, ExpansionParameters, Reversal, ReversalKey};
pub use gadget::Gadget;
pub use ggsw::Ggsw;
pub use lookup::{
    LookupKey, LookupLiteral, LookupParameters, LookupSecretKey, LookupSecrets, LookupSets, LookupTable,
    LookupWorkspace, LweCiphertext, PackedInputs, SeededLookupKey, SumMemory, SwitchedLwe, Unrolling,
    WeightedSum, measured_seconds, read_lookup_keys,
};
pub use parameters::{RingParameters, SECURITY_BITS};
pub use pool::Pool;
pub use product::{Polynomial, Products};
pub use product_sum::ProductSum;
pub use public_key::{PublicEncryptor, PublicKey};
pub use ring::{RingDecryptor, SeededRing, SwitchedRing, expand_mask, switch_modulus};
pub use ring_ciphertext::RingCiphertext;
pub use secret::{Secret, SecretParameters};
pub use secret_key::SecretKey;
pub use shared_mask::{CoefficientBits, SharedDecryptor, SharedMask};
pub use shared_secret::{MOST_SECRETS, SharedParameters, SharedSecret};
pub use workspace::RingWorkspace;
