//! Functions of single numbers.

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::binary::larger;
use crate::tensor::{DType, Tensor};

/// A function of one number. Files tell variants by their order, so new ones come last.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Unary {
    Abs,
    Acos,
    Acosh,
    Asin,
    Asinh,
    Atan,
    Atanh,
    Ceil,
    Cos,
    Cosh,
    Erf,
    Erfc,
    Exp,
    Floor,
    IsInf,
    IsNaN,
    Log,
    Neg,
    Not,
    Reciprocal,
    Relu,
    /// To the nearest integer, halves to the even one.
    Round,
    Sigmoid,
    /// 1, 0 or -1; NaN stays.
    Sign,
    Sin,
    Sinh,
    Softplus,
    Softsign,
    Sqrt,
    Tan,
    Tanh,
    /// x for x >= 0, `alpha (exp(x) - 1)` below.
    Elu {
        alpha: f64,
    },
    /// x for x >= 0, `alpha x` below.
    LeakyRelu {
        alpha: f64,
    },
    /// `max(0, min(1, alpha x + beta))`.
    HardSigmoid {
        alpha: f64,
        beta: f64,
    },
    /// `gamma x` for x >= 0, `gamma alpha (exp(x) - 1)` below.
    Selu {
        alpha: f64,
        gamma: f64,
    },
    /// The inverse of the normal distribution function, as onnxruntime approximates it: with an
    /// error of up to 2e-3 of the value.
    Probit,
    /// x for x >= 0, `alpha (exp(x / alpha) - 1)` below.
    Celu {
        alpha: f64,
    },
    /// x for x > alpha, else 0.
    ThresholdedRelu {
        alpha: f64,
    },
    /// `x + bias` for x < -lambda, `x - bias` for x > lambda, else 0.
    Shrink {
        bias: f64,
        lambda: f64,
    },
    /// x times the normal distribution function.
    Gelu,
    /// [`Unary::Gelu`] by tanh: `x / 2 (1 + tanh(sqrt(2 / π) (x + 0.044715 x³)))`.
    GeluTanh,
    /// `x max(0, min(1, x / 6 + 1 / 2))`.
    HardSwish,
    /// `x tanh(softplus(x))`.
    Mish,
    /// `x sigmoid(alpha x)`.
    Swish {
        alpha: f64,
    },
}

impl Unary {
    /// The function of every element.
    ///
    /// # Errors
    /// If the tensor holds text.
    pub fn evaluate(self, input: &Tensor) -> Result<Tensor> {
        Tensor::numbers(self.result_dtype(input.dtype()), input.as_numbers()?.mapv(|x| self.at(x)))
    }

    /// The function of one number, not rounded to any element type.
    pub fn at(self, x: f64) -> f64 {
        match self {
            Self::Abs => x.abs(),
            Self::Acos => x.acos(),
            Self::Acosh => x.acosh(),
            Self::Asin => x.asin(),
            Self::Asinh => x.asinh(),
            Self::Atan => x.atan(),
            Self::Atanh => x.atanh(),
            Self::Ceil => x.ceil(),
            Self::Cos => x.cos(),
            Self::Cosh => x.cosh(),
            Self::Erf => libm::erf(x),
            Self::Erfc => libm::erfc(x),
            Self::Exp => x.exp(),
            Self::Floor => x.floor(),
            Self::IsInf => truth(x.is_infinite()),
            Self::IsNaN => truth(x.is_nan()),
            Self::Log => x.ln(),
            Self::Neg => -x,
            Self::Not => truth(x == 0.0),
            Self::Reciprocal => x.recip(),
            Self::Relu => larger(x, 0.0),
            Self::Round => x.round_ties_even(),
            Self::Sigmoid => sigmoid(x),
            Self::Sign => sign(x),
            Self::Sin => x.sin(),
            Self::Sinh => x.sinh(),
            Self::Softplus => softplus(x),
            Self::Softsign => x / (1.0 + x.abs()),
            Self::Sqrt => x.sqrt(),
            Self::Tan => x.tan(),
            Self::Tanh => x.tanh(),
            Self::Elu { alpha } => below_zero(x, |x| alpha * x.exp_m1()),
            Self::LeakyRelu { alpha } => below_zero(x, |x| alpha * x),
            Self::HardSigmoid { alpha, beta } => (alpha * x + beta).clamp(0.0, 1.0),
            Self::Selu { alpha, gamma } => gamma * below_zero(x, |x| alpha * x.exp_m1()),
            Self::Celu { alpha } => below_zero(x, |x| alpha * (x / alpha).exp_m1()),
            Self::ThresholdedRelu { alpha } => above(x, alpha, |x| x),
            Self::Shrink { bias, lambda } => {
                above(x, lambda, |x| x - bias) - above(-x, lambda, |minus_x| minus_x - bias)
            }
            Self::Gelu => x * 0.5 * (1.0 + libm::erf(x / std::f64::consts::SQRT_2)),
            Self::GeluTanh => x * 0.5 * (1.0 + gelu_inner(x).tanh()),
            Self::HardSwish => x * (x / 6.0 + 0.5).clamp(0.0, 1.0),
            Self::Mish => x * softplus(x).tanh(),
            Self::Swish { alpha } => x * sigmoid(alpha * x),
            Self::Probit => probit(x),
        }
    }

    fn result_dtype(self, input: DType) -> DType {
        if matches!(self, Self::IsInf | Self::IsNaN | Self::Not) { DType::Bool } else { input }
    }
}

fn truth(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}

/// `x`, or `function(x)` where it is negative.
fn below_zero(x: f64, function: impl Fn(f64) -> f64) -> f64 {
    if x < 0.0 { function(x) } else { x }
}

/// The function of x above a bound, 0 up to it; NaN stays.
fn above(x: f64, bound: f64, function: impl Fn(f64) -> f64) -> f64 {
    if x > bound || x.is_nan() { function(x) } else { 0.0 }
}

/// The exponential is taken of a negative number only, so it never overflows.
fn softplus(x: f64) -> f64 {
    larger(x, 0.0) + (-x.abs()).exp().ln_1p()
}

fn gelu_inner(x: f64) -> f64 {
    (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3))
}

fn sign(x: f64) -> f64 {
    // Not `signum`: that has no zero.
    if x == 0.0 || x.is_nan() { x } else { x.signum() }
}

/// The exponential is taken of a negative number only, so it never overflows.
fn sigmoid(x: f64) -> f64 {
    let small = (-x.abs()).exp();
    if x < 0.0 { small / (1.0 + small) } else { 1.0 / (1.0 + small) }
}

/// The square root of 2 times the inverse error function of `2 p - 1`, by Winitzki's formula.
fn probit(p: f64) -> f64 {
    const A: f64 = 0.147;
    let x = 2.0 * p - 1.0;
    let log = ((1.0 - x) * (1.0 + x)).ln();
    let half = 2.0 / (std::f64::consts::PI * A) + 0.5 * log;
    let magnitude = ((half * half - log / A).sqrt() - half).sqrt();
    std::f64::consts::SQRT_2 * magnitude.copysign(x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::arr1;

    fn close(left: f64, right: f64) {
        assert!((left - right).abs() <= 1e-12, "{left} is not {right}");
    }

    #[test]
    fn known_values() {
        close(Unary::Erf.at(0.5), 0.520_499_877_813_046_5);
        close(Unary::Erf.at(-2.0), -0.995_322_265_018_952_7);
        close(Unary::Erfc.at(-2.0), 1.995_322_265_018_952_7);
        close(Unary::Sigmoid.at(1.0), 0.731_058_578_630_004_9);
        close(Unary::Softplus.at(0.0), std::f64::consts::LN_2);
        close(Unary::Softsign.at(-3.0), -0.75);
        close(Unary::Elu { alpha: 2.0 }.at(-1.0), 2.0 * ((-1.0_f64).exp() - 1.0));
        close(Unary::LeakyRelu { alpha: 0.1 }.at(-2.0), -0.2);
        close(Unary::HardSigmoid { alpha: 0.2, beta: 0.5 }.at(1.0), 0.7);
        close(Unary::HardSigmoid { alpha: 0.2, beta: 0.5 }.at(9.0), 1.0);
        close(Unary::Selu { alpha: 1.5, gamma: 2.0 }.at(3.0), 6.0);
        close(Unary::Celu { alpha: 2.0 }.at(-1.0), 2.0 * ((-0.5_f64).exp() - 1.0));
        close(Unary::Gelu.at(1.0), 0.841_344_746_068_542_9);
        assert!((Unary::GeluTanh.at(1.0) - 0.841_191_99).abs() < 1e-8);
        close(Unary::HardSwish.at(1.0), 2.0 / 3.0);
        close(Unary::Mish.at(0.0), 0.0);
        close(Unary::Swish { alpha: 1.0 }.at(1.0), 0.731_058_578_630_004_9);
    }

    #[test]
    fn thresholds_are_not_passed_by_what_equals_them() {
        let relu = Unary::ThresholdedRelu { alpha: 1.0 };
        assert_eq!([0.5, 1.0, 1.5].map(|x| relu.at(x)), [0.0, 0.0, 1.5]);
        let shrink = Unary::Shrink { bias: 0.5, lambda: 1.0 };
        assert_eq!([-2.0, -1.0, 0.0, 1.0, 2.0].map(|x| shrink.at(x)), [-1.5, 0.0, 0.0, 0.0, 1.5]);
    }

    #[test]
    fn halves_round_to_even() {
        let rounded = [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5].map(|x| Unary::Round.at(x));
        assert_eq!(rounded, [-2.0, -2.0, 0.0, 0.0, 2.0, 2.0]);
    }

    #[test]
    fn large_arguments_do_not_overflow() {
        assert_eq!(Unary::Sigmoid.at(-1e4), 0.0);
        assert_eq!(Unary::Sigmoid.at(1e4), 1.0);
        assert_eq!(Unary::Softplus.at(1e4), 1e4);
        assert_eq!(Unary::Softplus.at(-1e4), 0.0);
    }

    #[test]
    fn nan_stays_nan() {
        for function in [
            Unary::Relu,
            Unary::ThresholdedRelu { alpha: 1.0 },
            Unary::Mish,
            Unary::Sign,
            Unary::Sigmoid,
            Unary::Softplus,
            Unary::Elu { alpha: 1.0 },
        ] {
            assert!(function.at(f64::NAN).is_nan(), "{function:?}");
        }
    }

    #[test]
    fn probit_is_close_to_the_normal_quantile() {
        assert!(Unary::Probit.at(0.5).abs() < 1e-12);
        assert!((Unary::Probit.at(0.975) - 1.959_964).abs() < 4e-3);
        assert!((Unary::Probit.at(0.1) + 1.281_552).abs() < 4e-3);
        assert_eq!(Unary::Probit.at(0.0), f64::NEG_INFINITY);
        assert!(Unary::Probit.at(1.5).is_nan());
    }

    #[test]
    fn tests_give_booleans_and_the_rest_keep_their_type() {
        let input = Tensor::numbers(DType::F32, arr1(&[f64::NAN, f64::INFINITY, -0.5]).into_dyn()).unwrap();
        let nan = Unary::IsNaN.evaluate(&input).unwrap();
        assert_eq!(
            (nan.dtype(), nan.as_numbers().unwrap()),
            (DType::Bool, &arr1(&[1.0, 0.0, 0.0]).into_dyn())
        );
        let infinite = Unary::IsInf.evaluate(&input).unwrap();
        assert_eq!(infinite.as_numbers().unwrap(), &arr1(&[0.0, 1.0, 0.0]).into_dyn());
        let not = Unary::Not.evaluate(&nan).unwrap();
        assert_eq!((not.dtype(), not.as_numbers().unwrap()[[0]]), (DType::Bool, 0.0));
        assert_eq!(Unary::Exp.evaluate(&input).unwrap().dtype(), DType::F32);
    }
}
