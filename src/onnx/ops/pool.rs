//! Pools: one value for each position of a window, or for each channel.

use anyhow::{Result, bail};

use super::Family;
use super::windows::{self, Padding};
use crate::model::op::{Binary, Reduction, Unary, Window};
use crate::model::{NodeId, Op};
use crate::onnx::context::Context;
use crate::onnx::limits::count;
use crate::onnx::node::NodeView;
use crate::onnx::tensors;

pub(super) const READERS: &Family = &[
    ("", "MaxPool", pool),
    ("", "AveragePool", average_pool),
    ("", "LpPool", lp_pool),
    ("", "GlobalMaxPool", global_pool),
    ("", "GlobalAveragePool", global_pool),
    ("", "GlobalLpPool", global_lp_pool),
];

fn pool(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let x = node.input(0)?;
    Ok(vec![over_window(node, context, x, Reduction::Max)?])
}

fn over_window(node: &NodeView, context: &mut Context, x: NodeId, reduction: Reduction) -> Result<NodeId> {
    let (window, _) = pool_window(node, &windows::spatial(context, x)?)?;
    context.push(node, Op::Pool { window, reduction }, &[x])
}

fn over_all(node: &NodeView, context: &mut Context, x: NodeId, reduction: Reduction) -> Result<NodeId> {
    let axes = (2..2 + windows::spatial(context, x)?.len()).collect();
    context.push(node, Op::Reduce { reduction, axes, keep_dims: true }, &[x])
}

fn lp_pool(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    norm(node, context, over_window)
}

fn global_lp_pool(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    norm(node, context, over_all)
}

/// The root of the sum of powers of magnitudes.
fn norm(
    node: &NodeView,
    context: &mut Context,
    reduce: fn(&NodeView, &mut Context, NodeId, Reduction) -> Result<NodeId>,
) -> Result<Vec<NodeId>> {
    let x = node.input(0)?;
    match node.attributes.int("p", 2)? {
        1 => return Ok(vec![reduce(node, context, x, Reduction::L1)?]),
        2 => return Ok(vec![reduce(node, context, x, Reduction::L2)?]),
        _ => {}
    }
    let p = node.attributes.int("p", 2)? as f64;
    let (power, root) = (context.scalar(node, p, x)?, context.scalar(node, p.recip(), x)?);
    let magnitudes = context.unary(node, Unary::Abs, x)?;
    let powers = context.binary(node, Binary::Pow, magnitudes, power)?;
    let sum = reduce(node, context, powers, Reduction::Sum)?;
    Ok(vec![context.binary(node, Binary::Pow, sum, root)?])
}

/// The mean over the window; padding counts as zeros where it is asked for.
fn average_pool(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let x = node.input(0)?;
    let spatial = windows::spatial(context, x)?;
    let (window, pads) = pool_window(node, &spatial)?;
    let is_padded = window.axes.iter().any(|axis| axis.before > 0 || axis.after > 0);
    if !is_padded || !node.attributes.flag("count_include_pad", false)? {
        return Ok(vec![context.push(node, Op::Pool { window, reduction: Reduction::Mean }, &[x])?]);
    }
    let counts = counts(node, context, &window, &spatial, &pads, x)?;
    let sums = context.push(node, Op::Pool { window, reduction: Reduction::Sum }, &[x])?;
    Ok(vec![context.binary(node, Binary::Div, sums, counts)?])
}

/// How many places of the data and its padding the window covers in every position: one number if it is
/// always the same. What a rounded up number of positions adds beyond the padding does not count.
fn counts(
    node: &NodeView,
    context: &mut Context,
    window: &Window,
    spatial: &[usize],
    pads: &[[usize; 2]],
    like: NodeId,
) -> Result<NodeId> {
    let mut over_padding = window.clone();
    let mut shape = vec![1, 1];
    for ((axis, &length), &[before, after]) in over_padding.axes.iter_mut().zip(spatial).zip(pads) {
        shape.push(length + before + after);
        (axis.before, axis.after) = (0, axis.after.saturating_sub(after));
    }
    let ones = tensors::array(context.dtype(like), &shape, vec![1.0; count(&shape)?])?;
    let ones = context.constant(&node.name, ones)?;
    let counts = context.push(node, Op::Pool { window: over_padding, reduction: Reduction::Sum }, &[ones])?;
    let Some(numbers) = context.as_constant(counts).map(|counts| counts.as_numbers().cloned()).transpose()?
    else {
        bail!("the sizes of its windows are not constant");
    };
    match numbers.first() {
        Some(&first) if numbers.iter().all(|&number| number == first) => context.scalar(node, first, like),
        _ => Ok(counts),
    }
}

/// The window and its padding; where the number of positions is rounded up, the window reaches further than
/// the padding, but never begins after the data.
fn pool_window(node: &NodeView, spatial: &[usize]) -> Result<(Window, Vec<[usize; 2]>)> {
    let mut window = windows::window(node, spatial, &windows::kernel_shape(node)?)?;
    let pads: Vec<[usize; 2]> = window.axes.iter().map(|axis| [axis.before, axis.after]).collect();
    let is_given = matches!(windows::padding(node, spatial.len())?, Padding::Given(_));
    if node.attributes.flag("ceil_mode", false)? && is_given {
        for (axis, &length) in window.axes.iter_mut().zip(spatial) {
            let (span, padded) = (axis.span()?, length + axis.before + axis.after);
            let start = (padded - span).div_ceil(axis.stride) * axis.stride; // the window fits
            if start < length + axis.before {
                axis.after = axis.after.max((start + span).saturating_sub(length + axis.before));
            }
        }
    }
    Ok((window, pads))
}

fn global_pool(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let reduction = if node.op == "GlobalMaxPool" { Reduction::Max } else { Reduction::Mean };
    let x = node.input(0)?;
    Ok(vec![over_all(node, context, x, reduction)?])
}

#[cfg(test)]
mod tests {
    use crate::onnx::trial::{Given, evaluate, model, node, with};
    use tract_onnx::pb::NodeProto;

    fn pool(op: &str, attributes: &[(&str, i64)], pads: &[i64]) -> NodeProto {
        let pool = with(node("", op, &["x"], &["y"]), "kernel_shape", Given::Ints(&[2]));
        let pool = with(with(pool, "strides", Given::Ints(&[2])), "pads", Given::Ints(pads));
        attributes.iter().fold(pool, |pool, (name, value)| with(pool, name, Given::Int(*value)))
    }

    fn of(pool: NodeProto, row: &[f64]) -> Vec<f64> {
        let proto = model(&[0, 1, row.len() as i64], vec![pool], vec![]);
        evaluate(&proto, row)[0].as_numbers().unwrap().iter().copied().collect()
    }

    #[test]
    fn positions_may_be_rounded_up() {
        let row = [-1.0, -2.0, -3.0];
        assert_eq!(of(pool("MaxPool", &[], &[0, 0]), &row), [-1.0]);
        assert_eq!(of(pool("MaxPool", &[("ceil_mode", 1)], &[0, 0]), &row), [-1.0, -3.0]);
        assert_eq!(of(pool("AveragePool", &[("ceil_mode", 1)], &[0, 0]), &row), [-1.5, -3.0]);
        // A window that would begin after the data is left out.
        let row = [-1.0, -2.0, -3.0, -4.0];
        assert_eq!(of(pool("MaxPool", &[("ceil_mode", 1)], &[0, 1]), &row), [-1.0, -3.0]);
    }

    #[test]
    fn padding_counts_where_it_is_asked_for() {
        let row = [2.0, 4.0, 6.0];
        assert_eq!(of(pool("AveragePool", &[], &[1, 0]), &row), [2.0, 5.0]);
        assert_eq!(of(pool("AveragePool", &[("count_include_pad", 1)], &[1, 0]), &row), [1.0, 5.0]);
        let both = [("count_include_pad", 1), ("ceil_mode", 1)];
        assert_eq!(of(pool("AveragePool", &both, &[0, 0]), &row), [3.0, 6.0]);
    }

    #[test]
    fn global_pools_keep_their_axes() {
        let proto = model(&[0, 2, 2, 1], vec![node("", "GlobalAveragePool", &["x"], &["y"])], vec![]);
        let result = evaluate(&proto, &[1.0, 3.0, 5.0, 9.0]).remove(0);
        assert_eq!(
            (result.shape(), result.as_numbers().unwrap()[[0, 1, 0, 0]]),
            ([1, 2, 1, 1].as_slice(), 7.0)
        );
    }
}
