//! Padding: a constant, or more of the tensor itself, at the ends of its axes.

use anyhow::{Result, bail};

use super::Family;
use crate::model::op::{Move, SliceRange};
use crate::model::{NodeId, Op};
use crate::onnx::context::Context;
use crate::onnx::limits::count;
use crate::onnx::node::{NodeView, axes};
use crate::onnx::problem::unsupported;
use crate::onnx::tensors;
use crate::tensor::{DType, Tensor};

pub(super) const READERS: &Family = &[("", "Pad", pad)];

/// What lies beyond the ends of an axis.
#[derive(Clone, Copy)]
enum Beyond {
    Constant(f64),
    /// The elements mirrored at the last one.
    Reflect,
    /// The last element.
    Edge,
    /// The elements again.
    Wrap,
}

/// Pads are an attribute before opset 11, an input since; negative ones cut elements off.
fn pad(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let beyond = match node.attributes.text("mode", "constant")?.as_str() {
        "constant" => Beyond::Constant(value(node, context)?),
        "reflect" => Beyond::Reflect,
        "edge" => Beyond::Edge,
        "wrap" => Beyond::Wrap,
        other => return Err(unsupported(format!("mode '{other}' is not supported"))),
    };
    let mut x = node.input(0)?;
    let rank = context.shape(x).len();
    let pads = match node.attributes.ints("pads")? {
        Some(pads) => pads.to_vec(),
        None => context.ints(node.input(1)?, "pads")?,
    };
    let found = match node.optional(3) {
        Some(id) => axes(&context.ints(id, "axes")?, rank)?,
        None => (0..rank).collect(),
    };
    if pads.len() != 2 * found.len() {
        bail!("its pads {pads:?} do not fit {} axes", found.len());
    }
    let (before, after) = pads.split_at(found.len());
    for ((&axis, &before), &after) in found.iter().zip(before).zip(after) {
        x = padded(node, context, x, axis, [before, after], beyond)?;
    }
    Ok(vec![x])
}

fn value(node: &NodeView, context: &Context) -> Result<f64> {
    let Some(id) = node.optional(2) else { return node.attributes.float("value", 0.0) };
    let value = context.as_constant(id).map(Tensor::as_numbers).transpose()?;
    match value.and_then(|numbers| numbers.first().copied()) {
        Some(value) => Ok(value),
        None => Err(unsupported("its value depends on the data")),
    }
}

fn padded(
    node: &NodeView,
    context: &mut Context,
    x: NodeId,
    axis: usize,
    pads: [i64; 2],
    beyond: Beyond,
) -> Result<NodeId> {
    let Beyond::Constant(value) = beyond else { return continued(node, context, x, axis, pads, beyond) };
    let x = cut(node, context, x, axis, pads.map(|pad| pad.min(0)))?;
    let [before, after] = pads.map(|pad| usize::try_from(pad.max(0)));
    let parts = [
        filling(node, context, x, axis, before?, value)?,
        Some(x),
        filling(node, context, x, axis, after?, value)?,
    ];
    let parts: Vec<NodeId> = parts.into_iter().flatten().collect();
    if parts.len() == 1 {
        return Ok(x);
    }
    context.push(node, Op::Concat { axis }, &parts)
}

/// Without so many elements at both ends of an axis, given as negative numbers.
///
/// # Errors
/// If there are not so many.
pub(super) fn cut(
    node: &NodeView,
    context: &mut Context,
    x: NodeId,
    axis: usize,
    margins: [i64; 2],
) -> Result<NodeId> {
    if margins == [0, 0] {
        return Ok(x);
    }
    let [before, after] = margins.map(i64::unsigned_abs);
    let mut ranges: Vec<SliceRange> =
        context.shape(x).iter().map(|&count| SliceRange { start: 0, step: 1, count }).collect();
    let range = &mut ranges[axis]; // the axis exists
    match range.count.checked_sub(usize::try_from(before.saturating_add(after))?) {
        Some(count) => (range.start, range.count) = (usize::try_from(before)?, count),
        None => bail!("it cuts {before} and {after} elements off an axis of length {}", range.count),
    }
    context.rearrange(node, Move::Slice { ranges }, x)
}

/// A tensor as `like` but with this length along an axis; none if that is 0.
fn filling(
    node: &NodeView,
    context: &mut Context,
    like: NodeId,
    axis: usize,
    length: usize,
    value: f64,
) -> Result<Option<NodeId>> {
    if length == 0 {
        return Ok(None);
    }
    let mut shape = context.shape(like).to_vec();
    shape[axis] = length; // the axis exists
    let filling = tensors::array(context.dtype(like), &shape, vec![value; count(&shape)?])?;
    context.constant(&node.name, filling).map(Some)
}

/// Beyond its ends an axis goes on with elements of its own.
fn continued(
    node: &NodeView,
    context: &mut Context,
    x: NodeId,
    axis: usize,
    [before, after]: [i64; 2],
    beyond: Beyond,
) -> Result<NodeId> {
    if before == 0 && after == 0 {
        return Ok(x);
    }
    let length = i64::try_from(context.shape(x)[axis])?; // the axis exists
    if length == 0 {
        bail!("an axis without elements cannot be continued");
    }
    let (start, end) = (before.saturating_neg(), length.saturating_add(after));
    count(&[usize::try_from(end.saturating_sub(start).max(0))?])?;
    let picks = (start..end).map(|place| beyond.place(place, length) as f64).collect();
    let picks = context.vector(node, DType::I64, picks)?;
    context.push(node, Op::Gather { axis }, &[x, picks])
}

impl Beyond {
    /// The place of the element that stands at `place`, on an axis that has elements.
    fn place(self, place: i64, length: i64) -> i64 {
        let last = length - 1;
        match self {
            Self::Reflect if last == 0 => 0,
            Self::Reflect => last - (last - place.rem_euclid(2 * last)).abs(),
            Self::Wrap => place.rem_euclid(length),
            Self::Edge | Self::Constant(_) => place.clamp(0, last),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::onnx::trial::{Given, apply, ints, node, with};

    fn of(mode: &str, pads: [i64; 2]) -> Vec<f64> {
        let pad = with(node("", "Pad", &["x", "pads"], &["y"]), "mode", Given::Text(mode));
        apply(pad, vec![ints("pads", &[0, pads[0], 0, pads[1]])], &[1.0, 2.0, 3.0]).remove(0)
    }

    #[test]
    fn every_mode_continues_in_its_way() {
        assert_eq!(of("constant", [1, 2]), [0.0, 1.0, 2.0, 3.0, 0.0, 0.0]);
        assert_eq!(of("reflect", [3, 1]), [2.0, 3.0, 2.0, 1.0, 2.0, 3.0, 2.0]);
        assert_eq!(of("edge", [1, 2]), [1.0, 1.0, 2.0, 3.0, 3.0, 3.0]);
        assert_eq!(of("wrap", [1, 2]), [3.0, 1.0, 2.0, 3.0, 1.0, 2.0]);
    }

    #[test]
    fn negative_pads_cut_off() {
        assert_eq!(of("constant", [-1, 1]), [2.0, 3.0, 0.0]);
        assert_eq!(of("edge", [1, -2]), [1.0, 1.0]);
    }
}
