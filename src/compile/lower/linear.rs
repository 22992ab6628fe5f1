//! Affine operators and small products, evaluated on polynomials instead of numbers.
//!
//! The whole core, however it was exported (scalers, projections, sums, squares), comes out as one
//! polynomial of the encrypted variables for every decrypted value.

use std::collections::HashMap;

use anyhow::{Context, Result, bail};
use ndarray::{ArrayD, Axis, IxDyn};

use super::form::{Form, Terms};
use super::functions::Step;
use super::lookups::{LookupForm, Lookups};
use super::windows;
use crate::compile::split::{Part, Split};
use crate::model::op::{Move, Reduction, Unary};
use crate::model::{Model, Node, NodeId, Op};
use crate::tensor::{DType, Rearrange, Tensor};

/// The core, lowered.
#[derive(Debug)]
pub struct Polynomials {
    /// The products of centered variables that the forms refer to.
    pub terms: Terms,
    /// One form for every decrypted number, in the order of the epilogue's inputs.
    pub forms: Vec<Form>,
}

/// A core with lookups, lowered.
#[derive(Debug)]
pub struct Network {
    /// Functions of forms; their results are variables after those of the prologue.
    pub lookups: Vec<LookupForm>,
    /// One form for every decrypted number, in the order of the epilogue's inputs.
    pub forms: Vec<Form>,
}

/// Lowers the core to polynomials of the prologue's outputs, each less its center.
///
/// # Errors
/// If a node cannot be expanded, with its name.
pub fn polynomials(model: &Model, split: &Split, prologue: &Model, centers: &[f64]) -> Result<Polynomials> {
    let mut lowering = Lowering { model, terms: Terms::default(), values: HashMap::new(), lookups: None };
    let forms = lowering.core(split, prologue, centers)?;
    Ok(Polynomials { terms: lowering.terms, forms })
}

/// Lowers the core to affine forms and lookups of the prologue's outputs, each less its center.
///
/// # Errors
/// If a node is neither, with its name.
pub fn network(model: &Model, split: &Split, prologue: &Model, centers: &[f64]) -> Result<Network> {
    let lookups = Some(Lookups::new(centers.len()));
    let mut lowering = Lowering { model, terms: Terms::default(), values: HashMap::new(), lookups };
    let forms = lowering.core(split, prologue, centers)?;
    Ok(Network { lookups: lowering.lookups.map(Lookups::into_list).unwrap_or_default(), forms })
}

/// The core on the way to forms.
pub(super) struct Lowering<'a> {
    pub(super) model: &'a Model,
    pub(super) terms: Terms,
    values: HashMap<NodeId, ArrayD<Form>>,
    /// Where functions go that are not polynomials, if the core may hold them.
    pub(super) lookups: Option<Lookups>,
}

impl Lowering<'_> {
    /// Lowers all nodes of the core; the forms of what is decrypted.
    fn core(&mut self, split: &Split, prologue: &Model, centers: &[f64]) -> Result<Vec<Form>> {
        self.variables(split, prologue, centers)?;
        for (index, node) in self.model.nodes().iter().enumerate() {
            if split.part(NodeId(index)) == Part::Core {
                let value = self
                    .node(node)
                    .with_context(|| format!("cannot lower node '{}' ({})", node.name, node.op))?;
                self.values.insert(NodeId(index), value);
            }
        }
        let mut forms = Vec::new();
        for id in split.decrypted() {
            forms.extend(self.forms(*id)?.iter().cloned());
        }
        Ok(forms)
    }

    /// Makes a variable of every element that crosses from the prologue.
    fn variables(&mut self, split: &Split, prologue: &Model, centers: &[f64]) -> Result<()> {
        let mut centers = centers.iter().enumerate();
        for (id, output) in split.encrypted().iter().zip(prologue.outputs()) {
            let mut forms = Vec::with_capacity(output.field.len());
            for (variable, center) in centers.by_ref().take(output.field.len()) {
                let term = self.terms.number(vec![variable as u32])?;
                forms.push(Form { constant: *center, weights: vec![(term, 1.0)] });
            }
            let shape = IxDyn(&self.model.node(*id).shape);
            self.values.insert(*id, ArrayD::from_shape_vec(shape, forms)?);
        }
        Ok(())
    }

    /// The forms of a node's result, constants included.
    fn forms(&self, id: NodeId) -> Result<ArrayD<Form>> {
        match (&self.model.node(id).op, self.values.get(&id)) {
            (Op::Constant(value), _) => Ok(value.as_numbers()?.mapv(Form::constant)),
            (_, Some(forms)) => Ok(forms.clone()),
            (_, None) => bail!("'{}' is not encrypted", self.model.node(id).name),
        }
    }

    fn node(&mut self, node: &Node) -> Result<ArrayD<Form>> {
        let inputs = node.inputs.iter().map(|id| self.forms(*id)).collect::<Result<Vec<_>>>()?;
        let first = inputs.first().context("no inputs")?;
        match &node.op {
            Op::Move(rule) => rule.apply(first),
            Op::Concat { axis } => {
                let views: Vec<_> = inputs.iter().map(|forms| forms.view()).collect();
                Ok(ndarray::concatenate(Axis(*axis), &views)?)
            }
            Op::Gather { .. } => self.gather(node, first),
            Op::Cast(_) => Ok(first.clone()),
            Op::Unary(Unary::Neg) => Ok(first.mapv(|form| form.scaled(-1.0))),
            Op::Binary(function) => self.binary(*function, node, &inputs),
            Op::Where => self.choice(node, &inputs),
            Op::MatMul => self.matmul(node, &inputs),
            Op::Conv { window, .. } => {
                windows::convolution(window, first, self.constant(node, 1)?, &node.shape)
            }
            Op::Pool { window, reduction: Reduction::Mean } => {
                windows::pool(window, first, &node.shape, |count| 1.0 / count as f64)
            }
            Op::Pool { window, reduction: Reduction::Sum } => {
                windows::pool(window, first, &node.shape, |_| 1.0)
            }
            Op::Pool { window, reduction: reduction @ (Reduction::Max | Reduction::Min) } => {
                let largest = *reduction == Reduction::Max;
                let groups = windows::groups(window, first)?;
                let extremes = groups.iter().map(|group| self.extreme(node, group, largest));
                Ok(ArrayD::from_shape_vec(IxDyn(&node.shape), extremes.collect::<Result<_>>()?)?)
            }
            Op::Reduce { reduction, .. } => self.reduce(*reduction, node, first),
            Op::Unary(function) => {
                let results = first.iter().map(|form| self.look_up(node, form, Step::Unary(*function)));
                Ok(ArrayD::from_shape_vec(first.raw_dim(), results.collect::<Result<_>>()?)?)
            }
            Op::Quantize(quantization) => {
                let [x, scales, zero_points] =
                    [0, 1, 2].map(|place| inputs.get(place).context("a missing input"));
                let x = broadcast(x?, &node.shape)?;
                let (scales, zero_points) =
                    (broadcast(scales?, &node.shape)?, broadcast(zero_points?, &node.shape)?);
                let elements = x.iter().zip(scales.iter().zip(zero_points.iter()));
                let results = elements.map(|(form, (scale, zero_point))| {
                    let (scale, zero_point) = (scale.constant, zero_point.constant);
                    self.look_up(
                        node,
                        form,
                        Step::Quantize { quantization: *quantization, scale, zero_point },
                    )
                });
                Ok(ArrayD::from_shape_vec(IxDyn(&node.shape), results.collect::<Result<_>>()?)?)
            }
            op => bail!("{op} is not part of the encrypted core"),
        }
    }

    fn gather(&self, node: &Node, data: &ArrayD<Form>) -> Result<ArrayD<Form>> {
        let places = Tensor::f64s(places(data.shape())?);
        let picked = node.op.evaluate(&[&places, self.constant(node, 1)?])?;
        let forms: Vec<&Form> = data.iter().collect();
        Ok(picked.as_numbers()?.mapv(|place| forms[place as usize].clone()))
    }

    pub(super) fn power(&mut self, base: &Form, exponent: u32) -> Result<Form> {
        (1..exponent).try_fold(base.clone(), |power, _| self.terms.multiply(&power, base))
    }

    fn matmul(&self, node: &Node, inputs: &[ArrayD<Form>]) -> Result<ArrayD<Form>> {
        let left_is_constant = matches!(self.model.node(node.inputs[0]).op, Op::Constant(_));
        let encrypted = usize::from(left_is_constant);
        let constant = self.constant(node, 1 - encrypted)?;
        let apply = |unit: &Tensor| match left_is_constant {
            true => node.op.evaluate(&[constant, unit]),
            false => node.op.evaluate(&[unit, constant]),
        };
        linear_map(&inputs[encrypted], &node.shape, apply)
    }

    fn reduce(&mut self, reduction: Reduction, node: &Node, input: &ArrayD<Form>) -> Result<ArrayD<Form>> {
        let Op::Reduce { axes, keep_dims, .. } = &node.op else { bail!("not a reduction") };
        let with = |reduction| Op::Reduce { reduction, axes: axes.clone(), keep_dims: *keep_dims };
        match reduction {
            Reduction::Sum | Reduction::Mean => {
                linear_map(input, &node.shape, |unit| node.op.evaluate(&[unit]))
            }
            Reduction::SumSquare => {
                let squares = input.iter().map(|form| self.power(form, 2)).collect::<Result<_>>()?;
                let squares = ArrayD::from_shape_vec(input.raw_dim(), squares)?;
                linear_map(&squares, &node.shape, |unit| with(Reduction::Sum).evaluate(&[unit]))
            }
            Reduction::Product => {
                let sources =
                    sources(input.shape(), &node.shape, |unit| with(Reduction::Sum).evaluate(&[unit]))?;
                let forms: Vec<&Form> = input.iter().collect();
                let product = |parts: &Vec<(usize, f64)>| {
                    let factors = parts.iter().map(|(place, _)| forms[*place]);
                    factors
                        .into_iter()
                        .try_fold(Form::constant(1.0), |product, form| self.terms.multiply(&product, form))
                };
                let products = sources.iter().map(product).collect::<Result<_>>()?;
                Ok(ArrayD::from_shape_vec(IxDyn(&node.shape), products)?)
            }
            Reduction::Max | Reduction::Min => {
                let sources =
                    sources(input.shape(), &node.shape, |unit| with(Reduction::Sum).evaluate(&[unit]))?;
                let forms: Vec<&Form> = input.iter().collect();
                let extremes = sources.iter().map(|parts| {
                    let group: Vec<&Form> = parts.iter().map(|(place, _)| forms[*place]).collect();
                    self.extreme(node, &group, reduction == Reduction::Max)
                });
                Ok(ArrayD::from_shape_vec(IxDyn(&node.shape), extremes.collect::<Result<_>>()?)?)
            }
            other => bail!("{other:?} is not a polynomial"),
        }
    }

    fn constant(&self, node: &Node, place: usize) -> Result<&Tensor> {
        match &self.model.node(node.inputs[place]).op {
            Op::Constant(value) => Ok(value),
            _ => bail!("input {place} is not constant"),
        }
    }
}

/// Applies a linear map, given by what it makes of unit vectors, to forms.
fn linear_map(
    input: &ArrayD<Form>,
    shape: &[usize],
    apply: impl Fn(&Tensor) -> Result<Tensor>,
) -> Result<ArrayD<Form>> {
    let forms: Vec<&Form> = input.iter().collect();
    let sources = sources(input.shape(), shape, apply)?;
    let sum = |parts: &Vec<(usize, f64)>| {
        Form::weighted_sum(parts.iter().map(|(place, factor)| (forms[*place], *factor)))
    };
    Ok(ArrayD::from_shape_vec(IxDyn(shape), sources.iter().map(sum).collect())?)
}

/// For each element of a linear map's result, the elements it comes from and their factors.
fn sources(
    input: &[usize],
    output: &[usize],
    apply: impl Fn(&Tensor) -> Result<Tensor>,
) -> Result<Vec<Vec<(usize, f64)>>> {
    let mut sources = vec![Vec::new(); output.iter().product()];
    let mut unit = ArrayD::zeros(IxDyn(input));
    for place in 0..unit.len() {
        set(&mut unit, place, 1.0)?;
        let column = apply(&Tensor::numbers(DType::F64, unit.clone())?)?;
        set(&mut unit, place, 0.0)?;
        for (source, factor) in sources.iter_mut().zip(column.as_numbers()?.iter()) {
            if *factor != 0.0 {
                source.push((place, *factor));
            }
        }
    }
    Ok(sources)
}

fn set(array: &mut ArrayD<f64>, place: usize, value: f64) -> Result<()> {
    *array.as_slice_mut().and_then(|slice| slice.get_mut(place)).context("not in row-major order")? = value;
    Ok(())
}

fn places(shape: &[usize]) -> Result<ArrayD<f64>> {
    let count: usize = shape.iter().product();
    Ok(ArrayD::from_shape_vec(IxDyn(shape), (0..count).map(|place| place as f64).collect())?)
}

pub(super) fn broadcast(forms: &ArrayD<Form>, shape: &[usize]) -> Result<ArrayD<Form>> {
    if forms.shape() == shape {
        return Ok(forms.clone());
    }
    Move::Expand { shape: shape.to_vec() }.apply(forms)
}
