//! Support vector machines: a kernel of the row and every support vector, and weighted sums of those. With a linear
//! kernel they are linear models.

use anyhow::{Context as _, Result, bail};
use ndarray::{Array1, Array2, ArrayView2};

use super::ml_linear::{by_index, class_labels};
use super::post_transform::PostTransform;
use super::{Family, ML};
use crate::model::op::{Binary, PairSigmoids, Reduction, Unary};
use crate::model::{NodeId, Op};
use crate::onnx::context::Context;
use crate::onnx::node::NodeView;
use crate::onnx::problem::unsupported;
use crate::onnx::tensors;
use crate::tensor::{DType, Tensor};

/// How alike a row and a support vector are.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kernel {
    /// x · v
    Linear,
    /// (gamma x · v + shift)^degree
    Polynomial { gamma: f64, shift: f64, degree: f64 },
    /// exp(−gamma |x − v|²)
    Radial { gamma: f64 },
    /// tanh(gamma x · v + shift)
    Sigmoid { gamma: f64, shift: f64 },
}

pub(super) const READERS: &Family = &[(ML, "SVMRegressor", regressor), (ML, "SVMClassifier", classifier)];

/// One sum over support vectors; without them the coefficients are the weights themselves.
fn regressor(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let coefficients =
        Array1::from(node.attributes.weights("coefficients")?.context("it has no coefficients")?);
    let coefficients = coefficients.insert_axis(ndarray::Axis(1));
    let y = match node.attributes.int("n_supports", 0)? {
        0 => scores(node, context, Kernel::Linear, None, &coefficients)?,
        count => {
            let vectors = vectors(node, usize::try_from(count)?)?;
            if vectors.nrows() != coefficients.len() {
                bail!("it has {count} support vectors and {} coefficients", coefficients.len());
            }
            scores(node, context, Kernel::of(node)?, Some(&vectors), &coefficients)?
        }
    };
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
    let labels = class_labels(node, "classlabels_ints")?;
    let classes = labels.len();
    let pairs: Vec<(usize, usize)> =
        (0..classes).flat_map(|i| (i + 1..classes).map(move |j| (i, j))).collect();
    let (vectors, weights) = pair_weights(node, classes, &pairs)?;
    let raw = scores(node, context, Kernel::of(node)?, Some(&vectors), &weights)?;
    let votes = votes(node, context, raw, classes, &pairs)?;
    let best = Op::ArgExtreme { largest: true, last: false, axis: 1, keep_dims: false };
    let class = context.push(node, best, &[votes])?;
    let shown = match node.attributes.has("prob_a") {
        true => probabilities(node, context, raw, classes)?,
        false => shown(node, context, raw, pairs.len())?,
    };
    let of_classes = pairs.len() == 1 || node.attributes.has("prob_a");
    if context.shape(shown) == [1, classes] && of_classes {
        context.name_scores(shown, tensors::labels(&labels));
    }
    let label = context.push(node, Op::Map(Box::new(by_index(labels)?)), &[class])?;
    Ok(vec![label, shown])
}

/// The probability of each class; labels are by votes nonetheless.
fn probabilities(node: &NodeView, context: &mut Context, raw: NodeId, classes: usize) -> Result<NodeId> {
    let numbers = |name| Ok::<_, anyhow::Error>(node.attributes.weights(name)?.unwrap_or_default());
    let sigmoids = PairSigmoids::new(classes, numbers("prob_a")?, numbers("prob_b")?)?;
    let probabilities = context.push(node, Op::PairProbabilities(Box::new(sigmoids)), &[raw])?;
    PostTransform::of(node)?.apply(node, context, probabilities)
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

/// The support vectors, and the weights of each pair, a column each: the vectors of either class have the
/// coefficients against the other.
fn pair_weights(
    node: &NodeView,
    classes: usize,
    pairs: &[(usize, usize)],
) -> Result<(Array2<f64>, Array2<f64>)> {
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
    let mut weights = Array2::zeros((total, pairs.len()));
    for (pair, &(i, j)) in pairs.iter().enumerate() {
        for (class, row) in [(i, j - 1), (j, i)] {
            let start: usize = counts.iter().take(class).sum();
            for vector in (start..total).take(counts.get(class).copied().unwrap_or(0)) {
                weights[[vector, pair]] = coefficients[[row, vector]]; // a vector, and a class but its own
            }
        }
    }
    Ok((vectors, weights))
}

impl Kernel {
    /// The kernel of a node; its parameters are gamma, the shift and the degree.
    fn of(node: &NodeView) -> Result<Self> {
        let parameters = node.attributes.weights("kernel_params")?.unwrap_or_default();
        let parameter = |place: usize, name: &str| {
            parameters.get(place).copied().with_context(|| format!("its kernel has no {name}"))
        };
        let (gamma, shift) = (parameter(0, "gamma"), parameter(1, "shift"));
        match node.attributes.text("kernel_type", "LINEAR")?.as_str() {
            "LINEAR" => Ok(Self::Linear),
            "POLY" => Ok(Self::Polynomial { gamma: gamma?, shift: shift?, degree: parameter(2, "degree")? }),
            "RBF" => Ok(Self::Radial { gamma: gamma? }),
            "SIGMOID" => Ok(Self::Sigmoid { gamma: gamma?, shift: shift? }),
            kernel => Err(unsupported(format!("the kernel '{kernel}' is not supported"))),
        }
    }

    /// The kernel of a row `x` of double precision with each vector.
    fn values(
        self,
        node: &NodeView,
        context: &mut Context,
        x: NodeId,
        vectors: &Array2<f64>,
    ) -> Result<NodeId> {
        let factor = if matches!(self, Self::Radial { .. }) { -2.0 } else { 1.0 };
        let matrix = vectors.t().mapv(|value| factor * value);
        let matrix = context.constant(&node.name, Tensor::numbers(DType::F64, matrix.into_dyn())?)?;
        let products = context.push(node, Op::MatMul, &[x, matrix])?;
        match self {
            Self::Linear => Ok(products),
            Self::Polynomial { gamma, shift, degree } => {
                let y = moved(node, context, products, gamma, shift)?;
                let degree = context.scalar(node, degree, y)?;
                context.binary(node, Binary::Pow, y, degree)
            }
            Self::Radial { gamma } => {
                // |x − v|² = |x|² − 2 x · v + |v|²: of what the row is multiplied with, only its own length is no sum.
                let sum = Op::Reduce { reduction: Reduction::SumSquare, axes: vec![1], keep_dims: true };
                let length = context.push(node, sum, &[x])?;
                let lengths = vectors.rows().into_iter().map(|vector| vector.dot(&vector)).collect();
                let lengths = context.vector(node, DType::F64, lengths)?;
                let squares = context.binary(node, Binary::Add, products, length)?;
                let squares = context.binary(node, Binary::Add, squares, lengths)?;
                let exponents = moved(node, context, squares, -gamma, 0.0)?;
                context.unary(node, Unary::Exp, exponents)
            }
            Self::Sigmoid { gamma, shift } => {
                let y = moved(node, context, products, gamma, shift)?;
                context.unary(node, Unary::Tanh, y)
            }
        }
    }
}

/// `factor · x + shift`
fn moved(node: &NodeView, context: &mut Context, x: NodeId, factor: f64, shift: f64) -> Result<NodeId> {
    let factor = context.scalar(node, factor, x)?;
    let y = context.binary(node, Binary::Mul, x, factor)?;
    if shift == 0.0 {
        return Ok(y);
    }
    let shift = context.scalar(node, shift, y)?;
    context.binary(node, Binary::Add, y, shift)
}

/// The support vectors as rows.
fn vectors(node: &NodeView, count: usize) -> Result<Array2<f64>> {
    let values = node.attributes.weights("support_vectors")?.unwrap_or_default();
    let features = values.len().checked_div(count).unwrap_or(0);
    if features == 0 || features.checked_mul(count) != Some(values.len()) {
        bail!("it has {} numbers for {count} support vectors", values.len());
    }
    Ok(Array2::from_shape_vec((count, features), values)?)
}

/// `kernel · weights + rho`, a column for each score; without vectors the weights are those of features.
fn scores(
    node: &NodeView,
    context: &mut Context,
    kernel: Kernel,
    vectors: Option<&Array2<f64>>,
    weights: &Array2<f64>,
) -> Result<NodeId> {
    let (rho, count) = (node.attributes.weights("rho")?.unwrap_or_default(), weights.ncols());
    if rho.len() != count {
        bail!("it has {} values of rho, expected {count}", rho.len());
    }
    let features: usize = context.shape(node.input(0)?).iter().product();
    let wanted = vectors.map_or(weights.nrows(), Array2::ncols);
    if features != wanted {
        bail!("its input has {features} features, its weights are for {wanted}");
    }
    let (dtype, weights) = match (kernel, vectors) {
        (_, None) => (DType::F32, weights.clone()),
        (Kernel::Linear, Some(vectors)) => (DType::F32, vectors.t().dot(weights)),
        // Squares of distances are small differences of large numbers.
        (_, Some(_)) => (DType::F64, weights.clone()),
    };
    let x = context.cast(node, dtype, node.input(0)?)?;
    let x = context.reshape(node, &[1, features], x)?;
    let values = match (kernel, vectors) {
        (Kernel::Linear, _) | (_, None) => x,
        (kernel, Some(vectors)) => kernel.values(node, context, x, vectors)?,
    };
    let matrix = context.constant(&node.name, Tensor::numbers(dtype, weights.into_dyn())?)?;
    let product = context.push(node, Op::MatMul, &[values, matrix])?;
    let rho = context.vector(node, dtype, rho)?;
    let scores = context.binary(node, Binary::Add, product, rho)?;
    context.cast(node, DType::F32, scores)
}
