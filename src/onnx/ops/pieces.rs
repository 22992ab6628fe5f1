//! Operators that take tensors apart and put them together.

use anyhow::{Context as _, Result, bail};

use super::Family;
use crate::model::op::{Binary, Move, Reduction, SliceRange};
use crate::model::{NodeId, Op};
use crate::onnx::context::Context;
use crate::onnx::limits::count;
use crate::onnx::node::{NodeView, axes, axis};
use crate::onnx::problem::unsupported;
use crate::onnx::tensors;
use crate::tensor::DType;

pub(super) const READERS: &Family = &[
    ("", "Concat", concat),
    ("", "Split", split),
    ("", "Slice", slice),
    ("", "Gather", gather),
    ("", "GatherElements", gather_elements),
    ("", "SequenceConstruct", sequence_construct),
];

fn concat(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let inputs = node.all_inputs()?;
    let rank = context.shape(node.input(0)?).len();
    let axis = axis(node.attributes.int("axis", 1)?, rank)?;
    Ok(vec![context.push(node, Op::Concat { axis }, &inputs)?])
}

/// Lengths are an attribute before opset 13, an input since; without them the parts are equal.
fn split(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let x = node.input(0)?;
    let shape = context.shape(x).to_vec();
    let axis = axis(node.attributes.int("axis", 0)?, shape.len())?;
    let total = shape.get(axis).copied().unwrap_or(1);
    let given = match (node.attributes.ints("split")?, node.optional(1)) {
        (Some(lengths), _) => Some(lengths.to_vec()),
        (None, Some(id)) => Some(context.ints(id, "lengths")?),
        (None, None) => None,
    };
    let lengths = match given {
        Some(lengths) => lengths.into_iter().map(usize::try_from).collect::<Result<Vec<usize>, _>>()?,
        None => equal_parts(total, node.outputs)?,
    };
    if lengths.iter().try_fold(0_usize, |sum, &length| sum.checked_add(length)) != Some(total) {
        bail!("its parts {lengths:?} do not add up to {total}, the length of axis {axis}");
    }
    let mut start = 0;
    let mut parts = Vec::with_capacity(lengths.len());
    for count in lengths {
        let mut ranges = whole(&shape);
        ranges[axis] = SliceRange { start, step: 1, count }; // one range for each axis
        parts.push(context.rearrange(node, Move::Slice { ranges }, x)?);
        start += count;
    }
    Ok(parts)
}

/// All parts are equal but the last, which may be shorter.
fn equal_parts(total: usize, parts: usize) -> Result<Vec<usize>> {
    let length = total.div_ceil(parts.max(1));
    let lengths: Vec<usize> =
        (0..parts).map(|part| length.min(total.saturating_sub(part * length))).collect();
    if lengths.contains(&0) && total > 0 {
        bail!("cannot split length {total} into {parts} parts");
    }
    Ok(lengths)
}

/// Bounds are attributes before opset 10, inputs since.
fn slice(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let x = node.input(0)?;
    let part = |index: usize, name: &str| match (node.attributes.ints(name)?, node.optional(index)) {
        (Some(numbers), _) => Ok(Some(numbers.to_vec())),
        (None, Some(id)) => context.ints(id, name).map(Some),
        (None, None) => Ok(None),
    };
    let starts = part(1, "starts")?.context("its starts are missing")?;
    let ends = part(2, "ends")?.context("its ends are missing")?;
    let numbers = part(3, "axes")?.unwrap_or_else(|| (0..).take(starts.len()).collect());
    let steps = part(4, "steps")?.unwrap_or_else(|| vec![1; starts.len()]);
    if [ends.len(), numbers.len(), steps.len()] != [starts.len(); 3] {
        bail!("its starts {starts:?}, ends {ends:?}, axes {numbers:?} and steps {steps:?} differ in length");
    }
    let shape = context.shape(x);
    let mut ranges = whole(shape);
    let found = axes(&numbers, shape.len())?;
    for (((&axis, &start), &end), &step) in found.iter().zip(&starts).zip(&ends).zip(&steps) {
        let length = shape.get(axis).copied().unwrap_or(1);
        ranges[axis] = range(start, end, step, length)?; // the axis exists
    }
    Ok(vec![context.rearrange(node, Move::Slice { ranges }, x)?])
}

fn whole(shape: &[usize]) -> Vec<SliceRange> {
    shape.iter().map(|&count| SliceRange { start: 0, step: 1, count }).collect()
}

/// Bounds count from the end if negative and are clamped to the axis.
fn range(start: i64, end: i64, step: i64, length: usize) -> Result<SliceRange> {
    let length = i64::try_from(length)?;
    let (low, high) = if step < 0 { (-1, length - 1) } else { (0, length) };
    let bound = |at: i64, low: i64| if at < 0 { at.saturating_add(length).max(low) } else { at.min(high) };
    // The first element exists; the end of a backward slice may lie before it.
    let (start, end) = (bound(start, 0), bound(end, low));
    let distance = match step {
        0 => bail!("its step is 0"),
        step if step > 0 => end - start,
        _ => start - end,
    };
    let count = usize::try_from(distance.max(0))?.div_ceil(usize::try_from(step.unsigned_abs())?);
    let step = isize::try_from(step)?;
    Ok(SliceRange { start: if count == 0 { 0 } else { usize::try_from(start)? }, step, count })
}

fn gather(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let (data, indices) = (node.input(0)?, node.input(1)?);
    let axis = axis(node.attributes.int("axis", 0)?, context.shape(data).len())?;
    if let Some(labels) = context.as_constant(data).filter(|labels| labels.shape().len() == 1) {
        let names = tensors::labels(labels);
        context.name_picked(indices, names);
    }
    Ok(vec![context.push(node, Op::Gather { axis }, &[data, indices])?])
}

/// With constant indices this is a gather from the flat data.
fn gather_elements(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let data = node.input(0)?;
    let shape = context.shape(data).to_vec();
    let axis = axis(node.attributes.int("axis", 0)?, shape.len())?;
    let id = node.input(1)?;
    let places = context.shape(id).to_vec();
    if places.len() != shape.len() {
        bail!("its indices have shape {places:?}, the data {shape:?}");
    }
    if context.as_constant(id).is_none() {
        return gather_computed(node, context, data, id, axis);
    }
    let picks = context.ints(id, "indices")?;
    let mut flat = Vec::with_capacity(picks.len());
    for (place, &pick) in picks.iter().enumerate() {
        flat.push(flat_index(&shape, &places, place, axis, pick)? as f64);
    }
    let indices = context.constant(&node.name, tensors::array(DType::I64, &places, flat)?)?;
    let data = context.reshape(node, &[count(&shape)?], data)?;
    Ok(vec![context.push(node, Op::Gather { axis: 0 }, &[data, indices])?])
}

/// With indices that are computed: each result is the sum of all elements along the axis, of which those at other
/// places count as 0.
fn gather_computed(
    node: &NodeView,
    context: &mut Context,
    data: NodeId,
    indices: NodeId,
    axis: usize,
) -> Result<Vec<NodeId>> {
    let (shape, mut places) = (context.shape(data).to_vec(), context.shape(indices).to_vec());
    let differ = shape.iter().zip(&places).enumerate().any(|(at, (a, b))| at != axis && a != b);
    if differ {
        return Err(unsupported(format!(
            "computed indices of shape {places:?} into data of shape {shape:?}"
        )));
    }
    let (before, rest) = shape.split_at(axis);
    let Some((&length, after)) = rest.split_first() else { bail!("a single number has no axis") };
    let dtype = context.dtype(indices);
    let zero = context.scalar(node, 0.0, indices)?;
    let end = context.scalar(node, length as f64, indices)?;
    let from_end = context.binary(node, Binary::Add, indices, end)?;
    let is_negative = context.binary(node, Binary::Less, indices, zero)?;
    let indices = context.push(node, Op::Where, &[is_negative, from_end, indices])?;
    places.insert(axis + 1, 1);
    let indices = context.reshape(node, &places, indices)?;
    let along = [&[length][..], &vec![1; after.len()]].concat();
    let all = tensors::array(dtype, &along, (0..length).map(|place| place as f64).collect())?;
    let all = context.constant(&node.name, all)?;
    let is_picked = context.binary(node, Binary::Equal, indices, all)?;
    let data = context.reshape(node, &[before, &[1, length], after].concat(), data)?;
    let nothing = context.scalar(node, 0.0, data)?;
    let picked = context.push(node, Op::Where, &[is_picked, data, nothing])?;
    let sum = Op::Reduce { reduction: Reduction::Sum, axes: vec![axis + 1], keep_dims: false };
    Ok(vec![context.push(node, sum, &[picked])?])
}

/// The place in the data of the element at `place` of the indices, moved to `pick` along `axis`.
fn flat_index(shape: &[usize], places: &[usize], mut place: usize, axis: usize, pick: i64) -> Result<usize> {
    let (mut flat, mut stride) = (0, 1);
    for (index, (&length, &count)) in shape.iter().zip(places).enumerate().rev() {
        let own = place % count.max(1);
        place /= count.max(1);
        let at = if index == axis { position(pick, length)? } else { own };
        if at >= length {
            bail!("its indices have shape {places:?}, the data {shape:?}");
        }
        flat += at * stride;
        stride *= length;
    }
    Ok(flat)
}

/// A sequence of tensors of one shape is one tensor with an axis after the batch axis.
fn sequence_construct(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let shape = context.shape(node.input(0)?).to_vec();
    let (batch, row) = shape.split_at(shape.len().min(1));
    let slot = [batch, &[1], row].concat();
    let mut parts = Vec::new();
    for input in node.all_inputs()? {
        if context.shape(input) != shape {
            return Err(unsupported("a sequence of tensors of different shapes is not supported"));
        }
        parts.push(context.reshape(node, &slot, input)?);
    }
    Ok(vec![context.push(node, Op::Concat { axis: batch.len() }, &parts)?])
}

/// An index counted from the start.
fn position(pick: i64, length: usize) -> Result<usize> {
    let signed = i64::try_from(length)?;
    match usize::try_from(if pick < 0 { pick.saturating_add(signed) } else { pick }) {
        Ok(place) if place < length => Ok(place),
        _ => bail!("index {pick} is outside an axis of length {length}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::trial::{Given, evaluate, ints, model, node, with};

    fn parts(start: i64, end: i64, step: i64, length: usize) -> (usize, isize, usize) {
        let range = range(start, end, step, length).unwrap();
        (range.start, range.step, range.count)
    }

    #[test]
    fn computed_indices_pick_elements_of_their_own_row() {
        let top = node("", "TopK", &["x", "k"], &["values", "indices"]);
        let pick = with(node("", "GatherElements", &["x", "indices"], &["y"]), "axis", Given::Int(1));
        let twice = model(&[0, 3], vec![top, pick], vec![ints("k", &[2])]);
        let results = evaluate(&twice, &[5.0, -1.0, 8.0]);
        assert_eq!(results[0].as_numbers().unwrap().as_slice().unwrap(), [8.0, 5.0]);
    }

    #[test]
    fn slices_follow_numpy() {
        assert_eq!(parts(1, i64::MAX, 1, 5), (1, 1, 4));
        assert_eq!(parts(-2, 5, 1, 5), (3, 1, 2));
        assert_eq!(parts(-1, i64::MIN, -1, 5), (4, -1, 5));
        assert_eq!(parts(4, 0, -2, 5), (4, -2, 2));
        assert_eq!(parts(0, 5, 2, 5), (0, 2, 3));
        assert_eq!(parts(3, 1, 1, 5).2, 0);
        assert_eq!(parts(9, 10, 1, 5).2, 0);
        assert_eq!(parts(0, 5, i64::MIN, 5).2, 0);
        assert!(range(0, 5, 0, 5).is_err());
    }

    #[test]
    fn parts_are_equal_but_the_last() {
        assert_eq!(equal_parts(7, 3).unwrap(), [3, 3, 1]);
        assert!(equal_parts(2, 3).is_err());
    }
}
