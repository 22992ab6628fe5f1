//! Gradient descent on encrypted rows of several parties: nobody but the holder of the secret key sees the weights,
//! nobody at all the rows.
//!
//! Takes settings that everybody knows, gives a plan; takes rows and labels of each party, gives ciphertexts; takes
//! these and an evaluation key, gives encrypted weights. The same integer program runs in the clear, simulated (in
//! the clear with the predicted noise) and encrypted. It does not know the files of compiled models.
//!
//! ```text
//! party    row             -> standardised by public bounds, clamped, three bits after the point: x
//!          64 rows         -> packed: feature i of row r is coefficient i·S + r; a ciphertext for each gadget level
//!                             and one for the labels
//! server   expansion       -> x(Y)·q/B^j for each row, Y = X^S; by the scheme switch a GGSW ciphertext of x(Y)
//!          w(1/Y) · x(Y)   -> z = w·x is the constant coefficient, extracted
//!          lookup          -> ½ - σ(z), times the rate; embedded in a ring, the label added, all else traced away
//!          · x(Y)          -> the gradient, added to w(Y)
//! owner    w(Y)            -> coefficients and bias, back in the units of the data
//! ```
//!
//! Weights are never bootstrapped: noise of steps adds up and is never multiplied. Papers: Bergamaschi, Halevi,
//! Halevi, Hunt, *Homomorphic training of 30,000 logistic regression models* (ACNS 2019), and Kim, Song, Wang, Xia,
//! Jiang, *Secure logistic regression based on homomorphic encryption* (2018), on encrypted training; those of
//! `crypto/` for its words.

mod data;
mod descent;
pub mod encrypt;
mod features;
pub mod files;
mod float;
mod key;
mod order;
mod parameters;
mod plan;
mod program;
mod rows;
pub mod run;
mod settings;
pub mod simulate;
#[cfg(test)]
mod tests;
mod trainer;
mod variances;
pub mod weights;

pub use data::Data;
pub use descent::{Descent, Engine};
pub use features::{Features, Quantized};
pub use float::descend;
pub use key::{SeededTrainingKey, TrainingKey};
pub use order::{Place, order, spread};
pub use parameters::TrainingParameters;
pub use plan::{ClientPlan, Plan};
pub use program::Program;
pub use rows::{EncryptedBlock, Packing};
pub use settings::{Literal, Schedule, Settings, Task};
pub use trainer::{ExpandedRow, Trainer};
pub use variances::Variances;
pub use weights::Weights;
