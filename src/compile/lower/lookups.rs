//! Functions of single numbers that the core looks up: each result is a new variable.

use std::collections::HashMap;

use anyhow::{Result, bail};

use super::form::{Form, Terms};
use super::functions::{Function, Joint, Step};

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

impl Lookups {
    /// No lookups, on so many variables.
    pub fn new(inputs: usize) -> Self {
        Self { inputs: inputs as u32, list: Vec::new(), known: HashMap::new() }
    }

    /// All of them.
    pub fn into_list(self) -> Vec<LookupForm> {
        self.list
    }

    /// A function of a form, as a form: a constant, or a new variable. What is made of one looked-up form and
    /// nothing else is not looked up again: the functions follow each other in one table.
    ///
    /// # Errors
    /// If there are too many lookups.
    pub fn apply(&mut self, terms: &mut Terms, node: &str, form: &Form, step: Step) -> Result<Form> {
        if form.is_constant() {
            return Ok(Form::constant(step.at(form.constant)));
        }
        let (base, function) = self.reading(form);
        self.look_up(terms, node, base, function.then(Function::of(step)))
    }

    /// A function of several forms that are all made of one form and nothing else: one lookup of that. `None` if
    /// they are not.
    ///
    /// # Errors
    /// If there are too many lookups.
    pub fn join(
        &mut self,
        terms: &mut Terms,
        node: &str,
        forms: &[&Form],
        joint: Joint,
    ) -> Result<Option<Form>> {
        let parts_of = |base: &Form| -> Option<Vec<Function>> {
            forms.iter().map(|form| self.as_function_of(form, base)).collect()
        };
        let bases = forms.iter().filter(|form| !form.is_constant()).map(|form| self.reading(form).0);
        let found = bases.into_iter().find_map(|base| parts_of(&base).map(|parts| (base, parts)));
        match found {
            None => Ok(None),
            Some((base, parts)) => {
                let function = Function::of(Step::Joined { joint, parts });
                self.look_up(terms, node, base, function).map(Some)
            }
        }
    }

    /// The form that a form is a function of.
    fn reading(&self, form: &Form) -> (Form, Function) {
        // Lookups come after what they read: what all parts are made of, the last one is.
        let last = form.weights.iter().rfind(|(_, weight)| *weight != 0.0);
        let base = last.and_then(|(term, _)| self.lookup(*term)).map(|lookup| lookup.form.clone());
        let function = base.as_ref().and_then(|base| self.as_function_of(form, base));
        match (base, function) {
            (Some(base), Some(function)) => (base, function),
            _ => (form.without_zeros(), Function::default()),
        }
    }

    /// A form as a function of another one, if it is made of that and nothing else.
    fn as_function_of(&self, form: &Form, base: &Form) -> Option<Function> {
        let (mut parts, mut rest) = (Vec::new(), Form::default());
        for (term, weight) in form.weights.iter().filter(|(_, weight)| *weight != 0.0) {
            match self.lookup(*term).filter(|lookup| lookup.form == *base) {
                Some(lookup) => parts.push((*weight, lookup.function.clone())),
                None => rest.weights.push((*term, *weight)),
            }
        }
        let variable = Form { constant: 0.0, weights: base.weights.clone() };
        let factor = if rest.is_constant() { 0.0 } else { rest.multiple_of(&variable)? };
        let shift = form.constant - factor * base.constant;
        Some(match (parts.len(), parts.pop()) {
            (0, _) | (_, None) => Function::affine(factor, shift),
            (1, Some((weight, part))) if factor == 0.0 => part.then(Function::affine(weight, shift)),
            (_, Some(last)) => {
                parts.push(last);
                Function::of(Step::Sum { factor, shift, parts })
            }
        })
    }

    /// The lookup whose result is this term.
    fn lookup(&self, term: u32) -> Option<&LookupForm> {
        self.list.get(term.checked_sub(self.inputs)? as usize)
    }

    fn look_up(&mut self, terms: &mut Terms, node: &str, form: Form, function: Function) -> Result<Form> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::op::{Binary, Unary};

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
    fn what_is_made_of_one_form_is_one_lookup_of_it() {
        let (mut terms, mut lookups) = (Terms::default(), Lookups::new(2));
        for variable in [0, 1] {
            terms.number(vec![variable]).unwrap();
        }
        let x = Form { constant: 1.0, weights: vec![(0, 2.0), (1, -1.0)] };
        let sigmoid = lookups.apply(&mut terms, "sigmoid", &x, Step::Unary(Unary::Sigmoid)).unwrap();
        let product = Joint::Binary(Binary::Mul);
        let swish = lookups.join(&mut terms, "swish", &[&x.scaled(3.0), &sigmoid], product).unwrap().unwrap();
        // A sum of the form and of functions of it, looked up again.
        let mut sum = x.scaled(-0.5);
        sum.add(&swish, 2.0);
        sum.add(&sigmoid, 1.0);
        lookups.apply(&mut terms, "tanh", &sum, Step::Unary(Unary::Tanh)).unwrap();
        // Another variable is another matter.
        let y = Form { constant: 0.0, weights: vec![(0, 2.0)] };
        assert_eq!(lookups.join(&mut terms, "other", &[&y, &sigmoid], product).unwrap(), None);
        let list = lookups.into_list();
        assert!(list.iter().all(|lookup| lookup.form == x));
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        for x in [-2.0, 0.3, 4.0] {
            assert!((list[1].function.at(x) - 3.0 * x * sigmoid(x)).abs() < 1e-12);
            let sum = -0.5 * x + 6.0 * x * sigmoid(x) + sigmoid(x);
            assert!((list[2].function.at(x) - sum.tanh()).abs() < 1e-12);
        }
    }

    #[test]
    fn functions_of_constants_are_constants() {
        let (mut terms, mut lookups) = (Terms::default(), Lookups::new(0));
        let found = lookups.apply(&mut terms, "relu", &Form::constant(-2.0), Step::Unary(Unary::Relu));
        assert_eq!(found.unwrap(), Form::constant(0.0));
    }
}
