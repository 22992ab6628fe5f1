//! What TFHE gives us, as few sharp words; the only room that names the `tfhe` crates.
//!
//! Takes integers on the torus (`u64`, the fraction `t / 2^64`), gives and takes ciphertexts, and
//! predicts their noise. It knows nothing of models, rows or files.

mod bits;
pub mod noise;
mod parameters;
mod product;
mod ring;
mod secret_key;

pub use bits::{pack, packed_bytes, unpack};
pub use parameters::{RingParameters, SECURITY_BITS};
pub use product::{Polynomial, Products};
pub use ring::{RingDecryptor, SeededRing, SwitchedRing, expand_mask, switch_modulus};
pub use secret_key::SecretKey;

/// The version of the crate that defines seeds, masks and noise; files say which one made them.
pub const TFHE_VERSION: &str = "1.8.2";
