//! Functions of single numbers that the core looks up: each result is a new variable.

use std::collections::HashMap;

use anyhow::{Result, bail};

use super::form::{Form, Terms};
use crate::model::op::{Binary, Quantization, Unary};

/// More lookups than this are a sign of a model that will never be run encrypted.
const MAX_LOOKUPS: usize = 1 << 20;

/// The lookups of a core, in the order in which they can be computed.
#[derive(Debug)]
pub struct Lookups {
    /// Variables before those of lookups.
    inputs: u32,
    list: Vec<LookupForm>,
    known: HashMap<Key, u32>,
}

/// What makes two lookups one: function, constant and weights, to the last bit.
type Key = (String, u64, Vec<(u32, u64)>);

/// A function of a form; its result is a variable.
#[derive(Clone, Debug)]
pub struct LookupForm {
    /// The node that asked for it first.
    pub node: String,
    /// What is looked up.
    pub form: Form,
    /// Where.
    pub function: Function,
}

/// Functions of one number, applied one after another.
#[derive(Clone, Debug, Default)]
pub struct Function {
    steps: Vec<Step>,
}

/// A function of one number.
#[derive(Clone, Copy, Debug)]
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
}

impl Lookups {
    /// No lookups, on so many variables.
    pub fn new(inputs: usize) -> Self {
        Self { inputs: inputs as u32, list: Vec::new(), known: HashMap::new() }
    }

    /// All of them.
    pub fn into_list(self) -> Vec<LookupForm> {
        self.list
    }

    /// A function of a form, as a form: a constant, or a new variable. What is a multiple of a looked-up value is
    /// not looked up again: the functions follow each other in one table.
    ///
    /// # Errors
    /// If there are too many lookups.
    pub fn apply(&mut self, terms: &mut Terms, node: &str, form: &Form, step: Step) -> Result<Form> {
        let weights: Vec<(u32, f64)> = form.weights.iter().copied().filter(|(_, w)| *w != 0.0).collect();
        let (form, mut function) = match weights.as_slice() {
            [] => return Ok(Form::constant(step.at(form.constant))),
            [(term, factor)] if *term >= self.inputs => {
                // Terms after the inputs are those of lookups.
                let source = &self.list[(*term - self.inputs) as usize];
                let mut function = source.function.clone();
                function.steps.push(Step::Affine { factor: *factor, shift: form.constant });
                (source.form.clone(), function)
            }
            _ => (Form { constant: form.constant, weights }, Function::default()),
        };
        function.steps.push(step);
        let bits = form.weights.iter().map(|(term, weight)| (*term, weight.to_bits())).collect();
        let key = (format!("{:?}", function.steps), form.constant.to_bits(), bits);
        let term = match self.known.get(&key) {
            Some(term) => *term,
            None => {
                if self.list.len() >= MAX_LOOKUPS {
                    bail!("the model looks up more than {MAX_LOOKUPS} numbers a row");
                }
                let term = terms.number(vec![self.inputs + self.list.len() as u32])?;
                self.list.push(LookupForm { node: node.to_owned(), form, function });
                self.known.insert(key, term);
                term
            }
        };
        Ok(Form { constant: 0.0, weights: vec![(term, 1.0)] })
    }
}

impl Function {
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
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_of_one_looked_up_value_share_a_table() {
        let (mut terms, mut lookups) = (Terms::default(), Lookups::new(2));
        let x = Form { constant: 1.0, weights: vec![(0, 2.0), (1, -1.0)] };
        for variable in [0, 1] {
            terms.number(vec![variable]).unwrap();
        }
        let relu = lookups.apply(&mut terms, "relu", &x, Step::Unary(Unary::Relu)).unwrap();
        let again = lookups.apply(&mut terms, "twin", &x, Step::Unary(Unary::Relu)).unwrap();
        assert_eq!(relu, again);
        let tanh = lookups.apply(&mut terms, "tanh", &relu.scaled(0.5), Step::Unary(Unary::Tanh)).unwrap();
        assert_eq!(tanh.weights, [(3, 1.0)]);
        let list = lookups.into_list();
        assert_eq!(list[1].form, list[0].form);
        assert_eq!(list[1].function.at(-3.0), 0.0);
        assert_eq!(list[1].function.at(3.0), 1.5_f64.tanh());
    }

    #[test]
    fn functions_of_constants_are_constants() {
        let (mut terms, mut lookups) = (Terms::default(), Lookups::new(0));
        let found = lookups.apply(&mut terms, "relu", &Form::constant(-2.0), Step::Unary(Unary::Relu));
        assert_eq!(found.unwrap(), Form::constant(0.0));
    }
}
