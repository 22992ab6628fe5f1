//! The inputs and outputs a file declares, and the one-row shapes they stand for.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use tract_onnx::pb::ValueInfoProto;
use tract_onnx::pb::tensor_shape_proto::dimension::Value as DimValue;
use tract_onnx::pb::type_proto::{Tensor as TensorType, Value as TypeValue};

use super::examination::Port;
use super::limits;
use super::problem::unsupported;
use super::tensors;
use crate::tensor::Field;

/// What one row of an input is.
pub(super) struct RowShape {
    /// Name, type and shape of one row.
    pub(super) field: Field,
    /// The shape that nodes see, the batch axis of length 1 included, if there is one.
    pub(super) shape: Vec<usize>,
    /// The length of the batch axis if it is fixed and not 1.
    pub(super) fixed_batch: Option<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Axis {
    Fixed(usize),
    Named(String),
    Unknown,
}

impl Axis {
    fn text(&self) -> String {
        match self {
            Self::Fixed(length) => length.to_string(),
            Self::Named(name) => name.clone(),
            Self::Unknown => "?".to_owned(),
        }
    }
}

/// An input or output as declared.
pub(super) fn port(info: &ValueInfoProto) -> Port {
    let name = info.name.clone();
    let Some(kind) = tensor_type(info) else {
        return Port { name, dtype: "not a tensor".to_owned(), shape: None };
    };
    let dtype =
        tensors::dtype(kind.elem_type).map_or_else(|_| "unknown".to_owned(), |dtype| dtype.to_string());
    let shape = axes(kind).map(|axes| axes.iter().map(Axis::text).collect());
    Port { name, dtype, shape }
}

/// The row that an input holds; `given` are lengths of dynamic axes by input or axis name.
///
/// # Errors
/// If it is not a tensor, or an axis has no known length.
pub(super) fn row_shape(info: &ValueInfoProto, given: &BTreeMap<String, Vec<usize>>) -> Result<RowShape> {
    let Some(kind) = tensor_type(info) else {
        return Err(unsupported("it is not a tensor"));
    };
    let dtype = tensors::dtype(kind.elem_type)?;
    let mut axes = match (axes(kind), given.get(&info.name)) {
        (Some(axes), Some(shape)) => agreed(&axes, shape)?,
        (Some(axes), None) => axes,
        (None, Some(shape)) => shape.iter().map(|&length| Axis::Fixed(length)).collect(),
        (None, None) => {
            return Err(unsupported(format!("its shape is not known\nhint: {}", how_to_give(&info.name))));
        }
    };
    let whole_vector =
        matches!(axes[..], [Axis::Fixed(length)] if length > 1) && !given.contains_key(&info.name);
    let mut fixed_batch = None;
    if !whole_vector && let Some(batch) = axes.first_mut() {
        fixed_batch = match *batch {
            Axis::Fixed(length) if length > 1 && !given.contains_key(&info.name) => Some(length),
            _ => None,
        };
        *batch = Axis::Fixed(1);
    }
    let shape = axes.iter().map(|axis| length(axis, &info.name, given)).collect::<Result<Vec<usize>>>()?;
    limits::count(&shape)?;
    let row = if whole_vector { &shape[..] } else { shape.get(1..).unwrap_or_default() };
    let field = Field { name: info.name.clone(), dtype, shape: row.to_vec(), columns: None };
    Ok(RowShape { field, shape, fixed_batch })
}

/// The names of an input's dynamic axes.
pub(super) fn axis_names(info: &ValueInfoProto) -> Vec<String> {
    let axes = tensor_type(info).and_then(axes).unwrap_or_default();
    let name = |axis| match axis {
        Axis::Named(name) => Some(name),
        Axis::Fixed(_) | Axis::Unknown => None,
    };
    axes.into_iter().filter_map(name).collect()
}

fn tensor_type(info: &ValueInfoProto) -> Option<&TensorType> {
    match info.r#type.as_ref()?.value.as_ref()? {
        TypeValue::TensorType(kind) => Some(kind),
    }
}

fn axes(kind: &TensorType) -> Option<Vec<Axis>> {
    let axis = |value: &Option<DimValue>| match value {
        Some(DimValue::DimValue(length)) => match usize::try_from(*length) {
            Ok(length) if length > 0 => Axis::Fixed(length),
            _ => Axis::Unknown,
        },
        Some(DimValue::DimParam(name)) if !name.is_empty() => Axis::Named(name.clone()),
        Some(DimValue::DimParam(_)) | None => Axis::Unknown,
    };
    Some(kind.shape.as_ref()?.dim.iter().map(|dim| axis(&dim.value)).collect())
}

/// The given shape, which may not contradict the declared one but in the batch axis.
fn agreed(declared: &[Axis], given: &[usize]) -> Result<Vec<Axis>> {
    let fits = |(index, (axis, length)): (usize, (&Axis, &usize))| match axis {
        Axis::Fixed(fixed) => index == 0 || fixed == length,
        Axis::Named(_) | Axis::Unknown => true,
    };
    if declared.len() != given.len() || !declared.iter().zip(given).enumerate().all(fits) {
        let declared: Vec<String> = declared.iter().map(Axis::text).collect();
        bail!("its shape is [{}] in the file and {given:?} was given", declared.join(", "));
    }
    if given.contains(&0) {
        bail!("the shape {given:?} was given, which holds no element");
    }
    Ok(given.iter().map(|&length| Axis::Fixed(length)).collect())
}

fn length(axis: &Axis, input: &str, given: &BTreeMap<String, Vec<usize>>) -> Result<usize> {
    match axis {
        Axis::Fixed(length) => Ok(*length),
        Axis::Named(name) => match given.get(name).map(Vec::as_slice) {
            Some([length]) if *length > 0 => Ok(*length),
            Some(shape) => bail!("axis '{name}' needs one length, {shape:?} was given"),
            None => Err(unsupported(format!(
                "its axis '{name}' has no fixed length\nhint: {}",
                how_to_give(input)
            ))),
        },
        Axis::Unknown => {
            Err(unsupported(format!("one of its axes has no known length\nhint: {}", how_to_give(input))))
        }
    }
}

fn how_to_give(input: &str) -> String {
    format!("give its shape with --input {input}=1,...")
}

/// That every given name belongs to an input or an axis.
///
/// # Errors
/// If one does not.
pub(super) fn check_given(given: &BTreeMap<String, Vec<usize>>, inputs: &[&ValueInfoProto]) -> Result<()> {
    let mut known: Vec<String> = inputs.iter().map(|info| info.name.clone()).collect();
    known.extend(inputs.iter().flat_map(|info| axis_names(info)));
    match given.keys().find(|name| !known.contains(name)) {
        Some(name) => {
            bail!("a shape was given for '{name}', the inputs and axes are '{}'", known.join("', '"))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tract_onnx::pb::tensor_shape_proto::Dimension;
    use tract_onnx::pb::{TensorShapeProto, TypeProto};

    fn info(axes: &[Axis]) -> ValueInfoProto {
        let value = |axis: &Axis| match axis {
            Axis::Fixed(length) => Some(DimValue::DimValue(*length as i64)),
            Axis::Named(name) => Some(DimValue::DimParam(name.clone())),
            Axis::Unknown => None,
        };
        let dim = axes.iter().map(|axis| Dimension { value: value(axis), ..Dimension::default() }).collect();
        let kind = TensorType { elem_type: 1, shape: Some(TensorShapeProto { dim }) };
        let kind = TypeProto { value: Some(TypeValue::TensorType(kind)), ..TypeProto::default() };
        ValueInfoProto { name: "x".into(), r#type: Some(kind), ..ValueInfoProto::default() }
    }

    fn given(name: &str, shape: &[usize]) -> BTreeMap<String, Vec<usize>> {
        BTreeMap::from([(name.to_owned(), shape.to_vec())])
    }

    #[test]
    fn the_first_axis_is_the_batch() {
        let none = BTreeMap::new();
        let dynamic = row_shape(&info(&[Axis::Unknown, Axis::Fixed(30)]), &none).unwrap();
        assert_eq!((dynamic.field.shape, dynamic.shape, dynamic.fixed_batch), (vec![30], vec![1, 30], None));
        let fixed = row_shape(&info(&[Axis::Fixed(8), Axis::Fixed(30)]), &none).unwrap();
        assert_eq!((fixed.shape, fixed.fixed_batch), (vec![1, 30], Some(8)));
        let vector = row_shape(&info(&[Axis::Fixed(30)]), &none).unwrap();
        assert_eq!((vector.field.shape, vector.shape), (vec![30], vec![30]));
    }

    #[test]
    fn other_dynamic_axes_must_be_given() {
        let sequence = info(&[Axis::Unknown, Axis::Named("length".into()), Axis::Fixed(4)]);
        let message = row_shape(&sequence, &BTreeMap::new()).err().unwrap().to_string();
        assert!(message.contains("'length'") && message.contains("--input x="), "{message}");
        assert_eq!(row_shape(&sequence, &given("length", &[7])).unwrap().shape, [1, 7, 4]);
        assert_eq!(row_shape(&sequence, &given("x", &[3, 7, 4])).unwrap().shape, [1, 7, 4]);
        assert!(row_shape(&sequence, &given("x", &[1, 7, 5])).is_err());
        assert!(check_given(&given("y", &[1]), &[&sequence]).is_err());
        assert!(check_given(&given("length", &[1]), &[&sequence]).is_ok());
    }
}
