//! Convolutions, and what undoes them.

use anyhow::{Result, bail};

use super::Family;
use super::pad::cut;
use super::windows::{self, Padding};
use crate::model::op::{Binary, Move, SliceRange, Window, WindowAxis};
use crate::model::{NodeId, Op};
use crate::onnx::context::Context;
use crate::onnx::limits::count;
use crate::onnx::node::NodeView;
use crate::onnx::tensors;
use crate::tensor::DType;

pub(super) const READERS: &Family =
    &[("", "Conv", conv), ("", "ConvTranspose", conv_transpose), ("", "Unfold", unfold)];

fn conv(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let (x, weights) = (node.input(0)?, node.input(1)?);
    let y = convolved(node, context, x, weights)?;
    Ok(vec![biased(node, context, y)?])
}

/// The convolution that the attributes describe, without a bias.
///
/// # Errors
/// If shapes and attributes do not fit each other.
pub(super) fn convolved(
    node: &NodeView,
    context: &mut Context,
    x: NodeId,
    weights: NodeId,
) -> Result<NodeId> {
    let spatial = windows::spatial(context, x)?;
    let lengths = context.shape(weights).get(2..).unwrap_or_default().to_vec();
    if node.attributes.has("kernel_shape") && windows::kernel_shape(node)? != lengths {
        bail!("its 'kernel_shape' is not that of its weights {:?}", context.shape(weights));
    }
    let window = windows::window(node, &spatial, &lengths)?;
    context.push(node, Op::Conv { window, groups: groups(node)? }, &[x, weights])
}

fn groups(node: &NodeView) -> Result<usize> {
    match usize::try_from(node.attributes.int("group", 1)?) {
        Ok(groups) if groups > 0 => Ok(groups),
        _ => bail!("its 'group' is not a positive number"),
    }
}

/// With one number for each channel added, if there are any.
fn biased(node: &NodeView, context: &mut Context, y: NodeId) -> Result<NodeId> {
    let Some(bias) = node.optional(2) else { return Ok(y) };
    let mut shape = vec![1; context.shape(y).len()];
    shape[1] = context.shape(bias).iter().product(); // a convolution has channels
    let bias = context.reshape(node, &shape, bias)?;
    context.binary(node, Binary::Add, y, bias)
}

/// A convolution of the data with zeros put between its elements, by the mirrored window.
fn conv_transpose(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let (mut x, weights) = (node.input(0)?, node.input(1)?);
    let spatial = windows::spatial(context, x)?;
    let lengths = context.shape(weights).get(2..).unwrap_or_default().to_vec();
    let groups = groups(node)?;
    let strides = windows::for_each_axis(node, "strides", spatial.len())?;
    let dilations = windows::for_each_axis(node, "dilations", spatial.len())?;
    if lengths.len() != spatial.len() {
        bail!("its weights {:?} do not fit its input {:?}", context.shape(weights), context.shape(x));
    }
    let weights = mirrored(node, context, weights, groups)?;
    let mut axes = Vec::new();
    for (place, (&length, &dilation)) in lengths.iter().zip(&dilations).enumerate() {
        let mut axis = WindowAxis { length, stride: 1, dilation, before: 0, after: 0 };
        // There is a stride for each axis.
        let [before, after] =
            margins(node, spatial[place], strides[place], axis.span()?, place, spatial.len())?;
        x = spread(node, context, x, place + 2, strides[place])?;
        x = cut(node, context, x, place + 2, [before.min(0), after.min(0)])?;
        (axis.before, axis.after) = (usize::try_from(before.max(0))?, usize::try_from(after.max(0))?);
        axes.push(axis);
    }
    let y = context.push(node, Op::Conv { window: Window { axes }, groups }, &[x, weights])?;
    Ok(vec![biased(node, context, y)?])
}

/// How far the mirrored window reaches over both ends of the spread data; negative where ends are cut off.
fn margins(
    node: &NodeView,
    length: usize,
    stride: usize,
    span: usize,
    place: usize,
    axes: usize,
) -> Result<[i64; 2]> {
    let number = |name: &str| -> Result<Option<i64>> {
        match node.attributes.ints(name)? {
            None => Ok(None),
            // The whole shape may be given, or its spatial axes alone.
            Some(numbers) if numbers.len() >= axes => Ok(numbers.get(numbers.len() - axes + place).copied()),
            Some(numbers) => bail!("its '{name}' {numbers:?} do not fit {axes} axes"),
        }
    };
    let added = number("output_padding")?.unwrap_or(0);
    let (spread, span) =
        (i64::try_from(length.saturating_sub(1).saturating_mul(stride))?, i64::try_from(span)?);
    let whole = spread.saturating_add(span).saturating_add(added);
    let cut_to = |wanted: i64, more_at_end: bool| -> Result<[i64; 2]> {
        let [before, after] =
            windows::halves(usize::try_from(whole.saturating_sub(wanted).max(0))?, more_at_end);
        Ok([i64::try_from(before)?, i64::try_from(after)? - wanted.saturating_sub(whole).max(0)])
    };
    let [before, after] = match (number("output_shape")?, windows::padding(node, axes)?) {
        (Some(wanted), Padding::Same { more_at_end: true }) => cut_to(wanted, true)?,
        (Some(wanted), _) => cut_to(wanted, false)?,
        (None, Padding::Same { more_at_end }) => {
            cut_to(i64::try_from(length.saturating_mul(stride))?, more_at_end)?
        }
        // There is a pair for each axis.
        (None, Padding::Given(pads)) => [i64::try_from(pads[place][0])?, i64::try_from(pads[place][1])?],
    };
    let reach = |pad: i64| (span - 1).saturating_sub(pad);
    Ok([reach(before), reach(after).saturating_add(added)])
}

/// Weights of (channels, result channels of one group, window) as (result channels, channels of one group,
/// mirrored window).
fn mirrored(node: &NodeView, context: &mut Context, weights: NodeId, groups: usize) -> Result<NodeId> {
    let shape = context.shape(weights).to_vec();
    let [channels, results, lengths @ ..] = shape.as_slice() else {
        bail!("its weights have shape {shape:?}, expected channels and a window");
    };
    if channels % groups != 0 {
        bail!("{channels} channels do not make {groups} groups");
    }
    let members = channels / groups;
    let apart = context.reshape(node, &[&[groups, members, *results], lengths].concat(), weights)?;
    let axes = [0, 2, 1].into_iter().chain(3..3 + lengths.len()).collect();
    let turned = context.rearrange(node, Move::Transpose { axes }, apart)?;
    let turned = context.reshape(node, &[&[groups * results, members], lengths].concat(), turned)?;
    let whole = [groups * results, members].map(|count| SliceRange { start: 0, step: 1, count });
    let backwards =
        lengths.iter().map(|&count| SliceRange { start: count.saturating_sub(1), step: -1, count });
    let ranges = whole.into_iter().chain(backwards).collect();
    context.rearrange(node, Move::Slice { ranges }, turned)
}

/// The elements of an axis with zeros between them, `stride` places apart.
fn spread(node: &NodeView, context: &mut Context, x: NodeId, axis: usize, stride: usize) -> Result<NodeId> {
    if stride == 1 {
        return Ok(x);
    }
    let shape = context.shape(x).to_vec();
    let (outer, inner) = shape.split_at(axis + 1); // the axis exists
    let apart = context.reshape(node, &[outer, &[1], inner].concat(), x)?;
    let zeros = [outer, &[stride - 1], inner].concat();
    let zeros = tensors::array(context.dtype(x), &zeros, vec![0.0; count(&zeros)?])?;
    let zeros = context.constant(&node.name, zeros)?;
    let wide = context.push(node, Op::Concat { axis: axis + 1 }, &[apart, zeros])?;
    let mut merged = shape;
    merged[axis] *= stride;
    let wide = context.reshape(node, &merged, wide)?;
    cut(node, context, wide, axis, [0, 1 - i64::try_from(stride)?])
}

/// What the window covers, as columns: the elements of each channel and place of the window, one column a
/// position.
fn unfold(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let x = node.input(0)?;
    let shape = context.shape(x).to_vec();
    let spatial = windows::spatial(context, x)?;
    let window = windows::window(node, &spatial, &windows::kernel_shape(node)?)?;
    let elements: usize = window.lengths().iter().product();
    let places = window.places(&spatial)?;
    let positions = places.len() / elements.max(1);
    let outside = count(&spatial)?;
    let flat = context.reshape(node, &[shape[0], shape[1], outside], x)?; // `spatial` saw these axes
    let zero = tensors::array(context.dtype(x), &[shape[0], shape[1], 1], vec![0.0; shape[0] * shape[1]])?;
    let zero = context.constant(&node.name, zero)?;
    let padded = context.push(node, Op::Concat { axis: 2 }, &[flat, zero])?;
    let by_element = (0..elements).flat_map(|element| places.iter().skip(element).step_by(elements));
    let picks = by_element.map(|place| place.unwrap_or(outside) as f64).collect();
    let picks = tensors::array(DType::I64, &[elements, positions], picks)?;
    let picks = context.constant(&node.name, picks)?;
    let columns = context.push(node, Op::Gather { axis: 2 }, &[padded, picks])?;
    Ok(vec![context.reshape(node, &[shape[0], shape[1] * elements, positions], columns)?])
}

#[cfg(test)]
mod tests {
    use crate::onnx::trial::{Given, evaluate, floats, model, node, refusal, with};
    use tract_onnx::pb::{NodeProto, TensorProto};

    fn of(node: NodeProto, initializers: Vec<TensorProto>, shape: &[i64], row: &[f64]) -> Vec<f64> {
        let result = evaluate(&model(shape, vec![node], initializers), row).remove(0);
        result.as_numbers().unwrap().iter().copied().collect()
    }

    #[test]
    fn a_bias_is_added_to_every_channel() {
        let conv = node("", "Conv", &["x", "w", "b"], &["y"]);
        let weights = floats("w", &[2, 1, 2], &[1.0, 1.0, 1.0, -1.0]);
        let result = of(conv, vec![weights, floats("b", &[2], &[0.5, 10.0])], &[0, 1, 3], &[1.0, 2.0, 4.0]);
        assert_eq!(result, [3.5, 6.5, 9.0, 8.0]);
    }

    #[test]
    fn padding_may_keep_the_length() {
        let conv = |auto_pad| with(node("", "Conv", &["x", "w"], &["y"]), "auto_pad", Given::Text(auto_pad));
        let weights = || vec![floats("w", &[1, 1, 2], &[1.0, 1.0])];
        assert_eq!(of(conv("SAME_UPPER"), weights(), &[0, 1, 3], &[1.0, 2.0, 4.0]), [3.0, 6.0, 4.0]);
        assert_eq!(of(conv("SAME_LOWER"), weights(), &[0, 1, 3], &[1.0, 2.0, 4.0]), [1.0, 3.0, 6.0]);
        assert_eq!(of(conv("VALID"), weights(), &[0, 1, 3], &[1.0, 2.0, 4.0]), [3.0, 6.0]);
    }

    #[test]
    fn transposed_convolutions_spread_their_input() {
        let node = with(node("", "ConvTranspose", &["x", "w"], &["y"]), "strides", Given::Ints(&[2]));
        let weights = || vec![floats("w", &[1, 1, 3], &[1.0, 2.0, 3.0])];
        assert_eq!(of(node.clone(), weights(), &[0, 1, 2], &[1.0, 10.0]), [1.0, 2.0, 13.0, 20.0, 30.0]);
        let padded = with(node.clone(), "pads", Given::Ints(&[1, 3]));
        assert_eq!(of(padded, weights(), &[0, 1, 2], &[1.0, 10.0]), [2.0]);
        let shaped = with(node, "output_shape", Given::Ints(&[6]));
        assert_eq!(of(shaped, weights(), &[0, 1, 2], &[1.0, 10.0]), [1.0, 2.0, 13.0, 20.0, 30.0, 0.0]);
    }

    #[test]
    fn windows_unfold_to_columns() {
        let unfold = with(node("", "Unfold", &["x"], &["y"]), "kernel_shape", Given::Ints(&[2]));
        let unfold = with(unfold, "pads", Given::Ints(&[1, 0]));
        let result = of(unfold, vec![], &[0, 2, 2], &[1.0, 2.0, 3.0, 4.0]);
        assert_eq!(result, [0.0, 1.0, 1.0, 2.0, 0.0, 3.0, 3.0, 4.0]);
    }

    #[test]
    fn misfits_are_named() {
        let conv = node("", "Conv", &["x", "w"], &["y"]);
        let message = |conv: NodeProto, dims: &[i64]| {
            let count = dims.iter().product::<i64>() as usize;
            refusal(&model(&[0, 2, 5], vec![conv], vec![floats("w", dims, &vec![1.0; count])]))
        };
        assert!(
            message(conv.clone(), &[1, 3, 2]).contains("2 channels in 1 groups do not fit weights [1, 3, 2]")
        );
        assert!(message(conv.clone(), &[1, 2, 6]).contains("a window of 6 places does not fit an axis of 5"));
        let odd = with(conv.clone(), "pads", Given::Ints(&[1]));
        assert!(message(odd, &[1, 2, 2]).contains("do not fit 1 axes"));
        assert!(message(with(conv, "group", Given::Int(0)), &[1, 2, 2]).contains("'group'"));
    }
}
