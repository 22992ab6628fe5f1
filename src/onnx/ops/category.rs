//! Operators on categories and labels.

use anyhow::{Result, bail};

use super::{Family, ML};
use crate::model::op::{Categories, LabelMap};
use crate::model::{NodeId, Op};
use crate::onnx::attributes::Attributes;
use crate::onnx::context::Context;
use crate::onnx::node::NodeView;
use crate::onnx::tensors;
use crate::tensor::{DType, Tensor};

pub(super) const READERS: &Family = &[
    (ML, "OneHotEncoder", one_hot_encoder),
    (ML, "LabelEncoder", label_encoder),
    (ML, "CategoryMapper", category_mapper),
    (ML, "ZipMap", zip_map),
    (ML, "ArrayFeatureExtractor", array_feature_extractor),
];

/// What a dictionary gives for an unknown key if nothing is said.
const UNUSED: &str = "_Unused";

/// Numbers are truncated to integers before they are looked up.
fn one_hot_encoder(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let mut x = node.input(0)?;
    let values = match (node.attributes.ints("cats_int64s")?, node.attributes.texts("cats_strings")?) {
        (Some(numbers), None) => Tensor::i64s(numbers),
        (None, Some(texts)) => tensors::words(texts),
        _ => bail!("it must have either 'cats_int64s' or 'cats_strings'"),
    };
    if context.dtype(x).is_float() {
        x = context.cast(node, DType::I64, x)?;
    }
    if (context.dtype(x) == DType::Text) != (values.dtype() == DType::Text) {
        bail!("its input is {}, its categories are {}", context.dtype(x), values.dtype());
    }
    let unknown_is_zeros = node.attributes.flag("zeros", true)?;
    let categories = Categories { values, unknown_is_zeros, dtype: DType::F32 };
    Ok(vec![context.push(node, Op::OneHot(categories), &[x])?])
}

fn label_encoder(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let x = node.input(0)?;
    let map = if node.attributes.has("classes_strings") {
        classes(&node.attributes, context.dtype(x))?
    } else {
        let attributes = &node.attributes;
        let (keys, values) = (side(attributes, "keys")?, side(attributes, "values")?);
        let default = default_value(attributes, values.dtype())?;
        dictionary(keys, values, default)?
    };
    Ok(vec![look_up(node, context, map, x)?])
}

/// The first version: texts are numbered in order, in the direction that fits the input.
fn classes(attributes: &Attributes, input: DType) -> Result<LabelMap> {
    let texts = attributes.texts("classes_strings")?.unwrap_or_default();
    let numbers: Vec<i64> = (0..).take(texts.len()).collect();
    both_ways(attributes, Tensor::i64s(&numbers), tensors::words(texts), input)
}

fn category_mapper(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let x = node.input(0)?;
    let numbers = Tensor::i64s(node.attributes.ints("cats_int64s")?.unwrap_or_default());
    let texts = tensors::words(node.attributes.texts("cats_strings")?.unwrap_or_default());
    let map = both_ways(&node.attributes, numbers, texts, context.dtype(x))?;
    Ok(vec![look_up(node, context, map, x)?])
}

fn both_ways(attributes: &Attributes, numbers: Tensor, texts: Tensor, input: DType) -> Result<LabelMap> {
    if input == DType::Text {
        dictionary(texts, numbers, default_value(attributes, DType::I64)?)
    } else {
        dictionary(numbers, texts, default_value(attributes, DType::Text)?)
    }
}

/// The keys or values of a dictionary, in one of four attributes.
fn side(attributes: &Attributes, side: &str) -> Result<Tensor> {
    if let Some(texts) = attributes.texts(&format!("{side}_strings"))? {
        return Ok(tensors::words(texts));
    }
    if let Some(numbers) = attributes.ints(&format!("{side}_int64s"))? {
        return Ok(Tensor::i64s(numbers));
    }
    if let Some(numbers) = attributes.floats(&format!("{side}_floats"))? {
        return tensors::vector(DType::F32, numbers);
    }
    match attributes.tensor(&format!("{side}_tensor"))? {
        Some(tensor) => tensor.reshape(&[tensor.len()]),
        None => bail!("its {side} are missing"),
    }
}

fn default_value(attributes: &Attributes, dtype: DType) -> Result<Tensor> {
    if let Some(value) = attributes.tensor("default_tensor")? {
        if value.dtype() != dtype || value.len() != 1 {
            bail!("its default is {} values of {}, expected one {dtype}", value.len(), value.dtype());
        }
        return value.reshape(&[1]);
    }
    match dtype {
        DType::Text => Ok(tensors::words(vec![attributes.text("default_string", UNUSED)?])),
        _ if dtype.is_float() => tensors::vector(dtype, [attributes.float("default_float", -0.0)?]),
        _ => tensors::vector(dtype, [attributes.int("default_int64", -1)? as f64]),
    }
}

fn dictionary(keys: Tensor, values: Tensor, default: Tensor) -> Result<LabelMap> {
    if keys.len() != values.len() {
        bail!("it has {} keys and {} values", keys.len(), values.len());
    }
    Ok(LabelMap { keys, values, default })
}

fn look_up(node: &NodeView, context: &mut Context, map: LabelMap, x: NodeId) -> Result<NodeId> {
    let input = context.dtype(x);
    if (input == DType::Text) != (map.keys.dtype() == DType::Text) {
        bail!("its input is {input}, its keys are {}", map.keys.dtype());
    }
    if counts_up(&map.keys) {
        context.name_picked(x, tensors::labels(&map.values));
    }
    context.push(node, Op::Map(Box::new(map)), &[x])
}

/// Whether keys are 0, 1, 2 …, so that the dictionary picks by index.
fn counts_up(keys: &Tensor) -> bool {
    keys.as_numbers().is_ok_and(|keys| keys.iter().enumerate().all(|(index, &key)| key == index as f64))
}

/// A map from class to score is its scores with named places.
fn zip_map(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let scores = node.input(0)?;
    let names =
        match (node.attributes.texts("classlabels_strings")?, node.attributes.ints("classlabels_int64s")?) {
            (Some(texts), None) => texts,
            (None, Some(numbers)) => numbers.iter().map(i64::to_string).collect(),
            _ => bail!("it must have either 'classlabels_strings' or 'classlabels_int64s'"),
        };
    let shape = context.shape(scores);
    if shape.last() != Some(&names.len()) {
        bail!("it has {} class labels, its input has shape {shape:?}", names.len());
    }
    context.name_scores(scores, names);
    Ok(vec![scores])
}

/// Picks along the last axis; a vector becomes a matrix of one row.
fn array_feature_extractor(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let (data, indices) = (node.input(0)?, node.input(1)?);
    let mut shape = context.shape(data).to_vec();
    if shape.is_empty() {
        bail!("its data has no axis to pick from");
    }
    if let Some(labels) = context.as_constant(data).filter(|labels| labels.shape().len() == 1) {
        let names = tensors::labels(labels);
        context.name_picked(indices, names);
    }
    let data = if let [length] = shape[..] {
        shape.insert(0, 1);
        context.reshape(node, &[1, length], data)?
    } else {
        data
    };
    let count = context.shape(indices).iter().product();
    let indices = context.reshape(node, &[count], indices)?;
    Ok(vec![context.push(node, Op::Gather { axis: shape.len() - 1 }, &[data, indices])?])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::trial::{Given, apply, evaluate, ints, model, node, read, refusal, with};

    #[test]
    fn numbers_are_truncated_before_they_are_looked_up() {
        let encoder = with(node(ML, "OneHotEncoder", &["x"], &["y"]), "cats_int64s", Given::Ints(&[3, -3]));
        assert_eq!(apply(encoder, vec![], &[-3.9, 4.0])[0], [0.0, 1.0, 0.0, 0.0]);
    }

    #[test]
    fn unknown_keys_have_a_default() {
        let encoder =
            with(node(ML, "LabelEncoder", &["x"], &["y"]), "keys_floats", Given::Floats(&[1.0, f32::NAN]));
        let numbers = with(encoder.clone(), "values_int64s", Given::Ints(&[3, 4]));
        assert_eq!(apply(numbers, vec![], &[1.0, 2.0, f64::NAN])[0], [3.0, -1.0, 4.0]);
        let texts = with(encoder, "values_strings", Given::Texts(&["a", "b"]));
        let results = evaluate(&model(&[0, 1], vec![texts.clone()], vec![]), &[9.0]);
        assert_eq!(results[0].as_text().unwrap()[[0, 0]], UNUSED);
        let uneven = with(
            with(node(ML, "LabelEncoder", &["x"], &["y"]), "keys_floats", Given::Floats(&[1.0])),
            "values_int64s",
            Given::Ints(&[3, 4]),
        );
        assert!(refusal(&model(&[0, 1], vec![uneven], vec![])).contains("1 keys and 2 values"));
    }

    #[test]
    fn labels_picked_by_the_largest_score_name_the_scores() {
        let arg_max = with(node("", "ArgMax", &["x"], &["best"]), "axis", Given::Int(1));
        let pick = node(ML, "ArrayFeatureExtractor", &["classes", "best"], &["label"]);
        let exp = node("", "Exp", &["x"], &["p"]);
        let proto = model(&[0, 2], vec![arg_max, pick, exp], vec![ints("classes", &[4, 9])]);
        assert_eq!(
            read(&proto).unwrap().outputs()[0].field.columns,
            Some(vec!["4".to_owned(), "9".to_owned()])
        );
    }

    #[test]
    fn a_map_from_class_to_score_keeps_the_scores() {
        let zip = with(node(ML, "ZipMap", &["x"], &["y"]), "classlabels_strings", Given::Texts(&["a", "b"]));
        let proto = model(&[0, 2], vec![zip.clone()], vec![]);
        assert_eq!(
            read(&proto).unwrap().outputs()[0].field.columns,
            Some(vec!["a".to_owned(), "b".to_owned()])
        );
        let message = refusal(&model(&[0, 3], vec![zip], vec![]));
        assert!(message.contains("2 class labels, its input has shape [1, 3]"), "{message}");
    }
}
