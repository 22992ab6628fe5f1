//! The functions that stand between layers.

use anyhow::{Result, bail};

use super::Family;
use crate::model::NodeId;
use crate::model::op::Unary;
use crate::onnx::context::Context;
use crate::onnx::node::NodeView;
use crate::onnx::problem::unsupported;

pub(super) const READERS: &Family = &[
    ("", "Celu", activation),
    ("", "Elu", activation),
    ("", "Gelu", activation),
    ("", "HardSigmoid", activation),
    ("", "HardSwish", activation),
    ("", "LeakyRelu", activation),
    ("", "Mish", activation),
    ("", "Relu", activation),
    ("", "Selu", activation),
    ("", "Shrink", activation),
    ("", "Sigmoid", activation),
    ("", "Softplus", activation),
    ("", "Softsign", activation),
    ("", "Swish", activation),
    ("", "ThresholdedRelu", activation),
];

fn activation(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let function = function(node)?;
    Ok(vec![context.unary(node, function, node.input(0)?)?])
}

fn function(node: &NodeView) -> Result<Unary> {
    let number = |name: &str, default: f64| node.attributes.float(name, default);
    let alpha = |default: f64| number("alpha", default);
    Ok(match node.op {
        "Celu" if alpha(1.0)? == 0.0 => bail!("its 'alpha' is 0"),
        "Celu" => Unary::Celu { alpha: alpha(1.0)? },
        "Elu" => Unary::Elu { alpha: alpha(1.0)? },
        "Gelu" => match node.attributes.text("approximate", "none")?.as_str() {
            "none" => Unary::Gelu,
            "tanh" => Unary::GeluTanh,
            other => return Err(unsupported(format!("'approximate' is '{other}', expected none or tanh"))),
        },
        "HardSigmoid" => Unary::HardSigmoid { alpha: alpha(0.2)?, beta: number("beta", 0.5)? },
        "HardSwish" => Unary::HardSwish,
        "LeakyRelu" => Unary::LeakyRelu { alpha: alpha(0.01)? },
        "Mish" => Unary::Mish,
        "Relu" => Unary::Relu,
        "Selu" => Unary::Selu {
            alpha: alpha(1.673_263_192_176_818_8)?,
            gamma: number("gamma", 1.050_701_022_148_132_3)?,
        },
        "Shrink" => Unary::Shrink { bias: number("bias", 0.0)?, lambda: number("lambd", 0.5)? },
        "Sigmoid" => Unary::Sigmoid,
        "Softplus" => Unary::Softplus,
        "Softsign" => Unary::Softsign,
        "Swish" => Unary::Swish { alpha: alpha(1.0)? },
        "ThresholdedRelu" => Unary::ThresholdedRelu { alpha: alpha(1.0)? },
        other => return Err(unsupported(format!("'{other}' is not an activation"))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::trial::{Given, apply, assert_near, node, with};

    #[test]
    fn gelu_exact_and_by_tanh() {
        let gelu = node("", "Gelu", &["x"], &["y"]);
        assert_near(&apply(gelu.clone(), vec![], &[1.0])[0], &[0.841_344_7]);
        assert_near(&apply(with(gelu, "approximate", Given::Text("tanh")), vec![], &[1.0])[0], &[0.841_192]);
    }

    #[test]
    fn every_name_in_the_table_has_its_function() {
        for (_, op, _) in READERS {
            let result = apply(node("", op, &["x"], &["y"]), vec![], &[0.0]);
            assert!(result[0][0].is_finite(), "{op}");
        }
    }
}
