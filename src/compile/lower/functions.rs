//! Functions of one number, as tables are made of.

use crate::model::op::{Binary, Quantization, Unary};

/// Functions of one number, applied one after another.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Function {
    /// From the first to the last.
    pub steps: Vec<Step>,
}

/// A function of one number.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// A function of the model.
    Unary(Unary),
    /// A function of the number and a constant.
    WithRight(Binary, f64),
    /// A function of a constant and the number.
    WithLeft(f64, Binary),
    /// A multiple of the number, and a constant added.
    Affine { factor: f64, shift: f64 },
    /// The square.
    Square,
    /// Quantization with this scale and zero point.
    Quantize { quantization: Quantization, scale: f64, zero_point: f64 },
    /// A multiple of the number, a constant, and multiples of functions of the number.
    Sum { factor: f64, shift: f64, parts: Vec<(f64, Function)> },
    /// What functions of the number give together.
    Joined { joint: Joint, parts: Vec<Function> },
}

/// A function of several numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Joint {
    /// Of two.
    Binary(Binary),
    /// Of three: the second one where the first is not 0, else the third.
    Where,
}

impl Function {
    /// One step.
    pub fn of(step: Step) -> Self {
        Self { steps: vec![step] }
    }

    /// A multiple of the number, and a constant added.
    pub fn affine(factor: f64, shift: f64) -> Self {
        match (factor, shift) {
            (1.0, 0.0) => Self::default(),
            _ => Self::of(Step::Affine { factor, shift }),
        }
    }

    /// This and another one after it.
    pub fn then(mut self, next: Self) -> Self {
        self.steps.extend(next.steps);
        self
    }

    /// The value for a number.
    pub fn at(&self, x: f64) -> f64 {
        self.steps.iter().fold(x, |x, step| step.at(x))
    }
}

impl Step {
    /// The value for a number.
    pub fn at(&self, x: f64) -> f64 {
        match self {
            Self::Unary(function) => function.at(x),
            Self::WithRight(function, constant) => function.at(x, *constant),
            Self::WithLeft(constant, function) => function.at(*constant, x),
            Self::Affine { factor, shift } => factor * x + shift,
            Self::Square => x * x,
            Self::Quantize { quantization, scale, zero_point } => {
                // Quotients are of single precision in every runtime.
                let quotient = f64::from((x / scale) as f32);
                let moved = match quantization.zero_point_first {
                    true => quantization.rounding.at(quotient + zero_point),
                    false => quantization.rounding.at(quotient) + zero_point,
                };
                moved.max(quantization.low as f64).min(quantization.high as f64)
            }
            Self::Sum { factor, shift, parts } => {
                parts.iter().fold(factor * x + shift, |sum, (weight, part)| sum + weight * part.at(x))
            }
            Self::Joined { joint, parts } => joint.at(parts, x),
        }
    }
}

impl Joint {
    fn at(self, parts: &[Function], x: f64) -> f64 {
        match (self, parts) {
            (Self::Binary(function), [a, b]) => function.at(a.at(x), b.at(x)),
            (Self::Where, [condition, a, b]) => {
                if condition.at(x) != 0.0 {
                    a.at(x)
                } else {
                    b.at(x)
                }
            }
            // Joints come with as many parts as they take.
            (Self::Binary(_) | Self::Where, _) => f64::NAN,
        }
    }
}
