//! Support vector machines with a linear kernel, which are linear models.

use anyhow::{Context as _, Result, bail};
use ndarray::{Array1, Array2, ArrayView2};

use super::ml_linear::{by_index, class_labels};
use super::post_transform::PostTransform;
use super::{Family, ML};
use crate::model::op::{Binary, Unary};
use crate::model::{NodeId, Op};
use crate::onnx::context::Context;
use crate::onnx::node::NodeView;
use crate::onnx::problem::unsupported;
use crate::onnx::tensors;
use crate::tensor::{DType, Tensor};

pub(super) const READERS: &Family = &[(ML, "SVMRegressor", regressor), (ML, "SVMClassifier", classifier)];

/// One sum over support vectors; without them the coefficients are the weights themselves.
fn regressor(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let coefficients =
        Array1::from(node.attributes.weights("coefficients")?.context("it has no coefficients")?);
    let weights = match node.attributes.int("n_supports", 0)? {
        0 => coefficients.clone(),
        count => {
            let vectors = vectors(node, usize::try_from(count)?)?;
            if vectors.nrows() != coefficients.len() {
                bail!("it has {count} support vectors and {} coefficients", coefficients.len());
            }
            vectors.t().dot(&coefficients)
        }
    };
    let weights = weights.insert_axis(ndarray::Axis(1));
    let y = scores(node, context, &weights, 1)?;
    if node.attributes.flag("one_class", false)? {
        return Ok(vec![sign(node, context, y)?]);
    }
    Ok(vec![y])
}

/// 1 above zero, else −1.
fn sign(node: &NodeView, context: &mut Context, y: NodeId) -> Result<NodeId> {
    let (zero, one) = (context.scalar(node, 0.0, y)?, context.scalar(node, 1.0, y)?);
    let above = context.binary(node, Binary::Greater, y, zero)?;
    let minus_one = context.unary(node, Unary::Neg, one)?;
    context.push(node, Op::Where, &[above, one, minus_one])
}

/// Every pair of classes votes; most votes win, the first of equals.
fn classifier(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    if node.attributes.has("prob_a") {
        return Err(unsupported(
            "probabilities of support vector machines are not supported\nhint: train SVC with probability=False, or LogisticRegression",
        ));
    }
    let labels = class_labels(node, "classlabels_ints")?;
    let classes = labels.len();
    let pairs: Vec<(usize, usize)> =
        (0..classes).flat_map(|i| (i + 1..classes).map(move |j| (i, j))).collect();
    let weights = pair_weights(node, classes, &pairs)?;
    let raw = scores(node, context, &weights, pairs.len())?;
    let votes = votes(node, context, raw, classes, &pairs)?;
    let best = Op::ArgExtreme { largest: true, last: false, axis: 1, keep_dims: false };
    let class = context.push(node, best, &[votes])?;
    let shown = shown(node, context, raw, pairs.len())?;
    if context.shape(shown) == [1, classes] && pairs.len() == 1 {
        context.name_scores(shown, tensors::labels(&labels));
    }
    let label = context.push(node, Op::Map(Box::new(by_index(labels)?)), &[class])?;
    Ok(vec![label, shown])
}

/// Two classes show the score of the first with both signs, or as the transform has it.
fn shown(node: &NodeView, context: &mut Context, raw: NodeId, pairs: usize) -> Result<NodeId> {
    match PostTransform::of(node)? {
        PostTransform::None if pairs == 1 => {
            let negative = context.unary(node, Unary::Neg, raw)?;
            context.push(node, Op::Concat { axis: 1 }, &[negative, raw])
        }
        transform if pairs == 1 => transform.add_first_class(node, context, raw),
        transform => transform.apply(node, context, raw),
    }
}

/// The number of pairs each class wins.
fn votes(
    node: &NodeView,
    context: &mut Context,
    raw: NodeId,
    classes: usize,
    pairs: &[(usize, usize)],
) -> Result<NodeId> {
    let (mut won, mut base) = (Array2::<f64>::zeros((pairs.len(), classes)), vec![0.0; classes]);
    for (pair, &(i, j)) in pairs.iter().enumerate() {
        // A win of the first is a loss of the second; both are classes of a pair.
        won[[pair, i]] = 1.0;
        won[[pair, j]] = -1.0;
        base[j] += 1.0;
    }
    let zero = context.scalar(node, 0.0, raw)?;
    let first = context.binary(node, Binary::Greater, raw, zero)?;
    let first = context.cast(node, DType::F32, first)?;
    let won = context.constant(&node.name, Tensor::numbers(DType::F32, won.into_dyn())?)?;
    let won = context.push(node, Op::MatMul, &[first, won])?;
    let base = context.vector(node, DType::F32, base)?;
    context.binary(node, Binary::Add, won, base)
}

/// The weights of each pair, a column each: the vectors of either class with the coefficients
/// they have against the other.
fn pair_weights(node: &NodeView, classes: usize, pairs: &[(usize, usize)]) -> Result<Array2<f64>> {
    let counts = node.attributes.ints("vectors_per_class")?.unwrap_or_default();
    if counts.is_empty() {
        return Err(unsupported("a classifier without support vectors is not supported"));
    }
    let counts = counts.iter().map(|&count| usize::try_from(count)).collect::<Result<Vec<usize>, _>>()?;
    let total =
        counts.iter().try_fold(0_usize, |sum, &count| sum.checked_add(count)).context("too many vectors")?;
    let vectors = vectors(node, total)?;
    let coefficients = node.attributes.weights("coefficients")?.unwrap_or_default();
    let rows = classes.saturating_sub(1);
    if counts.len() != classes || rows == 0 || rows.checked_mul(total) != Some(coefficients.len()) {
        bail!("it has {classes} classes, {total} support vectors and {} coefficients", coefficients.len());
    }
    let coefficients = ArrayView2::from_shape((rows, total), &coefficients)?;
    let mut weights = Array2::zeros((vectors.ncols(), pairs.len()));
    for (pair, &(i, j)) in pairs.iter().enumerate() {
        for (class, row) in [(i, j - 1), (j, i)] {
            let start: usize = counts.iter().take(class).sum();
            for vector in (start..total).take(counts.get(class).copied().unwrap_or(0)) {
                weights.column_mut(pair).scaled_add(coefficients[[row, vector]], &vectors.row(vector));
            }
        }
    }
    Ok(weights)
}

/// The support vectors as rows, if the kernel is linear.
fn vectors(node: &NodeView, count: usize) -> Result<Array2<f64>> {
    let kernel = node.attributes.text("kernel_type", "LINEAR")?;
    if kernel != "LINEAR" {
        return Err(unsupported(format!(
            "the kernel '{kernel}' is not supported\nhint: train with kernel='linear', or LinearSVC, or LinearSVR"
        )));
    }
    let values = node.attributes.weights("support_vectors")?.unwrap_or_default();
    let features = values.len().checked_div(count).unwrap_or(0);
    if features == 0 || features.checked_mul(count) != Some(values.len()) {
        bail!("it has {} numbers for {count} support vectors", values.len());
    }
    Ok(Array2::from_shape_vec((count, features), values)?)
}

/// `x · weights + rho`, a column for each of `count` scores.
fn scores(node: &NodeView, context: &mut Context, weights: &Array2<f64>, count: usize) -> Result<NodeId> {
    let rho = node.attributes.weights("rho")?.unwrap_or_default();
    if rho.len() != count {
        bail!("it has {} values of rho, expected {count}", rho.len());
    }
    let x = context.cast(node, DType::F32, node.input(0)?)?;
    let features: usize = context.shape(x).iter().product();
    if features != weights.nrows() {
        bail!("its input has {features} features, its weights are for {}", weights.nrows());
    }
    let x = context.reshape(node, &[1, features], x)?;
    let matrix = Tensor::numbers(DType::F32, weights.clone().into_dyn())?;
    let matrix = context.constant(&node.name, matrix)?;
    let product = context.push(node, Op::MatMul, &[x, matrix])?;
    let rho = context.vector(node, DType::F32, rho)?;
    context.binary(node, Binary::Add, product, rho)
}
