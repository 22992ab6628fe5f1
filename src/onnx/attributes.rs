//! The attributes of a node, each of the type its reader asks for.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::{AttributeProto, GraphProto, NodeProto};

use super::problem::unsupported;
use super::tensors;
use crate::tensor::Tensor;

/// The attributes of one node by name; those a function passes on are already resolved.
#[derive(Clone, Default)]
pub(super) struct Attributes<'a> {
    entries: BTreeMap<&'a str, &'a AttributeProto>,
}

impl<'a> Attributes<'a> {
    /// The attributes of a node; `caller` are those of the function call it is part of.
    ///
    /// # Errors
    /// If a name comes twice.
    pub(super) fn new(node: &'a NodeProto, caller: &Attributes<'a>) -> Result<Self> {
        let mut entries = BTreeMap::new();
        for attribute in &node.attribute {
            let value = if attribute.ref_attr_name.is_empty() {
                Some(attribute)
            } else {
                caller.entries.get(attribute.ref_attr_name.as_str()).copied()
            };
            if let Some(value) = value
                && entries.insert(attribute.name.as_str(), value).is_some()
            {
                bail!("has attribute '{}' twice", attribute.name);
            }
        }
        Ok(Self { entries })
    }

    /// Whether the attribute is there.
    pub(super) fn has(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// An integer.
    ///
    /// # Errors
    /// If the attribute has another type.
    pub(super) fn int(&self, name: &str, default: i64) -> Result<i64> {
        Ok(self.entry(name, AttributeType::Int)?.map_or(default, |attribute| attribute.i))
    }

    /// An integer that is 0 or 1.
    ///
    /// # Errors
    /// If the attribute has another type.
    pub(super) fn flag(&self, name: &str, default: bool) -> Result<bool> {
        Ok(self.int(name, i64::from(default))? != 0)
    }

    /// A number.
    ///
    /// # Errors
    /// If the attribute has another type.
    pub(super) fn float(&self, name: &str, default: f64) -> Result<f64> {
        Ok(self.entry(name, AttributeType::Float)?.map_or(default, |attribute| f64::from(attribute.f)))
    }

    /// A text.
    ///
    /// # Errors
    /// If the attribute has another type, or is not UTF-8.
    pub(super) fn text(&self, name: &str, default: &str) -> Result<String> {
        let Some(attribute) = self.entry(name, AttributeType::String)? else { return Ok(default.to_owned()) };
        Ok(tensors::texts(std::slice::from_ref(&attribute.s))?.remove(0))
    }

    /// A list of integers.
    ///
    /// # Errors
    /// If the attribute has another type.
    pub(super) fn ints(&self, name: &str) -> Result<Option<&'a [i64]>> {
        Ok(self.entry(name, AttributeType::Ints)?.map(|attribute| attribute.ints.as_slice()))
    }

    /// A list of numbers.
    ///
    /// # Errors
    /// If the attribute has another type.
    pub(super) fn floats(&self, name: &str) -> Result<Option<Vec<f64>>> {
        let attribute = self.entry(name, AttributeType::Floats)?;
        Ok(attribute.map(|attribute| attribute.floats.iter().map(|&value| f64::from(value)).collect()))
    }

    /// A list of numbers to compute with.
    ///
    /// # Errors
    /// If the attribute has another type, or holds NaN or infinity.
    pub(super) fn weights(&self, name: &str) -> Result<Option<Vec<f64>>> {
        let values = self.floats(name)?;
        let bad = values.iter().flatten().enumerate().find(|(_, value)| !value.is_finite());
        if let Some((index, value)) = bad {
            bail!("attribute '{name}' holds {value} at [{index}]");
        }
        Ok(values)
    }

    /// A list of texts.
    ///
    /// # Errors
    /// If the attribute has another type, or one is not UTF-8.
    pub(super) fn texts(&self, name: &str) -> Result<Option<Vec<String>>> {
        let attribute = self.entry(name, AttributeType::Strings)?;
        attribute.map(|attribute| tensors::texts(&attribute.strings)).transpose()
    }

    /// A tensor, which must be inside the model file.
    ///
    /// # Errors
    /// If the attribute has another type, or cannot be read.
    pub(super) fn tensor(&self, name: &str) -> Result<Option<Tensor>> {
        let proto = self.entry(name, AttributeType::Tensor)?.and_then(|attribute| attribute.t.as_ref());
        proto.map(|proto| tensors::tensor(proto, None)).transpose()
    }

    /// A graph.
    ///
    /// # Errors
    /// If the attribute has another type.
    pub(super) fn graph(&self, name: &str) -> Result<Option<&'a GraphProto>> {
        Ok(self.entry(name, AttributeType::Graph)?.and_then(|attribute| attribute.g.as_ref()))
    }

    /// Refuses an attribute that would change what the operator means.
    ///
    /// # Errors
    /// If it is there.
    pub(super) fn refuse(&self, name: &str) -> Result<()> {
        if self.has(name) {
            return Err(unsupported(format!("attribute '{name}' is not supported")));
        }
        Ok(())
    }

    fn entry(&self, name: &str, expected: AttributeType) -> Result<Option<&'a AttributeProto>> {
        let Some(&attribute) = self.entries.get(name) else { return Ok(None) };
        let found = AttributeType::try_from(attribute.r#type).unwrap_or(AttributeType::Undefined);
        if found != expected {
            let [expected, found] = [expected, found].map(|kind| kind.as_str_name().to_lowercase());
            bail!("attribute '{name}' is expected to be of type {expected}, found {found}");
        }
        Ok(Some(attribute))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn int(name: &str, i: i64) -> AttributeProto {
        AttributeProto {
            name: name.into(),
            r#type: AttributeType::Int as i32,
            i,
            ..AttributeProto::default()
        }
    }

    #[test]
    fn types_are_checked_and_both_named() {
        let node = NodeProto { attribute: vec![int("axis", 1)], ..NodeProto::default() };
        let attributes = Attributes::new(&node, &Attributes::default()).unwrap();
        assert_eq!(attributes.int("axis", 0).unwrap(), 1);
        assert_eq!(attributes.int("other", 7).unwrap(), 7);
        let message = attributes.floats("axis").unwrap_err().to_string();
        assert!(message.contains("type floats, found int"), "{message}");
    }

    #[test]
    fn functions_pass_their_attributes_on() {
        let call = NodeProto { attribute: vec![int("k", 5)], ..NodeProto::default() };
        let caller = Attributes::new(&call, &Attributes::default()).unwrap();
        let passed = AttributeProto { ref_attr_name: "k".into(), ..int("axis", 0) };
        let absent = AttributeProto { ref_attr_name: "m".into(), ..int("mode", 0) };
        let inner = NodeProto { attribute: vec![passed, absent], ..NodeProto::default() };
        let attributes = Attributes::new(&inner, &caller).unwrap();
        assert_eq!(attributes.int("axis", 0).unwrap(), 5);
        assert!(!attributes.has("mode"));
    }

    #[test]
    fn weights_are_finite() {
        let floats = AttributeProto {
            name: "coefficients".into(),
            r#type: AttributeType::Floats as i32,
            floats: vec![1.0, f32::NAN],
            ..AttributeProto::default()
        };
        let node = NodeProto { attribute: vec![floats], ..NodeProto::default() };
        let attributes = Attributes::new(&node, &Attributes::default()).unwrap();
        assert!(attributes.floats("coefficients").is_ok());
        assert!(attributes.weights("coefficients").unwrap_err().to_string().contains("NaN at [1]"));
    }
}
