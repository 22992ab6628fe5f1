//! ONNX files as models.
//!
//! Takes a file, its bytes, or bytes in memory; gives a [`Model`], or every reason why there is
//! none. The protobuf is walked node by node and each operator has one small reader in `ops`, so
//! a new operator is one function and one line of a table. Nothing is quantized or encrypted
//! here, and nothing outside this room knows how ONNX says things.

mod attributes;
mod context;
mod examination;
mod external;
mod file;
mod graph;
mod labels;
mod limits;
mod node;
mod ops;
mod ports;
mod problem;
mod scope;
mod tensors;
#[cfg(test)]
mod trial;
mod write;

pub use examination::{Examination, NodeReport, Port};
pub use problem::{Problem, Unsupported};
pub use write::{LinearModel, write_linear};

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};

use crate::model::Model;

/// What the file leaves open.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Lengths of dynamic axes: the name of an input and its full shape (the batch axis included,
    /// which always becomes 1), or the name of an axis and its length.
    pub input_shapes: BTreeMap<String, Vec<usize>>,
}

/// Reads a model; all problems are found in one pass.
///
/// # Errors
/// [`Unsupported`] if the file is valid ONNX that needs what is not supported; other errors if it
/// cannot be read, is not ONNX, or contradicts itself.
pub fn read(path: &Path, options: &Options) -> Result<Model> {
    let about = || format!("cannot read model '{}'", path.display());
    let proto = file::open(path).with_context(about)?;
    graph::translate(&proto, Some(folder(path)), options).into_model().with_context(about)
}

/// Reads a model from memory; `folder` is where weights outside the file may be, if anywhere.
///
/// # Errors
/// As [`read`].
pub fn read_bytes(bytes: &[u8], folder: Option<&Path>, options: &Options) -> Result<Model> {
    let proto = file::decode(bytes).context("cannot read the model")?;
    graph::translate(&proto, folder, options).into_model().context("cannot read the model")
}

/// Tells node by node what can be read of a model; never stops at the first problem.
///
/// # Errors
/// If the file cannot be read or is not ONNX.
pub fn check(path: &Path, options: &Options) -> Result<Examination> {
    let proto = file::open(path).with_context(|| format!("cannot read model '{}'", path.display()))?;
    Ok(graph::translate(&proto, Some(folder(path)), options).into_examination())
}

fn folder(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}
