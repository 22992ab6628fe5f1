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

pub use expand::Expander;
pub use key::ExpansionKey;
pub use parameters::ExpansionParameters;
