//! The operators of the float graph, one file a family, each with its clear meaning.
//!
//! Axes are resolved (non-negative) and include the batch axis; shapes are concrete. What ONNX
//! expresses in many ways (opset versions, optional inputs, attributes) its readers reduce to
//! these few.

mod category;
mod combine;
mod convolution;
mod elementwise;
mod extreme;
mod linear;
mod moves;
mod name;
mod pairs;
mod pool;
mod quantize;
mod reduce;
mod scale;
pub(super) mod shape;
mod top;
mod tree;
mod window;

pub use category::{Categories, LabelMap};
pub use elementwise::{Binary, Unary};
pub use linear::matmul;
pub use moves::{Move, SliceRange};
pub use pairs::PairSigmoids;
pub use quantize::{Quantization, Rounding};
pub use reduce::Reduction;
pub use scale::Normalization;
pub use tree::{Aggregate, Test, TreeEnsemble, TreeNode, TreeParts, Vote};
pub use window::{Window, WindowAxis};

use anyhow::{Result, bail};
use ndarray::ArrayD;
use serde::{Deserialize, Serialize};

use crate::tensor::{DType, Tensor};

/// What a node computes. Closed: every stage matches on all of it. Files tell variants by their order, so new
/// ones come last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Op {
    /// The model's input with this index.
    Input(usize),
    /// A value that does not depend on the input.
    Constant(Tensor),
    /// A function of every element by itself.
    Unary(Unary),
    /// A function of two elements, with numpy's broadcasting.
    Binary(Binary),
    /// `condition, a, b`: a where the condition holds, else b; broadcasting.
    Where,
    /// Conversion to another element type.
    Cast(DType),
    /// Matrix product over the last two axes, with numpy's rules for batches and vectors.
    MatMul,
    /// Moves, repeats or drops elements: reshape, transpose, slice, expand …
    Move(Move),
    /// Joins its inputs along an axis.
    Concat { axis: usize },
    /// `data, indices`: picks along an axis, as ONNX Gather.
    Gather { axis: usize },
    /// One value from all elements along some axes.
    Reduce { reduction: Reduction, axes: Vec<usize>, keep_dims: bool },
    /// The index of the largest (or smallest) element along an axis; of equals the first, or the last.
    ArgExtreme { largest: bool, last: bool, axis: usize, keep_dims: bool },
    /// Exponentials scaled to sum 1 along an axis.
    Softmax { axis: usize },
    /// The logarithm of [`Op::Softmax`], computed without overflow.
    LogSoftmax { axis: usize },
    /// 1 at the first largest element along an axis, 0 elsewhere.
    Hardmax { axis: usize },
    /// Scales rows along an axis to norm 1; rows of norm 0 stay. Integers give single precision.
    Normalize { norm: Normalization, axis: usize },
    /// Each category as a vector with a single 1, in a new last axis.
    OneHot(Categories),
    /// A dictionary from values to values: ONNX LabelEncoder.
    Map(Box<LabelMap>),
    /// The raw scores of decision trees, from `[1, features]` to `[1, targets]`.
    Trees(Box<TreeEnsemble>),
    /// `data, weights`: sums over windows of (batch, channels, spatial axes), weighted by (result channels,
    /// channels of one group, window). Result channels see the channels of their own group; outside the
    /// data all is zero.
    Conv { window: Window, groups: usize },
    /// One value from the elements of each channel of (batch, channels, spatial axes) that a window covers;
    /// what it covers outside the data does not count.
    Pool { window: Window, reduction: Reduction },
    /// `x, scale, zero_point`: integers that stand for numbers, clamped to a range; broadcasting.
    Quantize(Quantization),
    /// The largest (or smallest) elements along an axis, the best first, of equals the one that comes first: their
    /// values, or their places.
    TopK { count: usize, largest: bool, axis: usize, values: bool },
    /// The probabilities of classes from decisions between each two of them, `[rows, pairs]` to `[rows, classes]`.
    PairProbabilities(Box<PairSigmoids>),
}

impl Op {
    /// The result for these inputs.
    ///
    /// # Errors
    /// If the number, types or shapes of the inputs do not fit.
    pub fn evaluate(&self, inputs: &[&Tensor]) -> Result<Tensor> {
        match self {
            Self::Input(_) => bail!("an input has no value of its own"),
            Self::Constant(value) => Ok(value.clone()),
            Self::Unary(function) => function.evaluate(one(inputs)?),
            Self::Binary(function) => {
                let [a, b] = two(inputs)?;
                function.evaluate(a, b)
            }
            Self::Where => {
                let [condition, a, b] = three(inputs)?;
                elementwise::select(condition, a, b)
            }
            Self::Cast(dtype) => elementwise::cast(one(inputs)?, *dtype),
            Self::MatMul => {
                let [a, b] = two(inputs)?;
                matmul(a, b)
            }
            Self::Conv { window, groups } => {
                let [data, weights] = two(inputs)?;
                convolution::convolve(window, *groups, data, weights)
            }
            Self::Pool { window, reduction } => pool::pool(window, *reduction, one(inputs)?),
            Self::Quantize(quantization) => {
                let [x, scale, zero_point] = three(inputs)?;
                quantization.evaluate(x, scale, zero_point)
            }
            Self::Move(rule) => one(inputs)?.rearrange(rule),
            Self::Concat { axis } => combine::concat(inputs, *axis),
            Self::Gather { axis } => {
                let [data, indices] = two(inputs)?;
                combine::gather(data, indices, *axis)
            }
            Self::Reduce { reduction, axes, keep_dims } => reduction.evaluate(one(inputs)?, axes, *keep_dims),
            Self::ArgExtreme { largest, last, axis, keep_dims } => {
                let extreme = extreme::Extreme { largest: *largest, last: *last };
                extreme.evaluate(one(inputs)?, *axis, *keep_dims)
            }
            Self::Softmax { axis } => scale::softmax(one(inputs)?, *axis),
            Self::LogSoftmax { axis } => scale::log_softmax(one(inputs)?, *axis),
            Self::Hardmax { axis } => extreme::hardmax(one(inputs)?, *axis),
            Self::Normalize { norm, axis } => norm.evaluate(one(inputs)?, *axis),
            Self::OneHot(categories) => categories.evaluate(one(inputs)?),
            Self::Map(map) => map.evaluate(one(inputs)?),
            Self::Trees(trees) => trees.evaluate(one(inputs)?),
            Self::TopK { count, largest, axis, values } => {
                top::Top { count: *count, largest: *largest, values: *values }.evaluate(one(inputs)?, *axis)
            }
            Self::PairProbabilities(sigmoids) => sigmoids.evaluate(one(inputs)?),
        }
    }

    /// A tensor of the type and shape that the result has for inputs like these, whatever their
    /// values: it stands also where [`Op::evaluate`] would refuse these very values.
    ///
    /// # Errors
    /// If the number, types or shapes of the inputs do not fit.
    pub(super) fn probe(&self, inputs: &[&Tensor]) -> Result<Tensor> {
        if let (Self::Cast(dtype), [input]) = (self, inputs) {
            return Ok(Tensor::zeros(*dtype, input.shape()));
        }
        if let (Self::Binary(function), [a, b]) = (self, inputs)
            && function.divides()
            && b.dtype() != DType::Text
        {
            let ones = Tensor::numbers(b.dtype(), ArrayD::ones(b.shape()))?;
            return function.evaluate(a, &ones);
        }
        if let (Self::Conv { window, groups }, [data, weights]) = (self, inputs) {
            let shape = convolution::result_shape(window, *groups, data.shape(), weights.shape())?;
            return Ok(Tensor::zeros(numeric(shape::common_dtype(data.dtype(), weights.dtype())?)?, &shape));
        }
        if let (Self::Pool { window, .. }, [data]) = (self, inputs) {
            return Ok(Tensor::zeros(numeric(data.dtype())?, &pool::result_shape(window, data.shape())?));
        }
        if let (Self::OneHot(categories), [input]) = (self, inputs) {
            return Categories { unknown_is_zeros: true, ..categories.clone() }.evaluate(input);
        }
        self.evaluate(inputs)
    }
}

fn numeric(dtype: DType) -> Result<DType> {
    if dtype == DType::Text {
        bail!("expected numbers, found text");
    }
    Ok(dtype)
}

fn one<'a>(inputs: &[&'a Tensor]) -> Result<&'a Tensor> {
    exactly::<1>(inputs).map(|[a]| a)
}

fn two<'a>(inputs: &[&'a Tensor]) -> Result<[&'a Tensor; 2]> {
    exactly(inputs)
}

fn three<'a>(inputs: &[&'a Tensor]) -> Result<[&'a Tensor; 3]> {
    exactly(inputs)
}

fn exactly<'a, const N: usize>(inputs: &[&'a Tensor]) -> Result<[&'a Tensor; N]> {
    match inputs.try_into() {
        Ok(inputs) => Ok(inputs),
        Err(_) => bail!("expected {N} inputs, found {}", inputs.len()),
    }
}
