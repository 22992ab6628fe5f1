//! How large a model may be: nothing is computed before its size is known to be sane.

use anyhow::{Context, Result, bail};

use crate::model::Op;
use crate::model::op::Move;

/// The most nodes, those of inlined functions included.
pub(super) const MAX_NODES: usize = 200_000;
/// How deep functions may call each other.
pub(super) const MAX_DEPTH: usize = 16;
/// The most elements of all results for one row and all constants together.
const MAX_ELEMENTS: usize = 1 << 28;
/// The most products that one pass over the model may take.
const MAX_WORK: usize = 1 << 36;

/// The number of elements of a shape.
///
/// # Errors
/// If there are more than a model may have.
pub(super) fn count(shape: &[usize]) -> Result<usize> {
    let count = shape.iter().try_fold(1_usize, |count, &length| count.checked_mul(length));
    match count {
        Some(count) if count <= MAX_ELEMENTS => Ok(count),
        _ => bail!("a tensor of shape {shape:?} is too large: the limit is {MAX_ELEMENTS} elements"),
    }
}

/// What is left of the limits while a model grows.
pub(super) struct Budget {
    elements: usize,
    work: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { elements: MAX_ELEMENTS, work: MAX_WORK }
    }
}

impl Budget {
    /// Takes the elements of a tensor off.
    ///
    /// # Errors
    /// If there are not so many left.
    pub(super) fn hold(&mut self, elements: usize) -> Result<()> {
        let rest = self.elements.checked_sub(elements);
        self.elements =
            rest.with_context(|| format!("the model needs more than {MAX_ELEMENTS} elements for one row"))?;
        Ok(())
    }

    /// Takes the work of an operator off, before it is done.
    ///
    /// # Errors
    /// If its result or its work is more than is left.
    pub(super) fn charge(&mut self, op: &Op, inputs: &[&[usize]]) -> Result<()> {
        let result = result_bound(op, inputs)?;
        if result > self.elements {
            bail!("the model needs more than {MAX_ELEMENTS} elements for one row");
        }
        if let Some(summands) = summands(op, inputs) {
            let products = result.saturating_mul(summands);
            let rest = self.work.checked_sub(products);
            self.work =
                rest.with_context(|| format!("the model needs more than {MAX_WORK} products for one row"))?;
        }
        Ok(())
    }
}

/// How many products or elements each element of the result is the sum of, if it is one.
fn summands(op: &Op, inputs: &[&[usize]]) -> Option<usize> {
    let all = |lengths: &[usize]| lengths.iter().fold(1_usize, |all, &length| all.saturating_mul(length));
    match (op, inputs) {
        (Op::MatMul, [a, _]) => Some(a.last().copied().unwrap_or(1)),
        (Op::Conv { .. }, [_, weights]) => Some(all(weights.get(1..).unwrap_or_default())),
        (Op::Pool { window, .. }, _) => Some(all(&window.lengths())),
        (Op::PairProbabilities(sigmoids), _) => Some(sigmoids.work()),
        _ => None,
    }
}

/// At least the number of elements of the result.
fn result_bound(op: &Op, inputs: &[&[usize]]) -> Result<usize> {
    match (op, inputs) {
        (Op::MatMul, [a, b]) => {
            let (a, b) = (matrix(a), matrix(b));
            let rows = a.get(a.len() - 2).copied().unwrap_or(1);
            let columns = b.last().copied().unwrap_or(1);
            let batch = broadcast(&[&a[..a.len() - 2], &b[..b.len() - 2]]);
            count(&[batch, vec![rows, columns]].concat())
        }
        (Op::Conv { window, .. }, [data, weights]) => {
            let positions = window.positions(data.get(2..).unwrap_or_default())?;
            let channels = [data.first().copied().unwrap_or(1), weights.first().copied().unwrap_or(1)];
            count(&[channels.as_slice(), &positions].concat())
        }
        (Op::Pool { window, .. }, [data]) => {
            let (channels, spatial) = data.split_at(data.len().min(2));
            count(&[channels, &window.positions(spatial)?].concat())
        }
        (Op::Move(Move::Reshape { shape } | Move::Expand { shape }), _) => count(shape),
        (Op::Move(Move::Tile { repeats }), _) => {
            let all: Vec<usize> =
                inputs.iter().flat_map(|shape| shape.iter()).chain(repeats).copied().collect();
            count(&all)
        }
        (Op::Gather { axis }, [data, indices]) => {
            let others =
                data.iter().enumerate().filter(|(index, _)| index != axis).map(|(_, &length)| length);
            count(&others.chain(indices.iter().copied()).collect::<Vec<_>>())
        }
        (Op::OneHot(categories), [input]) => count(&[*input, &[categories.values.len()]].concat()),
        (Op::Trees(trees), _) => Ok(trees.parts().targets),
        (Op::PairProbabilities(sigmoids), [decisions]) => {
            count(&[&decisions[..decisions.len().saturating_sub(1)], &[sigmoids.classes()]].concat())
        }
        (Op::Binary(_) | Op::Where | Op::Quantize(_), _) => count(&broadcast(inputs)),
        _ => inputs.iter().try_fold(0_usize, |sum, shape| Ok(sum.saturating_add(count(shape)?))),
    }
}

/// A vector is a matrix with one row; never less than two axes.
fn matrix(shape: &[usize]) -> Vec<usize> {
    let missing = 2_usize.saturating_sub(shape.len());
    [&vec![1; missing], shape].concat()
}

/// The longest of each axis, counted from the last.
fn broadcast(shapes: &[&[usize]]) -> Vec<usize> {
    let rank = shapes.iter().map(|shape| shape.len()).max().unwrap_or(0);
    let longest = |back: usize| {
        let lengths = shapes.iter().filter_map(|shape| shape.iter().rev().nth(back));
        lengths.copied().max().unwrap_or(1)
    };
    (0..rank).rev().map(longest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::op::Binary;

    #[test]
    fn absurd_shapes_are_refused() {
        assert_eq!(count(&[2, 3]).unwrap(), 6);
        assert!(count(&[usize::MAX, 2]).is_err());
        assert!(count(&[1 << 20, 1 << 20]).is_err());
    }

    #[test]
    fn broadcasting_and_products_are_charged_before_they_happen() {
        let mut budget = Budget::default();
        assert!(budget.charge(&Op::Binary(Binary::Add), &[&[1 << 16, 1], &[1, 1 << 16]]).is_err());
        assert!(budget.charge(&Op::MatMul, &[&[1 << 13, 1 << 13], &[1 << 13, 1 << 13]]).is_err());
        assert!(budget.charge(&Op::MatMul, &[&[1, 30], &[30, 3]]).is_ok());
    }
}
