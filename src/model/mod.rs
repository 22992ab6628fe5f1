//! The float graph: what an ONNX file says, in a small closed set of operators.
//!
//! Takes nodes one by one through [`Builder`], gives a [`Model`] whose shapes are all known (the
//! batch axis is 1: a model is a function of one row) and whose constant parts are folded. Its
//! [`Model::evaluate`] is the clear reference that everything later is held against. It knows
//! nothing of ONNX encoding, quantization or encryption.

mod builder;
mod graph;
pub mod op;

pub use builder::Builder;
pub use graph::{Model, Node, NodeId, Output};
pub use op::Op;
