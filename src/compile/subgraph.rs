//! The client's two halves of a model as models of their own.

use std::collections::HashMap;

use anyhow::{Context, Result};

use super::split::{Part, Split};
use crate::model::op::Move;
use crate::model::{Builder, Model, NodeId, Op};
use crate::tensor::Field;

/// From the model's inputs to the values that are encrypted.
pub fn prologue(model: &Model, split: &Split) -> Result<Model> {
    prologue_then(model, split, |_, ids| Ok(ids))
}

/// The same with more operators at the end: what `finish` makes of the values is given instead of them.
pub fn prologue_then(
    model: &Model,
    split: &Split,
    finish: impl FnOnce(&mut Builder, Vec<NodeId>) -> Result<Vec<NodeId>>,
) -> Result<Model> {
    let mut copy = Copy::new(model);
    for field in model.inputs() {
        copy.builder.input(field.clone());
    }
    let inputs = model.nodes().iter().enumerate().filter_map(|(index, node)| match node.op {
        Op::Input(input) => Some((NodeId(index), NodeId(input))),
        _ => None,
    });
    copy.moved = inputs.collect();
    copy.nodes(split, Part::Prologue)?;
    let places = split.encrypted().iter().map(|id| copy.place(*id)).collect::<Result<Vec<_>>>()?;
    let names = split.encrypted().iter().map(|id| model.node(*id).name.as_str());
    let finished = finish(&mut copy.builder, places)?;
    for (place, name) in finished.into_iter().zip(names.chain(std::iter::repeat("of the row"))) {
        copy.builder.output(name, place, None);
    }
    copy.builder.finish()
}

/// From the values that are decrypted to the model's outputs.
pub fn epilogue(model: &Model, split: &Split) -> Result<Model> {
    epilogue_after(model, split, |builder| {
        let inputs = split.decrypted().iter().map(|id| {
            let node = model.node(*id);
            let shape = vec![node.shape.iter().product()];
            builder.input(Field { name: node.name.clone(), dtype: node.dtype, shape, columns: None })
        });
        Ok(inputs.collect())
    })
}

/// The same with more operators at the beginning: `begin` makes the values that are decrypted, of any shape, from
/// other inputs.
pub fn epilogue_after(
    model: &Model,
    split: &Split,
    begin: impl FnOnce(&mut Builder) -> Result<Vec<NodeId>>,
) -> Result<Model> {
    let mut copy = Copy::new(model);
    let begun = begin(&mut copy.builder)?;
    for (id, flat) in split.decrypted().iter().zip(begun) {
        let node = model.node(*id);
        let shaped = Op::Move(Move::Reshape { shape: node.shape.clone() });
        let shaped = copy.builder.push(&node.name, shaped, &[flat])?;
        copy.moved.insert(*id, shaped);
    }
    copy.nodes(split, Part::Epilogue)?;
    for output in model.outputs() {
        let place = copy.place(output.node)?;
        copy.builder.output(&output.field.name, place, output.field.columns.clone());
    }
    copy.builder.finish()
}

struct Copy<'a> {
    model: &'a Model,
    builder: Builder,
    moved: HashMap<NodeId, NodeId>,
}

impl<'a> Copy<'a> {
    fn new(model: &'a Model) -> Self {
        Self { model, builder: Builder::new(), moved: HashMap::new() }
    }

    /// Copies the nodes of one part that are not there yet.
    fn nodes(&mut self, split: &Split, part: Part) -> Result<()> {
        for (index, node) in self.model.nodes().iter().enumerate() {
            let id = NodeId(index);
            if split.part(id) != part || self.moved.contains_key(&id) {
                continue;
            }
            let inputs = node.inputs.iter().map(|id| self.place(*id)).collect::<Result<Vec<_>>>()?;
            let copy = self.builder.push(&node.name, node.op.clone(), &inputs)?;
            self.moved.insert(id, copy);
        }
        Ok(())
    }

    /// Where a node went; a constant is copied when it is first asked for.
    fn place(&mut self, id: NodeId) -> Result<NodeId> {
        if let Some(place) = self.moved.get(&id) {
            return Ok(*place);
        }
        let node = self.model.node(id);
        let Op::Constant(value) = &node.op else {
            return Err(anyhow::anyhow!("it belongs to another part"))
                .with_context(|| format!("cannot place node '{}'", node.name));
        };
        let place = self.builder.constant(&node.name, value.clone());
        self.moved.insert(id, place);
        Ok(place)
    }
}
