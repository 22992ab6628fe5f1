//! Operators that trade blocks of space for channels.

use anyhow::{Result, bail};

use super::Family;
use crate::model::NodeId;
use crate::model::op::Move;
use crate::onnx::context::Context;
use crate::onnx::node::NodeView;

pub(super) const READERS: &Family =
    &[("", "DepthToSpace", depth_to_space), ("", "SpaceToDepth", space_to_depth)];

/// Channels become blocks: the block is the outer part of the channel (DCR) or the inner one (CRD).
fn depth_to_space(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let Blocks { size, batch, channels, height, width } = Blocks::of(node, context)?;
    let depth = channels / (size * size);
    if depth * size * size != channels {
        bail!("{channels} channels do not make blocks of {size} by {size}");
    }
    let (apart, axes) = match block_is_outer(node)? {
        true => ([batch, size, size, depth, height, width], vec![0, 3, 4, 1, 5, 2]),
        false => ([batch, depth, size, size, height, width], vec![0, 1, 4, 2, 5, 3]),
    };
    regrouped(node, context, &apart, axes, &[batch, depth, height * size, width * size])
}

fn space_to_depth(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let Blocks { size, batch, channels, height, width } = Blocks::of(node, context)?;
    let (rows, columns) = (height / size, width / size);
    if rows * size != height || columns * size != width {
        bail!("{height} by {width} elements do not make blocks of {size} by {size}");
    }
    let axes = if block_is_outer(node)? { vec![0, 3, 5, 1, 2, 4] } else { vec![0, 1, 3, 5, 2, 4] };
    let apart = [batch, channels, rows, size, columns, size];
    regrouped(node, context, &apart, axes, &[batch, channels * size * size, rows, columns])
}

struct Blocks {
    size: usize,
    batch: usize,
    channels: usize,
    height: usize,
    width: usize,
}

impl Blocks {
    fn of(node: &NodeView, context: &Context) -> Result<Self> {
        let size = match usize::try_from(node.attributes.int("blocksize", 0)?) {
            Ok(size) if (1..1 << 16).contains(&size) => size,
            _ => bail!("its 'blocksize' is not a length"),
        };
        match *context.shape(node.input(0)?) {
            [batch, channels, height, width] => Ok(Self { size, batch, channels, height, width }),
            ref shape => bail!("its input has shape {shape:?}, expected batch, channels, height and width"),
        }
    }
}

fn block_is_outer(node: &NodeView) -> Result<bool> {
    match node.attributes.text("mode", "DCR")?.as_str() {
        "DCR" => Ok(true),
        "CRD" => Ok(false),
        other => bail!("its mode is '{other}', expected DCR or CRD"),
    }
}

fn regrouped(
    node: &NodeView,
    context: &mut Context,
    apart: &[usize],
    axes: Vec<usize>,
    shape: &[usize],
) -> Result<Vec<NodeId>> {
    let x = context.reshape(node, apart, node.input(0)?)?;
    let x = context.rearrange(node, Move::Transpose { axes }, x)?;
    Ok(vec![context.reshape(node, shape, x)?])
}
