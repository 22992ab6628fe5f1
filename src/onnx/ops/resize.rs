//! Resizing: axes stretched or shrunk to new lengths.

use anyhow::{Context as _, Result, bail};

use super::Family;
use super::linear::along_axis;
use crate::model::{NodeId, Op};
use crate::onnx::context::Context;
use crate::onnx::limits::count;
use crate::onnx::node::{NodeView, axes};
use crate::onnx::problem::unsupported;
use crate::onnx::tensors;
use crate::tensor::{DType, Tensor};

pub(super) const READERS: &Family = &[("", "Resize", resize), ("", "Upsample", resize)];

/// How an axis changes.
#[derive(Clone, Copy)]
struct Change {
    from: usize,
    to: usize,
    scale: f64,
}

/// Each axis takes, for every new place, the nearest of its elements or a mean of those around it.
fn resize(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let mut x = node.input(0)?;
    if node.attributes.flag("antialias", false)? {
        return Err(unsupported("'antialias' is not supported"));
    }
    let mode = node.attributes.text("mode", "nearest")?;
    for (axis, change) in changes(node, context)? {
        if change.from == change.to && change.scale == 1.0 {
            continue;
        }
        let mut shape = context.shape(x).to_vec();
        shape[axis] = change.to; // the axis exists
        count(&shape)?;
        let places = (0..change.to).map(|place| original(node, change, place));
        let places = places.collect::<Result<Vec<f64>>>()?;
        x = match mode.as_str() {
            "nearest" => {
                let nearest = places.iter().map(|&place| nearest(node, place, change.from));
                let nearest = context.vector(node, DType::I64, nearest.collect::<Result<Vec<f64>>>()?)?;
                context.push(node, Op::Gather { axis }, &[x, nearest])?
            }
            "linear" | "bilinear" => weighted(node, context, x, axis, change.from, &places, linear)?,
            "cubic" => {
                let curve = node.attributes.float("cubic_coeff_a", -0.75)?;
                weighted(node, context, x, axis, change.from, &places, |distance| cubic(curve, distance))?
            }
            other => return Err(unsupported(format!("mode '{other}' is not supported"))),
        };
    }
    Ok(vec![x])
}

/// What becomes of which axes. Scales are an attribute or the second input in old opsets, the third input
/// since 11; sizes are the fourth.
fn changes(node: &NodeView, context: &Context) -> Result<Vec<(usize, Change)>> {
    let shape = context.shape(node.input(0)?);
    let scale_input = if node.op == "Upsample" || node.opset < 11 { 1 } else { 2 };
    let scales = match node.attributes.floats("scales")? {
        Some(scales) => Some(scales),
        None => numbers(node, context, scale_input)?,
    };
    let sizes = if scale_input == 2 { numbers(node, context, 3)? } else { None };
    let axes = match node.attributes.ints("axes")? {
        Some(numbers) => axes(numbers, shape.len())?,
        None => (0..shape.len()).collect(),
    };
    let given = sizes.as_ref().or(scales.as_ref()).context("it has neither scales nor sizes")?;
    if given.len() != axes.len() {
        bail!("its scales or sizes {given:?} do not fit {} axes", axes.len());
    }
    // The axes exist.
    let lengths = axes.iter().map(|&axis| shape[axis]);
    let mut changes: Vec<Change> = match &sizes {
        Some(sizes) => lengths.zip(sizes).map(|(from, &size)| Change::to_size(from, size)).collect(),
        None => lengths.zip(given).map(|(from, &scale)| Change::by(from, scale)).collect(),
    };
    if sizes.is_some() {
        keep_aspect_ratio(node, &mut changes)?;
    }
    if let Some(change) = changes.iter().find(|change| !(change.scale > 0.0 && change.from > 0)) {
        bail!("it scales an axis of length {} by {}", change.from, change.scale);
    }
    Ok(axes.into_iter().zip(changes).collect())
}

impl Change {
    fn to_size(from: usize, size: f64) -> Self {
        Self { from, to: size.max(0.0) as usize, scale: size / from as f64 }
    }

    fn by(from: usize, scale: f64) -> Self {
        Self { from, to: (from as f64 * scale).max(0.0) as usize, scale }
    }
}

/// The numbers of an input that must be constant; none if it is left out or empty.
fn numbers(node: &NodeView, context: &Context, input: usize) -> Result<Option<Vec<f64>>> {
    let Some(id) = node.optional(input) else { return Ok(None) };
    let Some(value) = context.as_constant(id).map(Tensor::as_numbers).transpose()? else {
        return Err(unsupported("its scales or sizes depend on the data"));
    };
    Ok((!value.is_empty()).then(|| value.iter().copied().collect()))
}

/// Sizes may be bounds: then all axes are scaled alike.
fn keep_aspect_ratio(node: &NodeView, changes: &mut [Change]) -> Result<()> {
    let scales = changes.iter().map(|change| change.scale);
    let scale = match node.attributes.text("keep_aspect_ratio_policy", "stretch")?.as_str() {
        "stretch" => return Ok(()),
        "not_larger" => scales.fold(f64::INFINITY, f64::min),
        "not_smaller" => scales.fold(0.0, f64::max),
        other => bail!("its 'keep_aspect_ratio_policy' is '{other}'"),
    };
    for change in changes {
        *change = Change { to: (change.from as f64 * scale).round() as usize, scale, ..*change };
    }
    Ok(())
}

/// The place in the axis as it was that a new place comes from.
fn original(node: &NodeView, change: Change, place: usize) -> Result<f64> {
    let Change { from, to, scale } = change;
    let place = place as f64;
    let half_pixel = (place + 0.5) / scale - 0.5;
    let old = node.op == "Upsample" || node.opset < 11;
    let mode = node
        .attributes
        .text("coordinate_transformation_mode", if old { "asymmetric" } else { "half_pixel" })?;
    Ok(match mode.as_str() {
        "half_pixel" => half_pixel,
        "pytorch_half_pixel" if to > 1 => half_pixel,
        "pytorch_half_pixel" => 0.0,
        "half_pixel_symmetric" => {
            let adjustment = to as f64 / (scale * from as f64);
            from as f64 / 2.0 * (1.0 - adjustment) + half_pixel
        }
        "align_corners" if to > 1 => place * (from as f64 - 1.0) / (to as f64 - 1.0),
        "align_corners" => 0.0,
        "asymmetric" => place / scale,
        other => return Err(unsupported(format!("'{other}' coordinates are not supported"))),
    })
}

/// The element nearest to a place.
fn nearest(node: &NodeView, place: f64, length: usize) -> Result<f64> {
    let default = if node.op == "Upsample" || node.opset < 11 { "floor" } else { "round_prefer_floor" };
    let nearest = match node.attributes.text("nearest_mode", default)?.as_str() {
        "round_prefer_floor" => (place - 0.5).ceil(),
        "round_prefer_ceil" => (place + 0.5).floor(),
        "floor" => place.floor(),
        "ceil" => place.ceil(),
        other => bail!("its 'nearest_mode' is '{other}'"),
    };
    Ok(nearest.clamp(0.0, length as f64 - 1.0))
}

/// Every new element as a mean of those around its place, weighted by their distance.
fn weighted(
    node: &NodeView,
    context: &mut Context,
    x: NodeId,
    axis: usize,
    length: usize,
    places: &[f64],
    weight: impl Fn(f64) -> f64,
) -> Result<NodeId> {
    let exclude_outside = node.attributes.flag("exclude_outside", false)?;
    let last = length as f64 - 1.0;
    let mut matrix = vec![0.0; count(&[length, places.len()])?];
    for (column, place) in places.iter().enumerate() {
        let around = (-REACH..=REACH).map(|step| place.floor() + step as f64);
        let around = around.filter(|&row| !exclude_outside || (0.0..=last).contains(&row));
        let around: Vec<(f64, f64)> = around.map(|row| (row, weight((row - place).abs()))).collect();
        let sum: f64 = around.iter().map(|(_, weight)| weight).sum();
        for (row, weight) in around {
            // Beyond its ends the axis goes on with its last elements.
            matrix[row.clamp(0.0, last) as usize * places.len() + column] += weight / sum;
        }
    }
    let matrix = tensors::array(context.dtype(x), &[length, places.len()], matrix)?;
    along_axis(node, context, x, axis, matrix)
}

/// Elements further from a place than this have no weight.
const REACH: i32 = 2;

fn linear(distance: f64) -> f64 {
    (1.0 - distance).max(0.0)
}

/// Keys' cubic convolution.
fn cubic(curve: f64, distance: f64) -> f64 {
    if distance <= 1.0 {
        ((curve + 2.0) * distance - (curve + 3.0)) * distance * distance + 1.0
    } else if distance < 2.0 {
        ((curve * distance - 5.0 * curve) * distance + 8.0 * curve) * distance - 4.0 * curve
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use crate::onnx::trial::{Given, apply, assert_near, floats, node, with};

    #[test]
    fn the_nearest_element_or_a_mean_of_two() {
        let resize = || node("", "Resize", &["x", "", "scales"], &["y"]);
        let scales = || vec![floats("scales", &[2], &[1.0, 2.0])];
        assert_eq!(apply(resize(), scales(), &[1.0, 2.0])[0], [1.0, 1.0, 2.0, 2.0]);
        let linear = with(resize(), "mode", Given::Text("linear"));
        assert_near(&apply(linear, scales(), &[1.0, 2.0])[0], &[1.0, 1.25, 1.75, 2.0]);
    }
}
