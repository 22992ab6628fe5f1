//! What a client must know: from a raw row to integers, and from integers to the model's outputs.

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::{Bins, Encoding, Quantizer};
use crate::model::Model;
use crate::tensor::{Row, Tensor};

/// The client's half of a compiled model. It holds no weights of the encrypted core.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClientSpec {
    /// How rows lie in ciphertexts.
    pub encoding: Encoding,
    /// What is computed on a row before encryption; its *variables* are the elements of its outputs in order.
    pub prologue: Model,
    /// How variables become the encrypted integers of a row.
    pub code: Code,
    /// The elements of the epilogue's inputs in order.
    pub outputs: Vec<OutputValue>,
    /// What is computed on the results after decryption.
    pub epilogue: Model,
}

/// How variables become integers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Code {
    /// Products of variables, quantized.
    Terms {
        /// The center of each variable.
        centers: Vec<f64>,
        /// The integers.
        terms: Vec<Term>,
    },
    /// The bits of the bins of variables.
    Bins(Vec<Bins>),
}

/// One encrypted integer: the product of some centered variables, quantized.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Term {
    /// The variables that are multiplied; the same one twice for a square.
    pub variables: Vec<u32>,
    /// How the product becomes an integer.
    pub quantizer: Quantizer,
}

/// A real number from decrypted integers: `scale · (Σ multiple · integer + zero) + offset`. Where multiples are
/// integers, sums that are equal give the same number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutputValue {
    /// The sums it is made of, each with its digits, the coarsest first; none for a value that no row changes.
    pub sums: Vec<Vec<OutputDigit>>,
    /// What the sum of multiples is short of.
    pub zero: f64,
    /// The real number that 1 in the sum stands for.
    pub scale: f64,
    /// The real number that 0 stands for.
    pub offset: f64,
}

/// One integer of a real number.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutputDigit {
    /// Which of the circuit's outputs it comes from.
    pub source: usize,
    /// What one step of the integer counts for.
    pub multiple: f64,
}

/// A row ready for encryption.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// One integer for each term.
    pub integers: Vec<i64>,
    /// The terms whose value lay outside the calibrated range and was clamped.
    pub clamped: Vec<usize>,
}

impl ClientSpec {
    /// The integers of a raw row.
    ///
    /// # Errors
    /// If the row does not fit the model, or a number that is to be encrypted is NaN and may not be.
    pub fn encode(&self, row: &[Tensor]) -> Result<Encoded> {
        let mut variables = Vec::new();
        for tensor in self.prologue.evaluate(row)? {
            variables.extend(tensor.as_numbers()?.iter().copied());
        }
        match &self.code {
            Code::Terms { centers, terms } => {
                variables.iter_mut().zip(centers).for_each(|(value, center)| *value -= center);
                self.encode_terms(&variables, terms)
            }
            Code::Bins(bins) => self.encode_bins(&variables, bins),
        }
    }

    fn encode_terms(&self, centered: &[f64], terms: &[Term]) -> Result<Encoded> {
        let mut encoded = Encoded { integers: Vec::with_capacity(terms.len()), clamped: Vec::new() };
        for (index, term) in terms.iter().enumerate() {
            let value = term.value(centered);
            if value.is_nan() {
                bail!("{} is NaN{}", self.term_name(index), nan_hint());
            }
            let (integer, clamped) = term.quantizer.quantize(value)?;
            encoded.integers.push(integer);
            if clamped {
                encoded.clamped.push(index);
            }
        }
        Ok(encoded)
    }

    fn encode_bins(&self, variables: &[f64], all: &[Bins]) -> Result<Encoded> {
        let mut integers = Vec::with_capacity(self.encoding.features());
        for bins in all {
            let variable = bins.parts().variable;
            // Variables of a checked spec exist.
            match bins.bin(variables[variable as usize]) {
                Some(bin) => bins.encode(bin, &mut integers),
                None => bail!("{} is NaN{}", self.variable_name(variable), nan_hint()),
            }
        }
        Ok(Encoded { integers, clamped: Vec::new() })
    }

    /// The model's outputs for a row whose circuit outputs are these integers.
    ///
    /// # Errors
    /// If the epilogue cannot be computed on these values.
    pub fn decode(&self, integers: &[i64]) -> Result<Row> {
        self.epilogue.evaluate(&self.scores(integers)?)
    }

    /// The decrypted real numbers, before the epilogue.
    ///
    /// # Errors
    /// If there are fewer integers than the circuit has outputs.
    pub fn scores(&self, integers: &[i64]) -> Result<Row> {
        let values: Option<Vec<f64>> = self.outputs.iter().map(|output| output.value(integers)).collect();
        let values = values.context("the client file reads more outputs than the circuit has")?;
        let mut rest = values.as_slice();
        let mut row = Row::with_capacity(self.epilogue.inputs().len());
        for field in self.epilogue.inputs() {
            let (head, tail) = rest.split_at_checked(field.len()).context("the epilogue reads too much")?;
            rest = tail;
            row.push(Tensor::numbers(field.dtype, shaped(head, &field.batch_shape())?)?);
        }
        Ok(row)
    }

    /// What messages call a term: the names of its variables.
    pub fn term_name(&self, term: usize) -> String {
        let variables = match &self.code {
            Code::Terms { terms, .. } => terms.get(term).map_or(&[][..], |term| &term.variables),
            Code::Bins(_) => &[],
        };
        let names: Vec<String> = variables.iter().map(|variable| self.variable_name(*variable)).collect();
        names.join(" · ")
    }

    fn variable_name(&self, variable: u32) -> String {
        let mut rest = variable as usize;
        for output in self.prologue.outputs() {
            let field = &output.field;
            match (field.len(), rest) {
                (1, 0) => return format!("'{}'", field.name),
                (length, place) if place < length => return format!("'{}[{place}]'", field.name),
                (length, _) => rest -= length,
            }
        }
        format!("variable {variable}")
    }

    /// Checks that the parts fit each other; for specs that come from a file.
    ///
    /// # Errors
    /// If they do not.
    pub fn check(&self) -> Result<()> {
        let variables: usize = self.prologue.outputs().iter().map(|output| output.field.len()).sum();
        let (features, integers) = (self.encoding.features(), self.code.integers());
        if features != integers {
            bail!("the encoding has {features} integers a row, the code {integers}");
        }
        match (&self.code, &self.encoding) {
            (Code::Terms { centers, .. }, Encoding::Rows(_) | Encoding::Values(_))
                if centers.len() != variables =>
            {
                bail!("the prologue gives {variables} values, there are {} centers", centers.len());
            }
            (Code::Terms { .. }, Encoding::Rows(_) | Encoding::Values(_))
            | (Code::Bins(_), Encoding::Bits(_)) => {}
            (Code::Terms { .. }, Encoding::Bits(_))
            | (Code::Bins(_), Encoding::Rows(_) | Encoding::Values(_)) => {
                bail!("the code and the encoding are for different circuits");
            }
        }
        if self.code.variables().any(|variable| variable as usize >= variables) {
            bail!("an integer depends on a value that the prologue does not give");
        }
        let read: usize = self.epilogue.inputs().iter().map(|field| field.len()).sum();
        let mut digits = self.outputs.iter().flat_map(|output| output.sums.iter().flatten());
        if self.outputs.len() != read || digits.any(|digit| digit.source >= self.encoding.outputs()) {
            bail!("the epilogue does not fit the circuit's outputs");
        }
        Ok(())
    }
}

impl Code {
    /// The number of integers of a row.
    pub fn integers(&self) -> usize {
        match self {
            Self::Terms { terms, .. } => terms.len(),
            Self::Bins(bins) => bins.iter().map(Bins::bits).sum(),
        }
    }

    fn variables(&self) -> Box<dyn Iterator<Item = u32> + '_> {
        match self {
            Self::Terms { terms, .. } => {
                Box::new(terms.iter().flat_map(|term| term.variables.iter().copied()))
            }
            Self::Bins(bins) => Box::new(bins.iter().map(|bins| bins.parts().variable)),
        }
    }
}

impl OutputValue {
    /// What one step of the last digit of each sum stands for.
    pub fn steps(&self) -> impl Iterator<Item = f64> {
        self.sums.iter().filter_map(|digits| digits.last()).map(|digit| self.scale * digit.multiple)
    }

    /// The number for these outputs of a circuit; `None` if there are too few.
    fn value(&self, integers: &[i64]) -> Option<f64> {
        let sum = self.sums.iter().flatten().try_fold(self.zero, |sum, digit| {
            integers.get(digit.source).map(|integer| sum + digit.multiple * *integer as f64)
        })?;
        Some(self.scale * sum + self.offset)
    }
}

impl Term {
    /// The product of the term's variables.
    pub fn value(&self, centered: &[f64]) -> f64 {
        self.variables.iter().map(|variable| centered[*variable as usize]).product()
    }
}

fn shaped(values: &[f64], shape: &[usize]) -> Result<ndarray::ArrayD<f64>> {
    Ok(ndarray::ArrayD::from_shape_vec(shape, values.to_vec())?)
}

fn nan_hint() -> &'static str {
    "\nhint: fill missing values before encrypting, or export the model together with its imputer"
}
