//! Distances of a row from constant points.

use anyhow::{Result, bail};

use super::Family;
use crate::model::op::{Binary, Reduction, Unary};
use crate::model::{NodeId, Op};
use crate::onnx::context::Context;
use crate::onnx::node::NodeView;
use crate::onnx::problem::unsupported;

pub(super) const READERS: &Family = &[("com.microsoft", "CDist", c_dist)];

/// Of every row of one matrix from every row of another; one of the two holds the single row that the model is read
/// for.
fn c_dist(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let (a, b) = (node.input(0)?, node.input(1)?);
    let (rows, points, features) = match (context.shape(a), context.shape(b)) {
        ([rows, features], [points, others]) if features == others => (*rows, *points, *features),
        (a, b) => {
            bail!("its inputs have shapes {a:?} and {b:?}, expected matrices with equally many columns")
        }
    };
    let square_roots = match node.attributes.text("metric", "sqeuclidean")?.as_str() {
        "euclidean" => true,
        "sqeuclidean" => false,
        other => return Err(unsupported(format!("the metric '{other}' is not supported"))),
    };
    let a = context.reshape(node, &[rows, 1, features], a)?;
    let difference = context.binary(node, Binary::Sub, a, b)?;
    let sum = Op::Reduce { reduction: Reduction::SumSquare, axes: vec![2], keep_dims: false };
    let squares = context.push(node, sum, &[difference])?;
    let squares = context.reshape(node, &[rows, points], squares)?;
    Ok(vec![if square_roots { context.unary(node, Unary::Sqrt, squares)? } else { squares }])
}

#[cfg(test)]
mod tests {
    use crate::onnx::trial::{Given, apply, floats, node, with};

    #[test]
    fn distances_are_those_of_either_metric() {
        let points = || vec![floats("p", &[2, 2], &[1.0, 2.0, 4.0, -2.0])];
        let distances = node("com.microsoft", "CDist", &["x", "p"], &["y"]);
        assert_eq!(apply(distances.clone(), points(), &[1.0, 2.0]), [[0.0, 25.0]]);
        let metric = with(distances, "metric", Given::Text("euclidean"));
        assert_eq!(apply(metric, points(), &[1.0, 2.0]), [[0.0, 5.0]]);
    }
}
