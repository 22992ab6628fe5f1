//! Finds the search for nearest neighbours in a model, and what the model makes of them.

use anyhow::{Context, Result, bail};
use ndarray::{Array2, ArrayD, IxDyn};

use crate::compile::split::{Part, Split, Unsupported, crossings};
use crate::model::op::{Binary, Reduction, Unary};
use crate::model::{Model, Node, NodeId, Op};
use crate::tensor::{DType, Tensor};

/// Lists of neighbours that votes are tried on.
const TRIES: usize = 64;

/// A search for nearest neighbours.
pub struct Search {
    /// Where everything runs: the search and the votes are the core.
    pub split: Split,
    /// The number of neighbours.
    pub count: usize,
    /// The points, a row each.
    pub points: Array2<f64>,
    /// What is made of the neighbours.
    pub votes: Vec<Vote>,
}

/// Sums, or means, over the neighbours of a value that each has.
pub struct Vote {
    /// 1 for sums, 1 / k for means.
    pub factor: f64,
    /// The values of each point.
    pub values: Array2<f64>,
}

/// The nodes of a search.
struct Nodes {
    /// The squared distances.
    squares: NodeId,
    /// The places of the nearest.
    nearest: NodeId,
    count: usize,
    /// For each element that the places count, its point.
    order: Vec<usize>,
    points: Array2<f64>,
}

/// Whether a model looks for the best of anything that it makes of a row and several constant points.
pub fn is_search(model: &Model) -> bool {
    let mut compares = vec![false; model.nodes().len()];
    for (index, node) in model.nodes().iter().enumerate() {
        // Inputs come before a node.
        let is_subtraction = matches!(node.op, Op::Binary(Binary::Sub));
        compares[index] =
            node.inputs.iter().any(|id| compares[id.0]) || (is_subtraction && repeats(model, node));
        if compares[index] && matches!(node.op, Op::TopK { .. }) {
            return true;
        }
    }
    false
}

/// Whether the result is larger than what depends on the row: it is computed with several constants.
fn repeats(model: &Model, node: &Node) -> bool {
    let length = |shape: &[usize]| shape.iter().product::<usize>();
    let own = node.inputs.iter().map(|id| model.node(*id)).filter(|node| !matches!(node.op, Op::Constant(_)));
    own.map(|node| length(&node.shape)).max().is_some_and(|longest| longest < length(&node.shape))
}

impl Search {
    /// Finds the search.
    ///
    /// # Errors
    /// [`Unsupported`] if the model makes anything of the neighbours that is no sum over them.
    pub fn find(model: &Model) -> Result<Self> {
        let nodes = nodes(model)
            .ok_or_else(|| unsupported("the distances that the model compares are not Euclidean"))?;
        let follows = followers(model, nodes.nearest);
        let votes: Vec<NodeId> = vote_nodes(model, &follows);
        let parts = parts(model, &nodes, &follows, &votes);
        refuse_others(model, &nodes, &parts, &votes)?;
        let split = crossings(model, parts);
        if split.encrypted().len() != 1 || split.decrypted() != votes {
            return Err(unsupported("the model reads the row besides looking for its neighbours").into());
        }
        let vote = |node: &NodeId| Vote::of(model, &nodes, &follows, *node);
        let votes = votes.iter().map(vote).collect::<Result<_>>()?;
        Ok(Self { split, count: nodes.count, points: nodes.points, votes })
    }
}

/// The first search of a model.
fn nodes(model: &Model) -> Option<Nodes> {
    let places = (0..model.nodes().len()).map(NodeId);
    places.filter(|id| matches!(model.node(*id).op, Op::TopK { values: false, .. })).find_map(|nearest| {
        let Op::TopK { count, largest, axis, .. } = model.node(nearest).op else { return None };
        let (mut id, mut falls, mut moves) = (*model.node(nearest).inputs.first()?, false, Vec::new());
        let axes = loop {
            let node = model.node(id);
            match &node.op {
                Op::Move(rule) => moves.push(rule),
                Op::Cast(dtype) if dtype.is_float() => {}
                Op::Unary(Unary::Sqrt) => {}
                Op::Unary(Unary::Neg) => falls = !falls,
                Op::Reduce { reduction: Reduction::SumSquare, axes, .. } => break axes,
                _ => return None,
            }
            id = *node.inputs.first()?;
        };
        let points = points(model, *model.node(id).inputs.first()?, axes)?;
        let numbers = ArrayD::from_shape_fn(IxDyn(&[points.nrows()]), |place| place[0] as f64);
        let mut order = Tensor::f64s(numbers).reshape(&model.node(id).shape).ok()?;
        for rule in moves.iter().rev() {
            order = order.rearrange(*rule).ok()?;
        }
        let is_whole = order.len() == points.nrows() && order.shape().get(axis) == Some(&order.len());
        let order = order.as_numbers().ok()?.iter().map(|point| *point as usize).collect();
        // The nearest are the smallest distances.
        (largest == falls && is_whole).then_some(Nodes { squares: id, nearest, count, order, points })
    })
}

/// The constant points that a row is subtracted from, or that are subtracted from it; features lie along `axes`.
fn points(model: &Model, difference: NodeId, axes: &[usize]) -> Option<Array2<f64>> {
    let node = model.node(difference);
    let (Op::Binary(Binary::Sub), [axis]) = (&node.op, axes) else { return None };
    let constants = node.inputs.iter().filter_map(|id| match &model.node(*id).op {
        Op::Constant(value) => value.as_numbers().ok(),
        _ => None,
    });
    let [values] = constants.collect::<Vec<_>>()[..] else { return None };
    let features = *node.shape.get(*axis)?;
    let is_last = *axis + 1 == node.shape.len() && values.shape().last() == Some(&features);
    let count = values.len().checked_div(features)?;
    let row = node.inputs.iter().find(|id| !matches!(model.node(**id).op, Op::Constant(_)))?;
    let one_row = model.node(*row).shape.iter().product::<usize>() == features;
    if !is_last || !one_row || node.shape.iter().product::<usize>() != values.len() {
        return None;
    }
    Array2::from_shape_vec((count, features), values.iter().copied().collect()).ok()
}

/// The nodes that depend on the places of the nearest and on nothing else.
fn followers(model: &Model, nearest: NodeId) -> Vec<bool> {
    let mut follows = vec![false; model.nodes().len()];
    follows[nearest.0] = true; // a node of the model
    for (index, node) in model.nodes().iter().enumerate() {
        let own = |id: &NodeId| follows[id.0] || matches!(model.node(*id).op, Op::Constant(_));
        if !node.inputs.is_empty()
            && node.inputs.iter().all(own)
            && node.inputs.iter().any(|id| follows[id.0])
        {
            follows[index] = true;
        }
    }
    follows
}

/// The first sums and means on every way from the places.
fn vote_nodes(model: &Model, follows: &[bool]) -> Vec<NodeId> {
    let mut is_after = vec![false; model.nodes().len()];
    let mut votes = Vec::new();
    for (index, node) in model.nodes().iter().enumerate() {
        is_after[index] = node.inputs.iter().any(|id| is_after[id.0]);
        let adds = matches!(node.op, Op::Reduce { reduction: Reduction::Sum | Reduction::Mean, .. });
        if follows[index] && adds && !is_after[index] {
            votes.push(NodeId(index));
            is_after[index] = true;
        }
    }
    votes
}

fn parts(model: &Model, nodes: &Nodes, follows: &[bool], votes: &[NodeId]) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::with_capacity(model.nodes().len());
    // From the difference on everything depends on points.
    let first = model.node(nodes.squares).inputs.first().copied();
    for (index, node) in model.nodes().iter().enumerate() {
        let is = |part: Part| node.inputs.iter().any(|id| parts[id.0] == part);
        parts.push(match node.op {
            Op::Constant(_) => Part::Constant,
            _ if is(Part::Epilogue) || node.inputs.iter().any(|id| votes.contains(id)) => Part::Epilogue,
            _ if Some(NodeId(index)) == first || follows[index] || is(Part::Core) => Part::Core,
            _ => Part::Prologue,
        });
    }
    parts
}

/// Refuses models that read distances, or single neighbours.
fn refuse_others(model: &Model, nodes: &Nodes, parts: &[Part], votes: &[NodeId]) -> Result<(), Unsupported> {
    let distances = |node: &&Node| matches!(node.op, Op::TopK { values: true, .. });
    let core =
        || model.nodes().iter().zip(parts).filter(|(_, part)| **part == Part::Core).map(|(node, _)| node);
    if let Some(node) = core().find(distances) {
        return Err(unsupported(&format!(
            "the model weighs neighbours by distances, which node '{}' gives, and those cannot be evaluated \
             encrypted",
            node.name
        )));
    }
    let outputs = model.outputs().iter().map(|output| output.node);
    let epilogue = model.nodes().iter().zip(parts).filter(|(_, part)| **part == Part::Epilogue);
    let mut read = epilogue.flat_map(|(node, _)| node.inputs.iter().copied()).chain(outputs);
    match read.find(|id| parts[id.0] == Part::Core && !votes.contains(id)) {
        None if !votes.is_empty() => Ok(()),
        found => {
            let node = model.node(found.unwrap_or(nodes.nearest));
            Err(unsupported(&format!(
                "node '{}' ({}) gives single neighbours: only sums and means over all of them can be evaluated \
                 encrypted",
                node.name, node.op
            )))
        }
    }
}

fn unsupported(reason: &str) -> Unsupported {
    Unsupported {
        reason: format!(
            "{reason}\nhint: compile with --reveal-distances if whoever decrypts may learn the distances to all points"
        ),
    }
}

impl Vote {
    /// Evaluates the model's own nodes for a list of equal neighbours: what one point adds.
    fn of(model: &Model, nodes: &Nodes, follows: &[bool], node: NodeId) -> Result<Self> {
        let is_mean = matches!(model.node(node).op, Op::Reduce { reduction: Reduction::Mean, .. });
        let (k, count) = (nodes.count as f64, nodes.points.nrows());
        let elements: usize = model.node(node).shape.iter().product();
        let mut values = Array2::zeros((count, elements));
        for (place, point) in nodes.order.iter().enumerate() {
            let found = evaluated(model, nodes, follows, node, &vec![place; nodes.count])?;
            let one = |value: f64| if is_mean { value } else { value / k };
            values.row_mut(*point).iter_mut().zip(found).for_each(|(own, value)| *own = one(value));
        }
        let factor = if is_mean { 1.0 / k } else { 1.0 };
        for attempt in 1..=TRIES {
            let places: Vec<usize> =
                (0..nodes.count).map(|j| (attempt * (7919 + 104_729 * j)) % count).collect();
            let found = evaluated(model, nodes, follows, node, &places)?;
            for (element, found) in found.into_iter().enumerate() {
                // Places are those of the order, which holds points.
                let sum: f64 = places.iter().map(|place| values[[nodes.order[*place], element]]).sum();
                if (found - factor * sum).abs() > 1e-5 * (1.0 + found.abs()) {
                    let reason = format!("'{}' is no sum over the neighbours", model.node(node).name);
                    return Err(unsupported(&reason).into());
                }
            }
        }
        Ok(Self { factor, values })
    }
}

/// The value of a node if these are the places of the nearest.
fn evaluated(
    model: &Model,
    nodes: &Nodes,
    follows: &[bool],
    node: NodeId,
    places: &[usize],
) -> Result<Vec<f64>> {
    let mut values: Vec<Option<Tensor>> = vec![None; node.0 + 1];
    let list = places.iter().map(|place| *place as f64).collect();
    let list = ArrayD::from_shape_vec(IxDyn(&model.node(nodes.nearest).shape), list)?;
    values[nodes.nearest.0] = Some(Tensor::numbers(DType::I64, list)?);
    for index in nodes.nearest.0 + 1..=node.0 {
        let own = model.node(NodeId(index));
        if !follows[index] {
            continue;
        }
        let input = |id: &NodeId| match (&model.node(*id).op, &values[id.0]) {
            (Op::Constant(value), _) | (_, Some(value)) => Ok(value),
            (_, None) => bail!("'{}' has no value", model.node(*id).name),
        };
        let inputs = own.inputs.iter().map(input).collect::<Result<Vec<_>>>()?;
        values[index] = Some(own.op.evaluate(&inputs)?);
    }
    let value = values.pop().flatten().context("a vote has no value")?;
    Ok(value.as_numbers()?.iter().copied().collect())
}
