//! The windows of convolutions and pools, from the attributes they share.

use anyhow::{Context as _, Result, bail};

use crate::model::NodeId;
use crate::model::op::{Window, WindowAxis};
use crate::onnx::context::Context;
use crate::onnx::node::NodeView;
use crate::onnx::problem::unsupported;

/// How a window is padded.
pub(super) enum Padding {
    /// So far before and after every axis.
    Given(Vec<[usize; 2]>),
    /// So far that the positions are as many as the elements over the stride, rounded up; where that is
    /// odd, one more place comes at the end, or else at the beginning.
    Same { more_at_end: bool },
}

/// The lengths of the axes after batch and channels.
///
/// # Errors
/// If there are none.
pub(super) fn spatial(context: &Context, x: NodeId) -> Result<Vec<usize>> {
    match context.shape(x) {
        [_, _, spatial @ ..] if !spatial.is_empty() => Ok(spatial.to_vec()),
        shape => bail!("its input has shape {shape:?}, expected batch, channels and more"),
    }
}

/// The window of a node whose window has these lengths.
///
/// # Errors
/// If its attributes do not fit, or the window does not fit the tensor.
pub(super) fn window(node: &NodeView, spatial: &[usize], lengths: &[usize]) -> Result<Window> {
    let strides = for_each_axis(node, "strides", spatial.len())?;
    let dilations = for_each_axis(node, "dilations", spatial.len())?;
    if lengths.len() != spatial.len() {
        bail!("its window has lengths {lengths:?}, its input {spatial:?}");
    }
    let mut axes: Vec<WindowAxis> = lengths
        .iter()
        .zip(strides.iter().zip(&dilations))
        .map(|(&length, (&stride, &dilation))| WindowAxis { length, stride, dilation, before: 0, after: 0 })
        .collect();
    let padding = padding(node, spatial.len())?;
    for (place, (axis, &length)) in axes.iter_mut().zip(spatial).enumerate() {
        let span = axis.span()?;
        [axis.before, axis.after] = match &padding {
            // `padding` gives a pair for each axis.
            Padding::Given(pads) => pads[place],
            Padding::Same { more_at_end } => same(length, axis.stride, span, *more_at_end),
        };
    }
    let window = Window { axes };
    window.positions(spatial)?;
    Ok(window)
}

/// The lengths that `kernel_shape` gives.
///
/// # Errors
/// If it is missing, or one is not a length.
pub(super) fn kernel_shape(node: &NodeView) -> Result<Vec<usize>> {
    lengths(node.attributes.ints("kernel_shape")?.context("its 'kernel_shape' is missing")?, "kernel_shape")
}

/// Numbers for every spatial axis; 1 where the attribute is not there.
///
/// # Errors
/// If they do not fit the number of axes, or one is not positive.
pub(super) fn for_each_axis(node: &NodeView, name: &str, count: usize) -> Result<Vec<usize>> {
    let Some(numbers) = node.attributes.ints(name)? else { return Ok(vec![1; count]) };
    if numbers.len() != count || numbers.contains(&0) {
        bail!("its '{name}' {numbers:?} do not fit {count} axes");
    }
    lengths(numbers, name)
}

/// How the node is padded.
///
/// # Errors
/// If the attributes contradict each other, or a number is negative.
pub(super) fn padding(node: &NodeView, axes: usize) -> Result<Padding> {
    match node.attributes.text("auto_pad", "NOTSET")?.as_str() {
        "NOTSET" | "" => {}
        "VALID" => return Ok(Padding::Given(vec![[0, 0]; axes])),
        "SAME_UPPER" => return Ok(Padding::Same { more_at_end: true }),
        "SAME_LOWER" => return Ok(Padding::Same { more_at_end: false }),
        other => bail!("its 'auto_pad' is '{other}'"),
    }
    let Some(pads) = node.attributes.ints("pads")? else { return Ok(Padding::Given(vec![[0, 0]; axes])) };
    if pads.iter().any(|&pad| pad < 0) {
        return Err(unsupported("negative padding is not supported\nhint: use Slice"));
    }
    let pads = lengths(pads, "pads")?;
    if pads.len() != 2 * axes {
        bail!("its 'pads' {pads:?} do not fit {axes} axes");
    }
    let (before, after) = pads.split_at(axes);
    Ok(Padding::Given(before.iter().zip(after).map(|(&before, &after)| [before, after]).collect()))
}

/// What lies before and after an axis so that there are `length / stride` positions, rounded up.
fn same(length: usize, stride: usize, span: usize, more_at_end: bool) -> [usize; 2] {
    let positions = length.div_ceil(stride);
    let needed = (positions.saturating_sub(1) * stride).saturating_add(span);
    halves(needed.saturating_sub(length), more_at_end)
}

/// A number in two halves that differ by at most 1.
pub(super) fn halves(total: usize, more_at_end: bool) -> [usize; 2] {
    let (less, more) = (total / 2, total - total / 2);
    if more_at_end { [less, more] } else { [more, less] }
}

fn lengths(numbers: &[i64], name: &str) -> Result<Vec<usize>> {
    match numbers.iter().map(|&number| usize::try_from(number)).collect() {
        Ok(lengths) => Ok(lengths),
        Err(_) => bail!("its '{name}' {numbers:?} has a negative number"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_padding_has_one_more_at_the_end_or_the_beginning() {
        assert_eq!(same(5, 1, 3, true), [1, 1]);
        assert_eq!(same(5, 2, 2, true), [0, 1]);
        assert_eq!(same(5, 2, 2, false), [1, 0]);
        assert_eq!(same(6, 3, 2, true), [0, 0]);
    }
}
