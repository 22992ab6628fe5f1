//! Operators that look at one place at a time: functions of elements, choices, conversions.

mod binary;
mod cast;
mod select;
mod unary;

pub use binary::Binary;
pub use unary::Unary;

pub(super) use binary::{larger, smaller};
pub(super) use cast::cast;
pub(super) use select::select;
