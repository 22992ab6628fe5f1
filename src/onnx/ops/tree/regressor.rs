//! TreeEnsembleRegressor.

use std::collections::BTreeSet;

use anyhow::{Result, bail};

use super::listed::Listed;
use super::numbers::Numbers;
use super::{precision, refuse_probit, scores, single};
use crate::model::NodeId;
use crate::model::op::Aggregate;
use crate::onnx::context::Context;
use crate::onnx::node::NodeView;
use crate::onnx::ops::post_transform::PostTransform;
use crate::onnx::problem::unsupported;

/// A score a target.
pub(super) fn read(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let transform = PostTransform::of(node)?;
    refuse_probit(transform)?;
    let listed = Listed::read(node, "target")?;
    let given = Numbers::listed(&node.attributes, "base_values")?;
    let dtype = precision(node, context, listed.is_double || given.is_double)?;
    let targets = node.attributes.int("n_targets", 1)?;
    let base = base(&listed, given.values, targets)?;
    let parts = listed.into_parts(dtype, aggregate(node)?, base);
    let scores = scores(node, context, parts)?;
    let scores = single(node, context, scores)?;
    Ok(vec![match targets {
        1 => transform.apply_to_one(node, context, scores)?,
        _ => transform.apply(node, context, scores)?,
    }])
}

fn aggregate(node: &NodeView) -> Result<Aggregate> {
    Ok(match node.attributes.text("aggregate_function", "SUM")?.as_str() {
        "SUM" => Aggregate::Sum,
        "AVERAGE" => Aggregate::Average,
        "MIN" => Aggregate::Min,
        "MAX" => Aggregate::Max,
        other => bail!("its aggregate function is '{other}', which is not known"),
    })
}

/// One number a target; none are zeros. In onnxruntime a target without votes gets no base value.
fn base(listed: &Listed, mut given: Vec<f64>, targets: i64) -> Result<Vec<f64>> {
    let count = super::targets(targets)?;
    if given.is_empty() {
        return Ok(vec![0.0; count]);
    }
    if given.len() != count {
        bail!("it has {} base values and {targets} targets", given.len());
    }
    let always = listed.always_voted();
    let sometimes: BTreeSet<usize> = listed.votes.iter().map(|vote| vote.target).collect();
    for (target, value) in given.iter_mut().enumerate().filter(|(target, _)| !always.contains(target)) {
        if sometimes.contains(&target) && *value != 0.0 {
            return Err(unsupported(format!(
                "whether target {target} gets votes, and so its base value, depends on the row, which is not supported"
            )));
        }
        *value = 0.0;
    }
    Ok(given)
}
