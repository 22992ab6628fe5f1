//! The largest or smallest elements along an axis, in order.

use anyhow::{Result, bail};

use super::Family;
use crate::model::{NodeId, Op};
use crate::onnx::context::Context;
use crate::onnx::node::{NodeView, axis};

pub(super) const READERS: &Family = &[("", "TopK", top_k)];

fn top_k(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let x = node.input(0)?;
    let shape = context.shape(x).to_vec();
    let axis = axis(node.attributes.int("axis", -1)?, shape.len())?;
    let length = shape.get(axis).copied().unwrap_or(1);
    let count = match context.ints(node.input(1)?, "count")?[..] {
        [count] => usize::try_from(count)?,
        ref counts => bail!("its count is {counts:?}, expected one number"),
    };
    if count == 0 || count > length {
        bail!("it takes {count} elements of {length}");
    }
    let largest = node.attributes.flag("largest", true)?;
    let mut found = |values| context.push(node, Op::TopK { count, largest, axis, values }, &[x]);
    Ok(vec![found(true)?, found(false)?])
}

#[cfg(test)]
mod tests {
    use crate::onnx::trial::{Given, apply, ints, model, node, refusal, with};

    #[test]
    fn the_best_come_first_and_the_first_of_equals() {
        let top = node("", "TopK", &["x", "k"], &["values", "indices"]);
        let results = apply(top.clone(), vec![ints("k", &[3])], &[2.0, 7.0, 1.0, 7.0]);
        assert_eq!(results, [[7.0, 7.0, 2.0], [1.0, 3.0, 0.0]]);
        let bottom = with(top.clone(), "largest", Given::Int(0));
        assert_eq!(apply(bottom, vec![ints("k", &[1])], &[2.0, -7.0]), [[-7.0], [1.0]]);
        assert!(refusal(&model(&[0, 2], vec![top], vec![ints("k", &[3])])).contains("takes 3 elements of 2"));
    }
}
