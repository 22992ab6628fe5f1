//! Sparse polynomials: a constant and weighted terms, each term a product of variables.

use std::collections::HashMap;

use anyhow::{Result, bail};

/// More terms than this are a sign that a product should not have been expanded.
const MAX_TERMS: usize = 1 << 18;

/// The products of variables that occur, each with its number.
#[derive(Debug, Default)]
pub struct Terms {
    products: Vec<Vec<u32>>,
    numbers: HashMap<Vec<u32>, u32>,
}

/// `constant + Σ weight · term`, the terms in rising order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Form {
    /// What does not depend on any variable.
    pub constant: f64,
    /// Numbers of [`Terms`] with their weights.
    pub weights: Vec<(u32, f64)>,
}

impl Terms {
    /// The number of a product of variables; a new one if it is not there yet.
    ///
    /// # Errors
    /// If there are too many.
    pub fn number(&mut self, mut variables: Vec<u32>) -> Result<u32> {
        variables.sort_unstable();
        if let Some(number) = self.numbers.get(&variables) {
            return Ok(*number);
        }
        if self.products.len() >= MAX_TERMS {
            bail!("the model multiplies inputs with each other in more than {MAX_TERMS} combinations");
        }
        let number = self.products.len() as u32;
        self.products.push(variables.clone());
        self.numbers.insert(variables, number);
        Ok(number)
    }

    /// The variables of a term.
    pub fn variables(&self, term: u32) -> &[u32] {
        &self.products[term as usize]
    }

    /// The product of two forms.
    ///
    /// # Errors
    /// If it has too many terms.
    pub fn multiply(&mut self, a: &Form, b: &Form) -> Result<Form> {
        let mut product = a.scaled(b.constant);
        product.add(&Form { constant: 0.0, ..b.clone() }, a.constant);
        let mut weights: HashMap<u32, f64> = HashMap::new();
        for (left, left_weight) in &a.weights {
            for (right, right_weight) in &b.weights {
                let variables = [self.variables(*left), self.variables(*right)].concat();
                *weights.entry(self.number(variables)?).or_default() += left_weight * right_weight;
            }
        }
        let mut weights: Vec<(u32, f64)> = weights.into_iter().collect();
        weights.sort_unstable_by_key(|(term, _)| *term);
        product.add(&Form { constant: 0.0, weights }, 1.0);
        Ok(product)
    }
}

impl Form {
    /// A form without variables.
    pub fn constant(constant: f64) -> Self {
        Self { constant, weights: Vec::new() }
    }

    /// Whether no variable counts.
    pub fn is_constant(&self) -> bool {
        self.weights.iter().all(|(_, weight)| *weight == 0.0)
    }

    /// The same, of terms that count alone.
    pub fn without_zeros(&self) -> Self {
        let weights = self.weights.iter().copied().filter(|(_, weight)| *weight != 0.0).collect();
        Self { constant: self.constant, weights }
    }

    /// The form times a number.
    pub fn scaled(&self, factor: f64) -> Self {
        let weights = self.weights.iter().map(|(term, weight)| (*term, weight * factor)).collect();
        Self { constant: self.constant * factor, weights }
    }

    /// The sum of forms, each times a factor.
    pub fn weighted_sum<'a>(parts: impl Iterator<Item = (&'a Self, f64)>) -> Self {
        let mut sum = Self::default();
        for (form, factor) in parts {
            sum.constant += factor * form.constant;
            sum.weights.extend(form.weights.iter().map(|(term, weight)| (*term, factor * weight)));
        }
        sum.weights.sort_by_key(|(term, _)| *term);
        sum.weights.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            kept.1 += if same { next.1 } else { 0.0 };
            same
        });
        sum
    }

    /// Adds `factor` times another form.
    pub fn add(&mut self, other: &Self, factor: f64) {
        self.constant += factor * other.constant;
        let mut sum = Vec::with_capacity(self.weights.len() + other.weights.len());
        let mut own = self.weights.iter().copied().peekable();
        for (term, weight) in &other.weights {
            while let Some(entry) = own.next_if(|(own_term, _)| own_term < term) {
                sum.push(entry);
            }
            let before = own.next_if(|(own_term, _)| own_term == term).map_or(0.0, |(_, weight)| weight);
            sum.push((*term, before + factor * weight));
        }
        sum.extend(own);
        self.weights = sum;
    }

    /// The factor that makes this form of the other one, if there is one.
    pub fn multiple_of(&self, other: &Self) -> Option<f64> {
        let (_, largest) =
            other.weights.iter().enumerate().max_by(|(_, a), (_, b)| a.1.abs().total_cmp(&b.1.abs()))?;
        let place = self.weights.iter().find(|(term, _)| *term == largest.0)?;
        let factor = place.1 / largest.1;
        let scaled = other.scaled(factor);
        let tolerance =
            1e-12 * self.weights.iter().fold(self.constant.abs(), |most, (_, weight)| most.max(weight.abs()));
        let close = |a: f64, b: f64| (a - b).abs() <= tolerance;
        let equal = self.weights.len() == scaled.weights.len()
            && close(self.constant, scaled.constant)
            && self.weights.iter().zip(&scaled.weights).all(|(a, b)| a.0 == b.0 && close(a.1, b.1));
        (factor != 0.0 && equal).then_some(factor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(constant: f64, weights: &[(u32, f64)]) -> Form {
        Form { constant, weights: weights.to_vec() }
    }

    #[test]
    fn the_square_of_a_sum() {
        let mut terms = Terms::default();
        let (x, y) = (terms.number(vec![0]).unwrap(), terms.number(vec![1]).unwrap());
        let sum = form(3.0, &[(x, 1.0), (y, 2.0)]);
        let square = terms.multiply(&sum, &sum).unwrap();
        // (x + 2y + 3)^2 = 9 + 6x + 12y + x^2 + 4xy + 4y^2
        assert_eq!(square.constant, 9.0);
        let weight = |terms: &mut Terms, variables: Vec<u32>| {
            let number = terms.number(variables).unwrap();
            square.weights.iter().find(|(term, _)| *term == number).map(|(_, weight)| *weight)
        };
        assert_eq!(weight(&mut terms, vec![0]), Some(6.0));
        assert_eq!(weight(&mut terms, vec![1]), Some(12.0));
        assert_eq!(weight(&mut terms, vec![0, 0]), Some(1.0));
        assert_eq!(weight(&mut terms, vec![1, 0]), Some(4.0));
        assert_eq!(weight(&mut terms, vec![1, 1]), Some(4.0));
    }

    #[test]
    fn sums_keep_the_order_of_terms() {
        let mut sum = form(1.0, &[(1, 1.0), (5, 1.0)]);
        sum.add(&form(1.0, &[(0, 1.0), (5, 2.0), (7, 3.0)]), 2.0);
        assert_eq!(sum, form(3.0, &[(0, 2.0), (1, 1.0), (5, 5.0), (7, 6.0)]));
    }

    #[test]
    fn multiples_are_recognised() {
        let base = form(2.0, &[(0, 1.0), (3, -4.0)]);
        assert_eq!(base.scaled(-1.0).multiple_of(&base), Some(-1.0));
        assert_eq!(form(2.0, &[(0, 1.0), (3, 4.0)]).multiple_of(&base), None);
    }
}
