//! The core as polynomials: every value that is decrypted, as a sum of products of a few variables.

mod elementwise;
mod form;
mod functions;
mod linear;
mod lookups;
mod windows;

pub use form::Form;
pub use linear::{Network, Polynomials, network, polynomials};
pub use lookups::LookupForm;
