//! The names of operators in messages and reports: those of ONNX.

use std::fmt;

use super::{Binary, Move, Op, Reduction, Unary};

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Op {
    /// The name of the ONNX operator that says the same.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Input(_) => "Input",
            Self::Constant(_) => "Constant",
            Self::Unary(function) => function.name(),
            Self::Binary(function) => function.name(),
            Self::Where => "Where",
            Self::Cast(_) => "Cast",
            Self::MatMul => "MatMul",
            Self::Conv { .. } => "Conv",
            Self::Pool { reduction, .. } => reduction.pool_name(),
            Self::Quantize(_) => "QuantizeLinear",
            Self::Move(rule) => rule.name(),
            Self::Concat { .. } => "Concat",
            Self::Gather { .. } => "Gather",
            Self::Reduce { reduction, .. } => reduction.name(),
            Self::ArgExtreme { largest: true, .. } => "ArgMax",
            Self::ArgExtreme { largest: false, .. } => "ArgMin",
            Self::Softmax { .. } => "Softmax",
            Self::LogSoftmax { .. } => "LogSoftmax",
            Self::Hardmax { .. } => "Hardmax",
            Self::Normalize { .. } => "Normalizer",
            Self::OneHot(_) => "OneHotEncoder",
            Self::Map(_) => "LabelEncoder",
            Self::Trees(_) => "TreeEnsemble",
            Self::TopK { .. } => "TopK",
            Self::PairProbabilities(_) => "SVMClassifier",
        }
    }
}

impl Unary {
    fn name(self) -> &'static str {
        match self {
            Self::Abs => "Abs",
            Self::Acos => "Acos",
            Self::Acosh => "Acosh",
            Self::Asin => "Asin",
            Self::Asinh => "Asinh",
            Self::Atan => "Atan",
            Self::Atanh => "Atanh",
            Self::Ceil => "Ceil",
            Self::Cos => "Cos",
            Self::Cosh => "Cosh",
            Self::Erf => "Erf",
            Self::Erfc => "Erfc",
            Self::Exp => "Exp",
            Self::Floor => "Floor",
            Self::IsInf => "IsInf",
            Self::IsNaN => "IsNaN",
            Self::Log => "Log",
            Self::Neg => "Neg",
            Self::Not => "Not",
            Self::Reciprocal => "Reciprocal",
            Self::Relu => "Relu",
            Self::Round => "Round",
            Self::Sigmoid => "Sigmoid",
            Self::Sign => "Sign",
            Self::Sin => "Sin",
            Self::Sinh => "Sinh",
            Self::Softplus => "Softplus",
            Self::Softsign => "Softsign",
            Self::Sqrt => "Sqrt",
            Self::Tan => "Tan",
            Self::Tanh => "Tanh",
            Self::Elu { .. } => "Elu",
            Self::LeakyRelu { .. } => "LeakyRelu",
            Self::HardSigmoid { .. } => "HardSigmoid",
            Self::Selu { .. } => "Selu",
            Self::Celu { .. } => "Celu",
            Self::ThresholdedRelu { .. } => "ThresholdedRelu",
            Self::Shrink { .. } => "Shrink",
            Self::Gelu | Self::GeluTanh => "Gelu",
            Self::HardSwish => "HardSwish",
            Self::Mish => "Mish",
            Self::Swish { .. } => "Swish",
            Self::Probit => "Probit",
        }
    }
}

impl Binary {
    fn name(self) -> &'static str {
        match self {
            Self::Add => "Add",
            Self::Sub => "Sub",
            Self::Mul => "Mul",
            Self::Div => "Div",
            Self::Pow => "Pow",
            Self::Min => "Min",
            Self::Max => "Max",
            Self::Mod | Self::FMod => "Mod",
            Self::Equal => "Equal",
            Self::Greater => "Greater",
            Self::GreaterOrEqual => "GreaterOrEqual",
            Self::Less => "Less",
            Self::LessOrEqual => "LessOrEqual",
            Self::And => "And",
            Self::Or => "Or",
            Self::Xor => "Xor",
            Self::PRelu => "PRelu",
        }
    }
}

impl Move {
    fn name(&self) -> &'static str {
        match self {
            Self::Reshape { .. } => "Reshape",
            Self::Transpose { .. } => "Transpose",
            Self::Slice { .. } => "Slice",
            Self::Expand { .. } => "Expand",
            Self::Tile { .. } => "Tile",
        }
    }
}

impl Reduction {
    fn name(self) -> &'static str {
        match self {
            Self::Sum => "ReduceSum",
            Self::Mean => "ReduceMean",
            Self::Min => "ReduceMin",
            Self::Max => "ReduceMax",
            Self::Product => "ReduceProd",
            Self::L1 => "ReduceL1",
            Self::L2 => "ReduceL2",
            Self::SumSquare => "ReduceSumSquare",
            Self::LogSum => "ReduceLogSum",
            Self::LogSumExp => "ReduceLogSumExp",
        }
    }

    fn pool_name(self) -> &'static str {
        match self {
            Self::Max => "MaxPool",
            Self::Sum | Self::Mean => "AveragePool",
            Self::L1 | Self::L2 => "LpPool",
            Self::Min | Self::Product | Self::SumSquare | Self::LogSum | Self::LogSumExp => "Pool",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_are_called_as_in_onnx() {
        assert_eq!(Op::Unary(Unary::LeakyRelu { alpha: 0.1 }).to_string(), "LeakyRelu");
        assert_eq!(Op::Binary(Binary::FMod).to_string(), "Mod");
        assert_eq!(Op::Move(Move::Tile { repeats: Vec::new() }).to_string(), "Tile");
        let reduce = Op::Reduce { reduction: Reduction::Product, axes: vec![1], keep_dims: false };
        assert_eq!(reduce.to_string(), "ReduceProd");
        let smallest = Op::ArgExtreme { largest: false, last: false, axis: 1, keep_dims: true };
        assert_eq!(smallest.to_string(), "ArgMin");
    }
}
