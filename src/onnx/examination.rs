//! What `check` tells of a model.

use serde::Serialize;

use super::problem::Problem;

/// A model file looked through from end to end.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Examination {
    /// The program that wrote the file, with its version.
    pub producer: String,
    /// The operator sets it uses: domain and version.
    pub opsets: Vec<(String, i64)>,
    /// Its inputs as declared, without initializers.
    pub inputs: Vec<Port>,
    /// Its outputs as declared.
    pub outputs: Vec<Port>,
    /// Its nodes, those of functions in the place of their calls.
    pub nodes: Vec<NodeReport>,
    /// All problems, those of nodes included; none if the model can be read.
    pub problems: Vec<Problem>,
}

/// An input or output as the file declares it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// Its element type, or what it is instead of a tensor.
    pub dtype: String,
    /// The length of every axis, its name where it is dynamic, `?` where it is unknown; none if
    /// the file gives no shape.
    pub shape: Option<Vec<String>>,
}

/// One node and whether it can be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NodeReport {
    /// Its name, or that of its first result.
    pub name: String,
    /// Its operator.
    pub op: String,
    /// The operator's domain; empty for the operators of ONNX itself.
    pub domain: String,
    /// What is in the way; a node that only waits for an unreadable one has no problem.
    pub problem: Option<Problem>,
}

impl Examination {
    /// Whether the model can be read.
    pub fn is_supported(&self) -> bool {
        self.problems.is_empty()
    }
}
