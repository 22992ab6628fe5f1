//! Machine learning on encrypted data: an ONNX model becomes a circuit over TFHE ciphertexts.
//!
//! The rooms in import order; each uses only those before it. `ARCHITECTURE.md` is the map.
#![forbid(unsafe_code)]
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod progress;
pub mod tensor;

pub mod artifact;
pub mod crypto;

pub mod model;

pub mod onnx;

pub mod circuit;

pub mod compile;

pub mod client;
pub mod server;

pub mod federated;
pub mod training;
pub mod tune;
