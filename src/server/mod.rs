//! Evaluates a circuit on blocks of rows: in the clear, in the clear with the noise of encryption,
//! and encrypted. All three are the same program. The server never sees a secret key.

mod clear;
mod encrypted;
mod run;
mod simulated;

pub use clear::evaluate;
pub use encrypted::Evaluator;
pub use run::{Request, Summary, run};
pub use simulated::Simulator;
