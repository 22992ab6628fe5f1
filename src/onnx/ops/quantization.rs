//! Quantization: numbers to integers and back, as ONNX and QONNX say it.

use anyhow::{Result, bail};

use super::{Family, QONNX};
use crate::model::op::{Binary, Move, Quantization, Rounding};
use crate::model::{NodeId, Op};
use crate::onnx::context::Context;
use crate::onnx::node::{NodeView, axis};
use crate::onnx::problem::unsupported;
use crate::onnx::tensors;
use crate::tensor::{DType, Tensor};

pub(super) const READERS: &Family = &[
    ("", "QuantizeLinear", quantize_linear),
    ("", "DequantizeLinear", dequantize_linear),
    (QONNX, "Quant", quant),
    (QONNX, "IntQuant", quant),
    (QONNX, "BipolarQuant", bipolar_quant),
];

/// The most bits of an integer: all are exact in double precision.
const MAX_BITS: f64 = 32.0;

/// `x / scale` rounded half to even, plus the zero point, saturated to the type of the zero point.
fn quantize_linear(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let scale = along_axis(node, context, 1)?;
    let zero_point = match node.optional(2) {
        Some(_) => along_axis(node, context, 2)?,
        None => {
            let number = i32::try_from(node.attributes.int("output_dtype", 0)?)?;
            let dtype = if number == 0 { DType::U8 } else { tensors::dtype(number)? };
            context.constant(&node.name, tensors::scalar(dtype, 0.0)?)?
        }
    };
    let x = context.cast(node, context.dtype(scale), node.input(0)?)?;
    Ok(vec![quantized(node, context, x, scale, zero_point)?])
}

/// Numbers as integers of the type of the zero point, as ONNX says it.
///
/// # Errors
/// If that is no small integer, or the shapes do not fit.
pub(super) fn quantized(
    node: &NodeView,
    context: &mut Context,
    x: NodeId,
    scale: NodeId,
    zero_point: NodeId,
) -> Result<NodeId> {
    let dtype = context.dtype(zero_point);
    let (low, high) = range(dtype)?;
    let quantization =
        Quantization { rounding: Rounding::HalfEven, zero_point_first: false, low, high, dtype };
    context.push(node, Op::Quantize(quantization), &[x, scale, zero_point])
}

fn range(dtype: DType) -> Result<(i64, i64)> {
    Ok(match dtype {
        DType::U8 => (0, i64::from(u8::MAX)),
        DType::I8 => (i64::from(i8::MIN), i64::from(i8::MAX)),
        DType::U16 => (0, i64::from(u16::MAX)),
        DType::I16 => (i64::from(i16::MIN), i64::from(i16::MAX)),
        DType::I32 => (i64::from(i32::MIN), i64::from(i32::MAX)),
        other => bail!("its zero point is {other}, expected a small integer"),
    })
}

/// `(integer − zero point) · scale`.
fn dequantize_linear(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let scale = along_axis(node, context, 1)?;
    let dtype = context.dtype(scale);
    let mut x = context.cast(node, dtype, node.input(0)?)?;
    if node.optional(2).is_some() {
        let zero_point = along_axis(node, context, 2)?;
        let zero_point = context.cast(node, dtype, zero_point)?;
        x = centered(node, context, x, zero_point)?;
    }
    Ok(vec![context.binary(node, Binary::Mul, x, scale)?])
}

/// A scale or zero point, shaped to be broadcast: one number, one for each place of an axis, or one for each
/// block of an axis.
fn along_axis(node: &NodeView, context: &mut Context, input: usize) -> Result<NodeId> {
    let (x, values) = (node.input(0)?, node.input(input)?);
    let (shape, given) = (context.shape(x).to_vec(), context.shape(values).to_vec());
    let count: usize = given.iter().product();
    if count == 1 {
        return context.reshape(node, &[], values);
    }
    let axis = axis(node.attributes.int("axis", 1)?, shape.len())?;
    let length = shape[axis]; // the axis exists
    if given == [length] {
        let mut wide = vec![1; shape.len()];
        wide[axis] = length;
        return context.reshape(node, &wide, values);
    }
    let block = usize::try_from(node.attributes.int("block_size", 0)?)?;
    let blocks = given.get(axis).copied().unwrap_or(0);
    if block == 0 || given.len() != shape.len() || blocks != length.div_ceil(block) || length % block != 0 {
        bail!("input {input} has shape {given:?}, which does not fit axis {axis} of {shape:?}");
    }
    let (outer, inner) = given.split_at(axis + 1);
    let apart = context.reshape(node, &[outer, &[1], inner].concat(), values)?;
    let wide = Move::Expand { shape: [outer, &[block], inner].concat() };
    let wide = context.rearrange(node, wide, apart)?;
    context.reshape(node, &shape, wide)
}

/// Numbers moved to the nearest on a grid: `x / scale` plus the zero point, rounded, clamped to so many bits,
/// and back.
fn quant(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let (x, scale, zero_point) = (node.input(0)?, node.input(1)?, node.input(2)?);
    let (low, high) = bit_range(node, context)?;
    let dtype = context.dtype(x);
    let rounding = rounding(&node.attributes.text("rounding_mode", "ROUND")?)?;
    let quantization = Quantization { rounding, zero_point_first: true, low, high, dtype };
    let integers = context.push(node, Op::Quantize(quantization), &[x, scale, zero_point])?;
    let steps = centered(node, context, integers, zero_point)?;
    Ok(vec![context.binary(node, Binary::Mul, steps, scale)?])
}

/// Less the zero point; nothing to do if that is zero.
fn centered(node: &NodeView, context: &mut Context, x: NodeId, zero_point: NodeId) -> Result<NodeId> {
    let value = context.as_constant(zero_point).map(Tensor::as_numbers).transpose()?;
    if value.is_some_and(|numbers| numbers.iter().all(|&number| number == 0.0)) {
        return Ok(x);
    }
    context.binary(node, Binary::Sub, x, zero_point)
}

fn bit_range(node: &NodeView, context: &Context) -> Result<(i64, i64)> {
    let bits = context.as_constant(node.input(3)?).map(Tensor::as_numbers).transpose()?;
    let Some(bits) = bits.and_then(|bits| bits.first().copied().filter(|_| bits.len() == 1)) else {
        return Err(unsupported("its bit width is not one constant number"));
    };
    if bits.fract() != 0.0 || !(1.0..=MAX_BITS).contains(&bits) {
        return Err(unsupported(format!("its bit width is {bits}, supported are 1 to {MAX_BITS}")));
    }
    let narrow = i64::from(node.attributes.flag("narrow", false)?);
    let size = 1_i64 << bits as u32;
    Ok(match node.attributes.flag("signed", true)? {
        true => (narrow - size / 2, size / 2 - 1),
        false => (0, size - 1 - narrow),
    })
}

fn rounding(mode: &str) -> Result<Rounding> {
    Ok(match mode.to_uppercase().as_str() {
        "ROUND" | "HALF_EVEN" => Rounding::HalfEven,
        "HALF_UP" => Rounding::HalfUp,
        "HALF_DOWN" => Rounding::HalfDown,
        "CEIL" => Rounding::Ceil,
        "FLOOR" => Rounding::Floor,
        "UP" => Rounding::Up,
        "DOWN" | "ROUND_TO_ZERO" => Rounding::Down,
        other => return Err(unsupported(format!("rounding mode '{other}' is not supported"))),
    })
}

/// `scale` where x >= 0, else `−scale`.
fn bipolar_quant(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let (x, scale) = (node.input(0)?, node.input(1)?);
    let [zero, one, minus_one] = [0.0, 1.0, -1.0].map(|number| context.scalar(node, number, x));
    let is_positive = context.binary(node, Binary::GreaterOrEqual, x, zero?)?;
    let sign = context.push(node, Op::Where, &[is_positive, one?, minus_one?])?;
    Ok(vec![context.binary(node, Binary::Mul, sign, scale)?])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::trial::{Given, apply, floats, model, node, refusal, with};
    use tract_onnx::pb::TensorProto;
    use tract_onnx::pb::tensor_proto::DataType;

    fn bytes(name: &str, values: &[i32]) -> TensorProto {
        TensorProto {
            name: name.to_owned(),
            dims: vec![values.len() as i64],
            data_type: DataType::Int8 as i32,
            int32_data: values.to_vec(),
            ..TensorProto::default()
        }
    }

    #[test]
    fn integers_have_the_type_of_the_zero_point() {
        let quantize = node("", "QuantizeLinear", &["x", "scale"], &["y"]);
        let scale = || floats("scale", &[], &[2.0]);
        assert_eq!(apply(quantize, vec![scale()], &[-3.0, 1.0, 3.0, 900.0])[0], [0.0, 0.0, 2.0, 255.0]);
        let quantize = node("", "QuantizeLinear", &["x", "scale", "zero"], &["y"]);
        let initializers = vec![scale(), bytes("zero", &[-1])];
        assert_eq!(apply(quantize, initializers, &[-3.0, 1.0, 3.0, 900.0])[0], [-3.0, -1.0, 1.0, 127.0]);
    }

    #[test]
    fn channels_have_their_own_scales_and_blocks_too() {
        let quantize = node("", "QuantizeLinear", &["x", "scale", "zero"], &["y"]);
        let initializers = vec![floats("scale", &[2], &[1.0, 0.5]), bytes("zero", &[0, 10])];
        assert_eq!(apply(quantize.clone(), initializers, &[3.0, 3.0])[0], [3.0, 16.0]);
        let blocked =
            with(node("", "DequantizeLinear", &["x", "scale"], &["y"]), "block_size", Given::Int(2));
        let scales = vec![floats("scale", &[1, 2], &[1.0, 10.0])];
        assert_eq!(apply(blocked, scales, &[1.0, 2.0, 3.0, 4.0])[0], [1.0, 2.0, 30.0, 40.0]);
        let misfit = vec![floats("scale", &[3], &[1.0; 3]), bytes("zero", &[0])];
        assert!(refusal(&model(&[0, 2], vec![quantize], misfit)).contains("input 1 has shape [3]"));
    }

    #[test]
    fn quantizers_of_few_bits() {
        let quant = |attributes: &[(&str, Given)]| {
            let quant = node(QONNX, "Quant", &["x", "scale", "zero", "bits"], &["y"]);
            attributes.iter().fold(quant, |quant, (name, value)| match value {
                Given::Int(number) => with(quant, name, Given::Int(*number)),
                Given::Text(text) => with(quant, name, Given::Text(text)),
                _ => quant,
            })
        };
        let apply = |quant, zero: f32| {
            let initializers =
                vec![floats("scale", &[], &[0.5]), floats("zero", &[], &[zero]), floats("bits", &[], &[3.0])];
            apply(quant, initializers, &[-9.0, -0.75, 0.25, 9.0]).remove(0)
        };
        assert_eq!(apply(quant(&[]), 0.0), [-2.0, -1.0, 0.0, 1.5]);
        assert_eq!(apply(quant(&[("narrow", Given::Int(1))]), 0.0), [-1.5, -1.0, 0.0, 1.5]);
        assert_eq!(apply(quant(&[("signed", Given::Int(0))]), 3.0), [-1.5, -0.5, 0.5, 2.0]);
        assert_eq!(apply(quant(&[("rounding_mode", Given::Text("FLOOR"))]), 0.0), [-2.0, -1.0, 0.0, 1.5]);
        assert_eq!(apply(quant(&[("rounding_mode", Given::Text("CEIL"))]), 0.0), [-2.0, -0.5, 0.5, 1.5]);
    }

    #[test]
    fn quantizers_to_two_values() {
        let bipolar = node("onnx.brevitas", "BipolarQuant", &["x", "scale"], &["y"]);
        let scale = vec![floats("scale", &[], &[0.5])];
        assert_eq!(apply(bipolar, scale, &[-3.0, 0.0, 0.1])[0], [-0.5, 0.5, 0.5]);
    }
}
