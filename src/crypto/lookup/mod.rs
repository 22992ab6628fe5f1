//! Lookups: univariate functions of encrypted numbers, by key switch and programmable bootstrapping in batches.
//!
//! Takes packed encryptions of torus values, makes an LWE ciphertext of each, adds and scales those, and looks
//! tables up in them; a looked-up value is as good as new: its noise is that of
//! [`noise::lookup_output`](super::noise::lookup_output), whatever went in. It does not choose parameters and
//! knows nothing of circuits.
//!
//! ```text
//! client   torus values              -> one seeded ring ciphertext, a value in each body coefficient
//! server   expand                    -> an LWE ciphertext of each value, under the ring's key as a vector
//!          sums with integer weights -> LWE ciphertexts
//!          key switch                -> modulo 2^32, under a small key: few steps to rotate by
//!          modulus switch            -> modulo 2N: a rotation
//!          blind rotation            -> the table, rotated so that the value looked up lies in front
//!          sample extraction         -> an LWE ciphertext of that value
//!          modulus switch            -> few bits, sent back
//! client   torus values
//! ```
//!
//! Papers: Chillotti, Gama, Georgieva, Izabachène, *TFHE* (Journal of Cryptology, 2020); Chillotti, Joye,
//! Paillier, *Programmable Bootstrapping Enables Efficient Homomorphic Inference of Deep Neural Networks*
//! (CSCML 2021); Bernard, Joye, Smart, Walter, *Drifting Towards Better Error Probabilities in Fully Homomorphic
//! Encryption Schemes* (Eurocrypt 2025), on modulus switches with less noise.

mod apply;
mod ciphertext;
mod cost;
mod key;
mod key_switch;
mod packed;
mod parameters;
mod rotate;
mod secret_key;
mod sets;
mod table;
#[cfg(test)]
pub(in crate::crypto) mod trial;
mod turned_sum;

pub use apply::{LookupKey, LookupWorkspace};
pub use ciphertext::{LweCiphertext, SwitchedLwe, WeightedSum};
pub use cost::measured_seconds;
pub use key::SeededLookupKey;
pub use packed::{PackedInputs, SumMemory};
pub use parameters::{LookupLiteral, LookupParameters, Unrolling};
pub use secret_key::LookupSecretKey;
pub use sets::{LookupSecrets, LookupSets, read_lookup_keys};
pub use table::LookupTable;
