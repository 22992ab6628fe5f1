//! Functions of single elements and of pairs of elements.

use anyhow::Result;

use super::Family;
use crate::model::op::{Binary, Unary};
use crate::model::{NodeId, Op};
use crate::onnx::context::Context;
use crate::onnx::node::{NodeView, axis};
use crate::onnx::problem::unsupported;
use crate::onnx::tensors;
use crate::tensor::DType;

pub(super) const READERS: &Family = &[
    ("", "Abs", unary),
    ("", "Acos", unary),
    ("", "Acosh", unary),
    ("", "Asin", unary),
    ("", "Asinh", unary),
    ("", "Atan", unary),
    ("", "Atanh", unary),
    ("", "Ceil", unary),
    ("", "Cos", unary),
    ("", "Cosh", unary),
    ("", "Erf", unary),
    // Not of the standard: what Keras makes of Gelu.
    ("", "Erfc", unary),
    ("", "Exp", unary),
    ("", "Floor", unary),
    ("", "IsNaN", unary),
    ("", "Log", unary),
    ("", "Neg", unary),
    ("", "Not", unary),
    ("", "Reciprocal", unary),
    ("", "Round", unary),
    ("", "Sign", unary),
    ("", "Sin", unary),
    ("", "Sinh", unary),
    ("", "Sqrt", unary),
    ("", "Tan", unary),
    ("", "Tanh", unary),
    ("", "Add", binary),
    ("", "And", binary),
    ("", "Div", binary),
    ("", "Equal", binary),
    ("", "Greater", binary),
    ("", "GreaterOrEqual", binary),
    ("", "Less", binary),
    ("", "LessOrEqual", binary),
    ("", "Mod", binary),
    ("", "Mul", binary),
    ("", "Or", binary),
    ("", "PRelu", binary),
    ("", "Sub", binary),
    ("", "Xor", binary),
    ("", "Max", variadic),
    ("", "Mean", mean),
    ("", "Min", variadic),
    ("", "Sum", variadic),
    ("", "Cast", cast),
    ("", "CastLike", cast_like),
    ("", "Clip", clip),
    ("", "IsInf", is_inf),
    ("", "Pow", pow),
    ("", "Where", select),
];

fn unary(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let function = unary_function(node.op)?;
    Ok(vec![context.unary(node, function, node.input(0)?)?])
}

fn unary_function(op: &str) -> Result<Unary> {
    Ok(match op {
        "Abs" => Unary::Abs,
        "Acos" => Unary::Acos,
        "Acosh" => Unary::Acosh,
        "Asin" => Unary::Asin,
        "Asinh" => Unary::Asinh,
        "Atan" => Unary::Atan,
        "Atanh" => Unary::Atanh,
        "Ceil" => Unary::Ceil,
        "Cos" => Unary::Cos,
        "Cosh" => Unary::Cosh,
        "Erf" => Unary::Erf,
        "Erfc" => Unary::Erfc,
        "Exp" => Unary::Exp,
        "Floor" => Unary::Floor,
        "IsNaN" => Unary::IsNaN,
        "Log" => Unary::Log,
        "Neg" => Unary::Neg,
        "Not" => Unary::Not,
        "Reciprocal" => Unary::Reciprocal,
        "Round" => Unary::Round,
        "Sign" => Unary::Sign,
        "Sin" => Unary::Sin,
        "Sinh" => Unary::Sinh,
        "Sqrt" => Unary::Sqrt,
        "Tan" => Unary::Tan,
        "Tanh" => Unary::Tanh,
        other => return Err(unsupported(format!("'{other}' is not a function of one number"))),
    })
}

fn binary(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let function = match node.op {
        "Mod" if node.attributes.flag("fmod", false)? => Binary::FMod,
        op => binary_function(op)?,
    };
    let b = aligned(node, context)?;
    Ok(vec![context.binary(node, function, node.input(0)?, b)?])
}

/// The second input. Before opset 7, `axis` says where its first axis lies among those of the first input, and
/// a slope for each channel needs no more axes.
fn aligned(node: &NodeView, context: &mut Context) -> Result<NodeId> {
    let (a, b) = (node.input(0)?, node.input(1)?);
    let (rank, shape) = (context.shape(a).len(), context.shape(b).to_vec());
    let first = match node.op {
        "PRelu" if node.opset < 7 && shape.len() == 1 && rank > 1 => 1,
        _ if node.attributes.has("axis") => axis(node.attributes.int("axis", 0)?, rank)?,
        _ => return Ok(b),
    };
    let after = rank.saturating_sub(first + shape.len());
    context.reshape(node, &[shape, vec![1; after]].concat(), b)
}

fn binary_function(op: &str) -> Result<Binary> {
    Ok(match op {
        "Add" | "Sum" | "Mean" => Binary::Add,
        "And" => Binary::And,
        "Div" => Binary::Div,
        "Equal" => Binary::Equal,
        "Greater" => Binary::Greater,
        "GreaterOrEqual" => Binary::GreaterOrEqual,
        "Less" => Binary::Less,
        "LessOrEqual" => Binary::LessOrEqual,
        "Max" => Binary::Max,
        "Min" => Binary::Min,
        "Mod" => Binary::Mod,
        "Mul" => Binary::Mul,
        "Or" => Binary::Or,
        "PRelu" => Binary::PRelu,
        "Sub" => Binary::Sub,
        "Xor" => Binary::Xor,
        other => return Err(unsupported(format!("'{other}' is not a function of two numbers"))),
    })
}

/// Any number of inputs, one after the other.
fn variadic(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let function = binary_function(node.op)?;
    let inputs = node.all_inputs()?;
    let mut result = node.input(0)?;
    for &next in inputs.iter().skip(1) {
        result = context.binary(node, function, result, next)?;
    }
    Ok(vec![result])
}

fn mean(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let sum = variadic(node, context)?.remove(0);
    let count = context.scalar(node, node.inputs.len() as f64, sum)?;
    Ok(vec![context.binary(node, Binary::Div, sum, count)?])
}

fn cast(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let number = i32::try_from(node.attributes.int("to", 0)?)?;
    Ok(vec![context.cast(node, tensors::dtype(number)?, node.input(0)?)?])
}

fn cast_like(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let dtype = context.dtype(node.input(1)?);
    Ok(vec![context.cast(node, dtype, node.input(0)?)?])
}

/// The bounds are attributes before opset 11, optional inputs since.
fn clip(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let mut x = node.input(0)?;
    for (index, name, function) in [(1, "min", Binary::Max), (2, "max", Binary::Min)] {
        let bound = if node.attributes.has(name) {
            let value = node.attributes.float(name, 0.0)?;
            Some(context.scalar(node, value, x)?)
        } else {
            node.optional(index)
        };
        if let Some(bound) = bound {
            x = context.binary(node, function, x, bound)?;
        }
    }
    Ok(vec![x])
}

fn is_inf(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let x = node.input(0)?;
    let mut result = context.unary(node, Unary::IsInf, x)?;
    let signs = [("detect_negative", Binary::Greater), ("detect_positive", Binary::Less)];
    for (name, other_sign) in signs {
        if !node.attributes.flag(name, true)? {
            let zero = context.scalar(node, 0.0, x)?;
            let wanted = context.binary(node, other_sign, x, zero)?;
            result = context.binary(node, Binary::And, result, wanted)?;
        }
    }
    Ok(vec![result])
}

/// The exponent may have another type than the base, which decides the type of the result.
fn pow(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let (base, exponent) = (node.input(0)?, node.input(1)?);
    let dtype = context.dtype(base);
    let wide = if dtype.is_float() { dtype } else { DType::F64 };
    let base = context.cast(node, wide, base)?;
    let exponent = context.cast(node, wide, exponent)?;
    let power = context.binary(node, Binary::Pow, base, exponent)?;
    Ok(vec![context.cast(node, dtype, power)?])
}

fn select(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let inputs = [node.input(0)?, node.input(1)?, node.input(2)?];
    Ok(vec![context.push(node, Op::Where, &inputs)?])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::trial::{Given, apply, floats, ints, node, with};

    #[test]
    fn bounds_are_attributes_or_inputs() {
        let old = with(node("", "Clip", &["x"], &["y"]), "max", Given::Float(1.0));
        assert_eq!(apply(old, vec![], &[-5.0, 5.0])[0], [-5.0, 1.0]);
        let new = node("", "Clip", &["x", "", "high"], &["y"]);
        assert_eq!(apply(new, vec![floats("high", &[], &[2.0])], &[-5.0, 5.0])[0], [-5.0, 2.0]);
    }

    #[test]
    fn exponents_of_another_type() {
        let pow = node("", "Pow", &["x", "n"], &["y"]);
        assert_eq!(apply(pow, vec![ints("n", &[2])], &[3.0])[0], [9.0]);
    }

    #[test]
    fn any_number_of_inputs() {
        assert_eq!(apply(node("", "Sum", &["x", "x", "x"], &["y"]), vec![], &[2.0])[0], [6.0]);
        assert_eq!(apply(node("", "Mean", &["x", "x"], &["y"]), vec![], &[2.0])[0], [2.0]);
        assert_eq!(apply(node("", "Max", &["x"], &["y"]), vec![], &[2.0])[0], [2.0]);
    }

    #[test]
    fn infinities_of_one_sign() {
        let is_inf = with(node("", "IsInf", &["x"], &["y"]), "detect_negative", Given::Int(0));
        assert_eq!(apply(is_inf, vec![], &[f64::INFINITY, f64::NEG_INFINITY])[0], [1.0, 0.0]);
    }

    #[test]
    fn every_name_in_the_table_has_its_function() {
        for (_, op, _) in READERS {
            let known = unary_function(op).is_ok() || binary_function(op).is_ok();
            let own = ["Cast", "CastLike", "Clip", "IsInf", "Pow", "Where"].contains(op);
            assert!(known != own, "{op}");
        }
    }
}
