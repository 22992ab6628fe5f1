//! Evaluates a circuit on blocks of rows: in the clear, in the clear with the noise of encryption,
//! and encrypted. All three are the same program. The server never sees a secret key.

mod clear;
mod encrypted;
mod estimate;
mod run;
mod simulate;
mod simulated;

pub use clear::evaluate;
pub use encrypted::{EvaluationKey, Evaluator, Work};
pub use estimate::{Estimate, LookupEstimate, estimate, seconds_per_transform};
pub use run::{Request, Summary, run};
pub use simulate::{Accuracy, Difference, Parts, Score, Simulation};
pub(crate) use simulated::Noise;
pub use simulated::Simulator;
