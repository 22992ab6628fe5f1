//! What the names in a graph or in a function stand for.

use std::collections::{BTreeSet, HashMap};

use anyhow::{Result, bail};
use tract_onnx::pb::{NodeProto, OperatorSetIdProto};

use super::attributes::Attributes;
use super::ops;
use super::problem::unsupported;
use crate::model::NodeId;

/// What a name stands for.
#[derive(Clone)]
pub(super) enum Value {
    /// A result.
    Known(NodeId),
    /// What could not be read; the reason is already noted.
    Failed,
    /// A result that the reader of this node does not give.
    NotGiven(String),
}

/// The names one can see in a graph or a function.
pub(super) struct Scope<'a> {
    pub(super) values: HashMap<&'a str, Value>,
    /// All names that nodes will give, to tell wrong order from wrong names.
    pub(super) written: BTreeSet<&'a str>,
    pub(super) opsets: HashMap<&'a str, i64>,
    pub(super) attributes: Attributes<'a>,
    /// The calls around this function, for messages.
    pub(super) prefix: String,
    pub(super) depth: usize,
}

impl<'a> Scope<'a> {
    /// An empty scope over these nodes.
    pub(super) fn new(opsets: &'a [OperatorSetIdProto], nodes: &'a [NodeProto]) -> Self {
        let mut versions: HashMap<&str, i64> = HashMap::new();
        for set in opsets {
            let version = versions.entry(ops::domain(&set.domain)).or_insert(set.version);
            *version = set.version.max(*version);
        }
        Self {
            values: HashMap::new(),
            written: nodes.iter().flat_map(|node| node.output.iter().map(String::as_str)).collect(),
            opsets: versions,
            attributes: Attributes::default(),
            prefix: String::new(),
            depth: 0,
        }
    }

    /// The same for nodes that are walked in the place of a node of another scope; messages call that `name`.
    pub(super) fn within(mut self, outer: &Scope<'a>, name: &str) -> Self {
        for (&domain, &version) in &outer.opsets {
            self.opsets.entry(domain).or_insert(version);
        }
        self.prefix = format!("{name}/");
        self.depth = outer.depth + 1;
        self
    }

    /// Gives a name its meaning.
    ///
    /// # Errors
    /// If it has one already.
    pub(super) fn define(&mut self, name: &'a str, value: Value) -> Result<()> {
        if self.values.insert(name, value).is_some() {
            bail!("the name '{name}' is given twice");
        }
        Ok(())
    }

    /// The inputs of a node; none if one of them failed.
    ///
    /// # Errors
    /// If a name has no meaning here.
    pub(super) fn inputs(&self, node: &'a NodeProto) -> Result<Option<Vec<Option<NodeId>>>> {
        let mut found = Vec::with_capacity(node.input.len());
        for name in node.input.iter().map(String::as_str) {
            found.push(match self.values.get(name) {
                _ if name.is_empty() => None,
                Some(Value::Known(id)) => Some(*id),
                Some(Value::Failed) => return Ok(None),
                Some(Value::NotGiven(node)) => {
                    return Err(unsupported(format!(
                        "reads '{name}', a result of node '{node}' that is not supported"
                    )));
                }
                None if self.written.contains(name) => {
                    bail!("reads '{name}' before it is computed: the nodes are out of order, or in a cycle")
                }
                None => bail!("reads '{name}', which is neither an input nor computed by any node"),
            });
        }
        Ok(Some(found))
    }
}
