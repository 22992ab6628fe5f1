//! Cuts a model with trees: the core is the trees alone, before it is prologue and after it epilogue.

use anyhow::Result;

use crate::compile::split::{Part, Split, Unsupported, crossings, holds_weights};
use crate::model::{Model, Node, Op};

/// Finds the cut.
///
/// # Errors
/// [`Unsupported`] if trees depend on trees, or something else that was learned would run in the clear.
pub fn split(model: &Model) -> Result<Split> {
    let mut parts: Vec<Part> = Vec::with_capacity(model.nodes().len());
    for node in model.nodes() {
        let follows = node.inputs.iter().find(|id| matches!(parts[id.0], Part::Core | Part::Epilogue));
        parts.push(match (&node.op, follows) {
            (Op::Trees(_), Some(source)) => return Err(trees_on_trees(node, model.node(*source)).into()),
            (Op::Trees(_), None) => Part::Core,
            (Op::Constant(_), _) => Part::Constant,
            (_, Some(_)) => Part::Epilogue,
            (_, None) => Part::Prologue,
        });
    }
    refuse_other_weights(model, &parts)?;
    let split = crossings(model, parts);
    refuse_bypass(model, &split)?;
    Ok(split)
}

fn trees_on_trees(node: &Node, source: &Node) -> Unsupported {
    refusal(format!(
        "the trees of node '{}' ({}) depend on the result of trees, by way of '{}' ({})\nhint: models whose trees \
         all read the row can be compiled",
        node.name, node.op, source.name, source.op
    ))
}

fn refuse_other_weights(model: &Model, parts: &[Part]) -> Result<(), Unsupported> {
    let is_clear = |(node, part): &(&Node, &Part)| **part != Part::Core && holds_weights(model, node);
    match model.nodes().iter().zip(parts).find(is_clear) {
        None => Ok(()),
        Some((node, part)) => {
            let side = if *part == Part::Epilogue { "after" } else { "before" };
            Err(refusal(format!(
                "the weights of node '{}' ({}) come {side} the trees and would not be encrypted\nhint: models \
                 whose trees hold all that was learned can be compiled",
                node.name, node.op
            )))
        }
    }
}

/// Only scores are decrypted: nothing passes the core by.
fn refuse_bypass(model: &Model, split: &Split) -> Result<(), Unsupported> {
    match split.decrypted().iter().find(|id| split.part(**id) != Part::Core) {
        None => Ok(()),
        Some(id) => Err(refusal(format!(
            "'{}' ({}) is needed before the trees and after them\nhint: models whose outputs depend on scores of \
             trees alone can be compiled",
            model.node(*id).name,
            model.node(*id).op
        ))),
    }
}

fn refusal(reason: String) -> Unsupported {
    Unsupported { reason }
}
