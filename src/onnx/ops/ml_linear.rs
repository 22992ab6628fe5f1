//! Linear classifiers and regressors of classical machine learning.

use anyhow::{Context as _, Result, bail};

use super::post_transform::PostTransform;
use super::{Family, ML};
use crate::model::op::{Binary, LabelMap};
use crate::model::{NodeId, Op};
use crate::onnx::context::Context;
use crate::onnx::node::NodeView;
use crate::onnx::problem::unsupported;
use crate::onnx::tensors;
use crate::tensor::{DType, Tensor};

pub(super) const READERS: &Family =
    &[(ML, "LinearClassifier", linear_classifier), (ML, "LinearRegressor", linear_regressor)];

fn linear_regressor(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let targets = node.attributes.int("targets", 1)?;
    let Some(targets) = usize::try_from(targets).ok().filter(|&targets| targets > 0) else {
        bail!("it has {targets} targets");
    };
    let scores = affine(node, context, targets)?;
    let transform = PostTransform::of(node)?;
    Ok(vec![match targets {
        1 => transform.apply_to_one(node, context, scores)?,
        _ => transform.apply(node, context, scores)?,
    }])
}

/// The label is decided by the raw scores; the transform only shows them differently.
fn linear_classifier(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let labels = class_labels(node, "classlabels_ints")?;
    let coefficients = node.attributes.floats("coefficients")?.map_or(0, |values| values.len());
    let features: usize = context.shape(node.input(0)?).iter().product();
    let rows =
        node.attributes.floats("intercepts")?.map_or(coefficients / features.max(1), |values| values.len());
    let scores = affine(node, context, rows)?;
    let transform = PostTransform::of(node)?;
    let names = tensors::labels(&labels);
    let (class, shown) = match (rows, labels.len()) {
        (1, 2) => {
            let zero = context.scalar(node, 0.0, scores)?;
            let above = context.binary(node, Binary::Greater, scores, zero)?;
            let class = context.cast(node, DType::I64, above)?;
            let class = context.reshape(node, &[1], class)?;
            (class, transform.add_first_class(node, context, scores)?)
        }
        (1, count) => {
            return Err(unsupported(format!(
                "it has one row of coefficients and {count} class labels, expected 2"
            )));
        }
        (rows, count) if rows != count => {
            bail!("it has {rows} rows of coefficients and {count} class labels")
        }
        _ => {
            let op = Op::ArgExtreme { largest: true, last: false, axis: 1, keep_dims: false };
            (context.push(node, op, &[scores])?, transform.apply(node, context, scores)?)
        }
    };
    context.name_scores(shown, names);
    let label = context.push(node, Op::Map(Box::new(by_index(labels)?)), &[class])?;
    Ok(vec![label, shown])
}

/// Text or integers; one list of them. The attribute of integers has two names.
///
/// # Errors
/// If there are none.
pub(super) fn class_labels(node: &NodeView, integers: &str) -> Result<Tensor> {
    let texts = node.attributes.texts("classlabels_strings")?.filter(|texts| !texts.is_empty());
    match (texts, node.attributes.ints(integers)?) {
        (Some(texts), _) => Ok(tensors::words(texts)),
        (None, Some(numbers)) if !numbers.is_empty() => Ok(Tensor::i64s(numbers)),
        _ => bail!("it has no class labels"),
    }
}

/// The dictionary from the index of a class to its label.
///
/// # Errors
/// If a default cannot be made.
pub(super) fn by_index(labels: Tensor) -> Result<LabelMap> {
    let indices: Vec<i64> = (0..).take(labels.len()).collect();
    let default = match labels.dtype() {
        DType::Text => tensors::words(vec![String::new()]),
        dtype => tensors::vector(dtype, [-1.0])?,
    };
    Ok(LabelMap { keys: Tensor::i64s(&indices), values: labels, default })
}

/// `x · coefficientsᵀ + intercepts` in float32, of shape `[1, rows]`.
fn affine(node: &NodeView, context: &mut Context, rows: usize) -> Result<NodeId> {
    let x = context.cast(node, DType::F32, node.input(0)?)?;
    let features: usize = context.shape(x).iter().product();
    let x = context.reshape(node, &[1, features], x)?;
    let coefficients = node.attributes.weights("coefficients")?.context("it has no coefficients")?;
    if rows.checked_mul(features) != Some(coefficients.len()) {
        bail!(
            "it has {} coefficients, {features} features and {rows} rows need another number",
            coefficients.len()
        );
    }
    let by_row = ndarray::ArrayView2::from_shape((rows, features), &coefficients)?;
    let transposed = by_row.t().iter().copied().collect();
    let matrix = context.constant(&node.name, tensors::array(DType::F32, &[features, rows], transposed)?)?;
    let mut y = context.push(node, Op::MatMul, &[x, matrix])?;
    // onnxruntime ignores intercepts of another number.
    if let Some(intercepts) = node.attributes.weights("intercepts")?.filter(|values| values.len() == rows) {
        let intercepts = context.vector(node, DType::F32, intercepts)?;
        y = context.binary(node, Binary::Add, y, intercepts)?;
    }
    Ok(y)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::trial::{Given, apply, assert_near, evaluate, model, node, refusal, with};

    fn classifier(coefficients: &[f32], intercepts: &[f32], transform: &str) -> tract_onnx::pb::NodeProto {
        let node = node(ML, "LinearClassifier", &["x"], &["label", "scores"]);
        let node = with(node, "coefficients", Given::Floats(coefficients));
        let node = with(node, "intercepts", Given::Floats(intercepts));
        let node = with(node, "classlabels_ints", Given::Ints(&[5, 7]));
        with(node, "post_transform", Given::Text(transform))
    }

    /// Values of onnxruntime 1.23.
    #[test]
    fn one_row_for_two_classes_is_the_score_of_the_second() {
        for (transform, expected) in [
            ("NONE", [0.7, 0.3]),
            ("LOGISTIC", [0.425_557_5, 0.574_442_5]),
            ("SOFTMAX", [0.7, 0.3]),
            ("SOFTMAX_ZERO", [0.7, 0.3]),
        ] {
            let results = apply(classifier(&[1.0], &[0.0], transform), vec![], &[0.3]);
            assert_eq!(results[0], [7.0]);
            assert_near(&results[1], &expected);
        }
        assert_eq!(apply(classifier(&[1.0], &[0.0], "NONE"), vec![], &[0.0])[0], [5.0]);
        let message = refusal(&model(&[0, 1], vec![classifier(&[1.0], &[0.0], "PROBIT")], vec![]));
        assert!(message.contains("probit"), "{message}");
    }

    /// Values of onnxruntime 1.23.
    #[test]
    fn two_rows_for_two_classes_are_transformed_and_the_largest_raw_score_wins() {
        for (transform, x, label, expected) in [
            ("NONE", 0.3, 5.0, [0.3, 0.05]),
            ("LOGISTIC", 0.3, 5.0, [0.574_442_5, 0.512_497_4]),
            ("SOFTMAX", -0.2, 7.0, [0.377_540_68, 0.622_459_35]),
            ("SOFTMAX_ZERO", 0.0, 7.0, [0.0, 1.0]),
            ("PROBIT", 0.3, 5.0, [-0.524_445_9, -1.644_669_7]),
        ] {
            let results = apply(classifier(&[1.0, -0.5], &[0.0, 0.2], transform), vec![], &[x]);
            assert_eq!(results[0], [label]);
            assert_near(&results[1], &expected);
        }
    }

    #[test]
    fn scores_are_named_by_class() {
        let proto = model(&[0, 1], vec![classifier(&[1.0, -0.5], &[0.0, 0.2], "NONE")], vec![]);
        let read = crate::onnx::trial::read(&proto).unwrap();
        assert_eq!(read.outputs()[1].field.columns, Some(vec!["5".to_owned(), "7".to_owned()]));
        assert_eq!(read.outputs()[0].field.columns, None);
    }

    #[test]
    fn text_labels() {
        let node = node(ML, "LinearClassifier", &["x"], &["label", "scores"]);
        let node = with(node, "coefficients", Given::Floats(&[1.0, -1.0]));
        let node = with(node, "classlabels_strings", Given::Texts(&["no", "yes"]));
        let results = evaluate(&model(&[0, 1], vec![node], vec![]), &[-2.0]);
        assert_eq!(results[0].as_text().unwrap()[[0]], "yes");
    }

    #[test]
    fn a_regressor_of_one_target_is_transformed_by_probit_only() {
        let regressor = |transform| {
            let node = node(ML, "LinearRegressor", &["x"], &["y"]);
            let node = with(node, "coefficients", Given::Floats(&[2.0]));
            with(node, "post_transform", Given::Text(transform))
        };
        assert_near(&apply(regressor("LOGISTIC"), vec![], &[0.35])[0], &[0.7]);
        assert_near(&apply(regressor("PROBIT"), vec![], &[0.35])[0], &[0.524_445_9]);
        let message = refusal(&model(&[0, 3], vec![regressor("NONE")], vec![]));
        assert!(message.contains("1 coefficients, 3 features"), "{message}");
    }
}
