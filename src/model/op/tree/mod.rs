//! Ensembles of decision trees: what a tree is, what makes an ensemble sound, what it gives.
//!
//! An ensemble says nothing of classes, labels or transforms: readers reduce those to operators
//! on its raw scores.

mod ensemble;
mod evaluate;
mod node;
mod structure;

pub use ensemble::{Aggregate, TreeEnsemble, TreeParts};
pub use node::{Test, TreeNode, Vote};
