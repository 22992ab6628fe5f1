//! Functions of pairs and triples of elements: affine ones, and lookups.

use anyhow::{Context, Result, bail};
use ndarray::{ArrayD, IxDyn};

use super::form::Form;
use super::functions::{Joint, Step};
use super::linear::{Lowering, broadcast};
use crate::compile::split::small_power;
use crate::model::Node;
use crate::model::op::{Binary, Unary};

impl Lowering<'_> {
    pub(super) fn binary(
        &mut self,
        function: Binary,
        node: &Node,
        inputs: &[ArrayD<Form>],
    ) -> Result<ArrayD<Form>> {
        if function == Binary::Pow && self.lookups.is_none() {
            let exponent = small_power(self.model, node).context("the exponent is not a small constant")?;
            let base = broadcast(&inputs[0], &node.shape)?;
            return base
                .iter()
                .map(|form| self.power(form, exponent))
                .collect::<Result<_>>()
                .and_then(|forms| Ok(ArrayD::from_shape_vec(IxDyn(&node.shape), forms)?));
        }
        let [a, b] = [broadcast(&inputs[0], &node.shape)?, broadcast(&inputs[1], &node.shape)?];
        let pairs = a.iter().zip(b.iter());
        let forms = pairs.map(|(a, b)| self.pair(function, node, a, b)).collect::<Result<_>>()?;
        Ok(ArrayD::from_shape_vec(IxDyn(&node.shape), forms)?)
    }

    fn pair(&mut self, function: Binary, node: &Node, a: &Form, b: &Form) -> Result<Form> {
        let constants = (a.is_constant(), b.is_constant());
        match (function, constants) {
            (Binary::Add | Binary::Sub, _) => {
                let mut sum = a.clone();
                sum.add(b, if function == Binary::Add { 1.0 } else { -1.0 });
                Ok(sum)
            }
            (Binary::Mul, (true, _)) => Ok(b.scaled(a.constant)),
            (Binary::Mul, (_, true)) => Ok(a.scaled(b.constant)),
            (Binary::Mul, _) if self.lookups.is_none() => self.terms.multiply(a, b),
            (Binary::Div, (_, true)) => Ok(a.scaled(1.0 / b.constant)),
            (_, (_, true)) => self.look_up(node, a, Step::WithRight(function, b.constant)),
            (_, (true, _)) => self.look_up(node, b, Step::WithLeft(a.constant, function)),
            (_, _) => match self.joined(node, &[a, b], Joint::Binary(function))? {
                Some(form) => Ok(form),
                None => self.encrypted_pair(function, node, a, b),
            },
        }
    }

    /// A function of two encrypted numbers that have little to do with each other.
    fn encrypted_pair(&mut self, function: Binary, node: &Node, a: &Form, b: &Form) -> Result<Form> {
        let sum = |sign: f64| {
            let mut sum = a.clone();
            sum.add(b, sign);
            sum
        };
        match function {
            Binary::Mul => self.product(node, a, b),
            Binary::Div => {
                let reciprocal = self.look_up(node, b, Step::WithLeft(1.0, Binary::Div))?;
                self.product(node, a, &reciprocal)
            }
            Binary::Max | Binary::Min => self.extreme(node, &[a, b], function == Binary::Max),
            Binary::Greater | Binary::GreaterOrEqual | Binary::Less | Binary::LessOrEqual => {
                self.look_up(node, &sum(-1.0), Step::WithRight(function, 0.0))
            }
            // Truth is 1: both are if the sum is 2, one is if it is 1.
            Binary::And => self.look_up(node, &sum(1.0), Step::WithRight(Binary::Greater, 1.5)),
            Binary::Or => self.look_up(node, &sum(1.0), Step::WithRight(Binary::Greater, 0.5)),
            Binary::Xor => {
                let difference = self.look_up(node, &sum(-1.0), Step::Unary(Unary::Abs))?;
                self.look_up(node, &difference, Step::WithRight(Binary::Greater, 0.5))
            }
            other => bail!("{other:?} of two encrypted numbers is not supported"),
        }
    }

    /// The second of three where the first is true, else the third.
    pub(super) fn choice(&mut self, node: &Node, inputs: &[ArrayD<Form>]) -> Result<ArrayD<Form>> {
        let inputs = inputs.iter().map(|forms| broadcast(forms, &node.shape)).collect::<Result<Vec<_>>>()?;
        let [condition, a, b] = inputs.as_slice() else { bail!("it has {} inputs", inputs.len()) };
        let triples = condition.iter().zip(a.iter().zip(b.iter()));
        let forms = triples.map(|(condition, (a, b))| self.chosen(node, condition, a, b));
        Ok(ArrayD::from_shape_vec(IxDyn(&node.shape), forms.collect::<Result<_>>()?)?)
    }

    fn chosen(&mut self, node: &Node, condition: &Form, a: &Form, b: &Form) -> Result<Form> {
        if condition.is_constant() {
            return Ok(if condition.constant == 0.0 { b.clone() } else { a.clone() });
        }
        if let Some(form) = self.joined(node, &[condition, a, b], Joint::Where)? {
            return Ok(form);
        }
        let mut more = a.clone();
        more.add(b, -1.0);
        let mut chosen = match more.is_constant() {
            true => condition.scaled(more.constant),
            false => self.product(node, condition, &more)?,
        };
        chosen.add(b, 1.0);
        Ok(chosen)
    }

    fn joined(&mut self, node: &Node, forms: &[&Form], joint: Joint) -> Result<Option<Form>> {
        match &mut self.lookups {
            Some(lookups) => lookups.join(&mut self.terms, &node.name, forms, joint),
            None => Ok(None),
        }
    }

    /// A product of two encrypted numbers: a quarter of the difference of two squares.
    fn product(&mut self, node: &Node, a: &Form, b: &Form) -> Result<Form> {
        let (mut sum, mut difference) = (a.clone(), a.clone());
        sum.add(b, 1.0);
        difference.add(b, -1.0);
        let mut product = self.look_up(node, &sum, Step::Square)?.scaled(0.25);
        product.add(&self.look_up(node, &difference, Step::Square)?, -0.25);
        Ok(product)
    }

    /// The largest or smallest of some numbers: of two, one and what the other one has more.
    pub(super) fn extreme(&mut self, node: &Node, forms: &[&Form], largest: bool) -> Result<Form> {
        match forms {
            [] => bail!("the extreme of no numbers"),
            [one] => Ok((*one).clone()),
            _ => {
                let (front, back) = forms.split_at(forms.len() / 2);
                let a = self.extreme(node, front, largest)?;
                let mut b = self.extreme(node, back, largest)?;
                let sign = if largest { 1.0 } else { -1.0 };
                let mut more = a.scaled(sign);
                more.add(&b, -sign);
                b.add(&self.look_up(node, &more, Step::Unary(Unary::Relu))?, sign);
                Ok(b)
            }
        }
    }

    pub(super) fn look_up(&mut self, node: &Node, form: &Form, step: Step) -> Result<Form> {
        match &mut self.lookups {
            Some(lookups) => lookups.apply(&mut self.terms, &node.name, form, step),
            None if form.weights.is_empty() => Ok(Form::constant(step.at(form.constant))),
            None => bail!("{step:?} is not a polynomial"),
        }
    }
}
