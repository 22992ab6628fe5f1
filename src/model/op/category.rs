//! Operators on categories: one-hot encoding and dictionaries.

use anyhow::{Context, Result, bail};
use ndarray::{ArrayD, IxDyn};
use serde::{Deserialize, Serialize};

use super::shape::element_count;
use crate::tensor::{DType, Tensor};

/// The known categories of a one-hot encoding, in the order of its columns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Categories {
    /// A one-dimensional tensor: text or numbers.
    pub values: Tensor,
    /// Whether an unknown category gives zeros; otherwise it is an error.
    pub unknown_is_zeros: bool,
    /// The element type of the result.
    pub dtype: DType,
}

/// A dictionary: the value of `keys[i]` is `values[i]`; of equal keys the first counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LabelMap {
    /// A one-dimensional tensor: text or numbers (NaN may be a key).
    pub keys: Tensor,
    /// A one-dimensional tensor of the same length.
    pub values: Tensor,
    /// A tensor of one element, for keys that are not there.
    pub default: Tensor,
}

impl Categories {
    /// The one-hot encoding of every element, in a new last axis. Where the categories are
    /// integers, floats are truncated before they are compared.
    ///
    /// # Errors
    /// If an element is unknown and that is not allowed, or the input is text and the categories
    /// are numbers, or the other way round.
    pub fn evaluate(&self, input: &Tensor) -> Result<Tensor> {
        let same: fn(f64, f64) -> bool =
            if self.values.dtype().is_float() { |x, y| x == y } else { |x, y| x.trunc() == y };
        let columns = self.values.len();
        let shape = [input.shape(), &[columns]].concat();
        let mut encoded = vec![0.0; element_count(&shape)?];
        for (row, found) in places(input, &self.values, same)?.into_iter().enumerate() {
            match found {
                // A place is less than `columns`, so this is inside row number `row`.
                Some(place) => encoded[row * columns + place] = 1.0,
                None if self.unknown_is_zeros => {}
                None => bail!("{} is not a known category", element(input, row)),
            }
        }
        Tensor::numbers(self.dtype, ArrayD::from_shape_vec(IxDyn(&shape), encoded)?)
    }
}

impl LabelMap {
    /// The value of every element.
    ///
    /// # Errors
    /// If the input is text and the keys are numbers, or the other way round.
    pub fn evaluate(&self, input: &Tensor) -> Result<Tensor> {
        if self.keys.len() != self.values.len() {
            bail!("there are {} keys but {} values", self.keys.len(), self.values.len());
        }
        let found = places(input, &self.keys, |x, y| x == y || (x.is_nan() && y.is_nan()))?;
        if self.values.dtype() == DType::Text {
            let values = looked_up(&found, self.values.as_text()?, self.default.as_text()?)?;
            return Ok(Tensor::text(ArrayD::from_shape_vec(input.shape(), values)?));
        }
        let values = looked_up(&found, self.values.as_numbers()?, self.default.as_numbers()?)?;
        Tensor::numbers(self.values.dtype(), ArrayD::from_shape_vec(input.shape(), values)?)
    }
}

/// For every element the place of its first equal among `keys`.
fn places(input: &Tensor, keys: &Tensor, same: fn(f64, f64) -> bool) -> Result<Vec<Option<usize>>> {
    if keys.dtype() == DType::Text {
        let (keys, input) = (keys.as_text()?, input.as_text().context("the categories are text")?);
        return Ok(input.iter().map(|text| keys.iter().position(|key| key == text)).collect());
    }
    let (keys, input) = (keys.as_numbers()?, input.as_numbers().context("the categories are numbers")?);
    Ok(input.iter().map(|&number| keys.iter().position(|&key| same(number, key))).collect())
}

fn looked_up<T: Clone>(found: &[Option<usize>], values: &ArrayD<T>, default: &ArrayD<T>) -> Result<Vec<T>> {
    let default = default.first().context("a dictionary needs a default")?;
    let values: Vec<&T> = values.iter().collect();
    // Places are those of keys, which are as many as the values.
    Ok(found.iter().map(|place| place.map_or(default, |place| values[place]).clone()).collect())
}

/// An element in words, for messages.
fn element(tensor: &Tensor, index: usize) -> String {
    let text = tensor.as_text().ok().and_then(|text| text.iter().nth(index));
    let number = tensor.as_numbers().ok().and_then(|numbers| numbers.iter().nth(index));
    match (text, number) {
        (Some(text), _) => format!("'{text}'"),
        (None, Some(number)) => number.to_string(),
        (None, None) => format!("element {index}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{arr1, arr2};

    fn text(values: &[&str]) -> Tensor {
        Tensor::text(values.iter().map(|&value| value.to_owned()).collect::<ndarray::Array1<_>>().into_dyn())
    }

    fn single(values: &[f64]) -> Tensor {
        Tensor::numbers(DType::F32, arr1(values).into_dyn()).unwrap()
    }

    #[test]
    fn every_category_has_its_column() {
        let categories = Categories { values: text(&["a", "b"]), unknown_is_zeros: true, dtype: DType::F32 };
        let encoded = categories.evaluate(&text(&["b", "x", "a"]).reshape(&[3, 1]).unwrap()).unwrap();
        assert_eq!((encoded.dtype(), encoded.shape()), (DType::F32, [3, 1, 2].as_slice()));
        let flat = encoded.reshape(&[3, 2]).unwrap();
        assert_eq!(flat.as_numbers().unwrap(), &arr2(&[[0.0, 1.0], [0.0, 0.0], [1.0, 0.0]]).into_dyn());
    }

    #[test]
    fn floats_are_truncated_to_integer_categories() {
        let values = Tensor::i64s(&[1, 2]);
        let categories = Categories { values, unknown_is_zeros: false, dtype: DType::F32 };
        let encoded = categories.evaluate(&single(&[2.9, 1.0])).unwrap();
        assert_eq!(encoded.as_numbers().unwrap(), &arr2(&[[0.0, 1.0], [1.0, 0.0]]).into_dyn());
    }

    #[test]
    fn an_unknown_category_is_named() {
        let categories = |values| Categories { values, unknown_is_zeros: false, dtype: DType::F32 };
        let message = categories(text(&["a"])).evaluate(&text(&["a", "x"])).unwrap_err().to_string();
        assert_eq!(message, "'x' is not a known category");
        let message = categories(Tensor::i64s(&[1])).evaluate(&single(&[f64::NAN])).unwrap_err().to_string();
        assert_eq!(message, "NaN is not a known category");
        let message = format!("{:#}", categories(text(&["a"])).evaluate(&single(&[1.0])).unwrap_err());
        assert!(message.starts_with("the categories are text: "), "{message}");
    }

    #[test]
    fn dictionaries_know_nan_and_a_default() {
        let keys = single(&[f64::NAN, 2.0]);
        let map = LabelMap { keys, values: text(&["none", "two"]), default: text(&["other"]) };
        let labels = map.evaluate(&single(&[2.0, f64::NAN, 3.0])).unwrap();
        assert_eq!(labels, text(&["two", "none", "other"]));
    }

    #[test]
    fn dictionaries_give_numbers_of_their_own_type() {
        let map =
            LabelMap { keys: text(&["a", "b"]), values: Tensor::i64s(&[5, 6]), default: Tensor::i64s(&[-1]) };
        assert_eq!(map.evaluate(&text(&["b", "?", "a"])).unwrap(), Tensor::i64s(&[6, -1, 5]));
        let short = LabelMap { values: Tensor::i64s(&[5]), ..map };
        assert_eq!(short.evaluate(&text(&["a"])).unwrap_err().to_string(), "there are 2 keys but 1 values");
    }
}
