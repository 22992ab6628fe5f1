//! Windows that slide over the spatial axes of a tensor: what convolutions and pools look at.

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::shape::element_count;

/// A window over the axes after batch and channels, one [`WindowAxis`] each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Its extent along every spatial axis.
    pub axes: Vec<WindowAxis>,
}

/// How a window lies along one axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowAxis {
    /// The number of its elements.
    pub length: usize,
    /// How far it moves from one position to the next.
    pub stride: usize,
    /// The distance between two of its elements.
    pub dilation: usize,
    /// How far it may begin before the first element of the axis.
    pub before: usize,
    /// How far it may end after the last element of the axis.
    pub after: usize,
}

impl Window {
    /// How many positions the window has along every axis of a tensor with these spatial lengths.
    ///
    /// # Errors
    /// If it does not fit, or has no length, stride or dilation.
    pub fn positions(&self, spatial: &[usize]) -> Result<Vec<usize>> {
        if spatial.len() != self.axes.len() {
            bail!("a window of {} axes does not slide over shape {spatial:?}", self.axes.len());
        }
        self.axes.iter().zip(spatial).map(|(axis, &length)| axis.positions(length)).collect()
    }

    /// The number of elements along every axis.
    pub fn lengths(&self) -> Vec<usize> {
        self.axes.iter().map(|axis| axis.length).collect()
    }

    /// What the window covers: for every position and, within it, every element of the window, both in
    /// row-major order, the place among all elements with these spatial lengths; none where it covers
    /// nothing.
    ///
    /// # Errors
    /// As [`Window::positions`], or if there are too many.
    pub fn places(&self, spatial: &[usize]) -> Result<Vec<Option<usize>>> {
        let positions = self.positions(spatial)?;
        let count = element_count(&[positions.as_slice(), &self.lengths()].concat())?;
        let mut all: Vec<Vec<Option<usize>>> = vec![vec![Some(0)]];
        for ((axis, &length), &positions) in self.axes.iter().zip(spatial).zip(&positions) {
            let mut longer = Vec::with_capacity(all.len().saturating_mul(positions));
            for outer in &all {
                longer.extend((0..positions).map(|position| axis.extended(outer, position, length)));
            }
            all = longer;
        }
        let places: Vec<Option<usize>> = all.into_iter().flatten().collect();
        debug_assert_eq!(places.len(), count, "every position covers as many elements as the window has");
        Ok(places)
    }
}

impl WindowAxis {
    /// The distance between the first and the last place it covers, both included.
    ///
    /// # Errors
    /// If it has no elements, stride or dilation, or is too long.
    pub fn span(&self) -> Result<usize> {
        if self.length == 0 || self.stride == 0 || self.dilation == 0 {
            bail!("a window needs a length, a stride and a dilation, not {self:?}");
        }
        let span = (self.length - 1).checked_mul(self.dilation).and_then(|span| span.checked_add(1));
        span.context("a window is too long")
    }

    fn positions(&self, length: usize) -> Result<usize> {
        let span = self.span()?;
        let padded = length.checked_add(self.before).and_then(|sum| sum.checked_add(self.after));
        let padded = padded.context("a window reaches too far")?;
        match padded.checked_sub(span) {
            Some(rest) => Ok(rest / self.stride + 1),
            None => bail!("a window of {span} places does not fit an axis of {padded}"),
        }
    }

    /// The places of a window over earlier axes continued along this one, at a position.
    fn extended(&self, outer: &[Option<usize>], position: usize, length: usize) -> Vec<Option<usize>> {
        let at = |element: usize| {
            let place = (position * self.stride + element * self.dilation).checked_sub(self.before)?;
            (place < length).then_some(place)
        };
        let pairs = outer.iter().flat_map(|place| (0..self.length).map(move |element| (place, element)));
        pairs.map(|(place, element)| Some((*place)? * length + at(element)?)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(length: usize, stride: usize, dilation: usize, pads: [usize; 2]) -> WindowAxis {
        WindowAxis { length, stride, dilation, before: pads[0], after: pads[1] }
    }

    #[test]
    fn positions_follow_stride_dilation_and_padding() {
        let window = |axis| Window { axes: vec![axis] };
        assert_eq!(window(axis(3, 1, 1, [0, 0])).positions(&[5]).unwrap(), [3]);
        assert_eq!(window(axis(3, 2, 1, [1, 1])).positions(&[5]).unwrap(), [3]);
        assert_eq!(window(axis(3, 1, 2, [0, 0])).positions(&[5]).unwrap(), [1]);
        let message = window(axis(3, 1, 2, [0, 0])).positions(&[4]).unwrap_err().to_string();
        assert_eq!(message, "a window of 5 places does not fit an axis of 4");
        assert!(window(axis(0, 1, 1, [0, 0])).positions(&[4]).is_err());
        assert!(window(axis(1, 0, 1, [0, 0])).positions(&[4]).is_err());
        assert!(window(axis(2, 1, usize::MAX, [0, 0])).positions(&[4]).is_err());
        assert!(window(axis(1, 1, 1, [0, 0])).positions(&[4, 4]).is_err());
    }

    #[test]
    fn places_are_those_of_the_flat_tensor_or_none() {
        let window = Window { axes: vec![axis(2, 2, 1, [0, 0]), axis(2, 1, 2, [1, 0])] };
        // Rows 0 and 1 of a 2 by 3 matrix; columns -1 and 1, then 0 and 2.
        let places = window.places(&[2, 3]).unwrap();
        let expected = [None, Some(1), None, Some(4), Some(0), Some(2), Some(3), Some(5)];
        assert_eq!(places, expected);
    }
}
