//! The layout of csv text, found out from its first line: separator, header, order of columns.

use std::collections::HashMap;

use anyhow::{Context, Result, bail};

use super::builder;
use crate::tensor::cell::{Cell, excerpt};
use crate::tensor::plan::{Plan, counted};
use crate::tensor::{DType, Field};

/// Where the values of a row stand in the lines of a csv file.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) delimiter: u8,
    pub(super) header: Option<Vec<String>>,
    /// The number of cells in every line.
    pub(super) width: usize,
    /// The column of each value, where the header names all of them.
    columns: Option<Vec<usize>>,
}

impl Layout {
    /// Finds out the layout of text that begins with `head`.
    ///
    /// # Errors
    /// If the header names some of the values and not all, or one of them twice.
    pub(super) fn detect(head: &[u8], plan: &Plan) -> Result<Self> {
        let fits = |cells: &[String]| cells.len() == plan.width() || columns_by_name(cells, plan).is_ok();
        let candidates = [b',', b';', b'\t'].map(|delimiter| (delimiter, first_cells(head, delimiter)));
        let [by_comma, others @ ..] = &candidates;
        let fitting = candidates.iter().find(|(_, cells)| fits(cells));
        let widest = others.iter().find(|(_, cells)| by_comma.1.len() == 1 && cells.len() > 1);
        let (delimiter, cells) = fitting.or(widest).unwrap_or(by_comma);
        Self::of_first_line(*delimiter, cells, plan)
    }

    fn of_first_line(delimiter: u8, cells: &[String], plan: &Plan) -> Result<Self> {
        let without = Self { delimiter, header: None, width: plan.width(), columns: None };
        let named = columns_by_name(cells, plan);
        if named.is_err() && !is_header(cells, plan) {
            return Ok(without);
        }
        let columns = match named {
            Ok(columns) => Some(columns),
            Err(_) if in_order(cells, plan) => None,
            Err(error) => return Err(error),
        };
        Ok(Self { header: Some(cells.to_vec()), width: cells.len(), columns, ..without })
    }

    /// The column that holds the value of this index.
    pub(super) fn column_of(&self, value: usize) -> usize {
        self.columns.as_ref().and_then(|columns| columns.get(value).copied()).unwrap_or(value)
    }

    /// The column for messages: its number, and its name where there is a header.
    pub(super) fn name_of(&self, column: usize) -> String {
        match self.header.as_ref().and_then(|names| names.get(column)) {
            Some(name) => format!("{} ('{}')", column + 1, excerpt(name)),
            None => (column + 1).to_string(),
        }
    }

    /// What a line should hold, for messages.
    pub(super) fn describe(&self, plan: &Plan) -> String {
        match &self.header {
            Some(names) => format!("{} as in the header", names.len()),
            None => plan.describe(),
        }
    }
}

/// The cells of the first line; none if there is no line.
fn first_cells(head: &[u8], delimiter: u8) -> Vec<String> {
    let first = builder(delimiter).from_reader(head).into_records().next();
    let Some(Ok(record)) = first else { return Vec::new() };
    record.iter().map(|cell| cell.trim().to_owned()).collect()
}

/// Whether the first line names columns: no number stands where one is expected.
fn is_header(cells: &[String], plan: &Plan) -> bool {
    let known = cells.len() == plan.width();
    let dtypes = plan.dtypes().chain(std::iter::repeat(DType::F64));
    let expected = cells.iter().zip(dtypes).filter(|(_, dtype)| !known || *dtype != DType::Text);
    let mut filled = expected.map(|(cell, _)| cell).filter(|cell| !cell.is_empty()).peekable();
    let has_numbers = plan.dtypes().any(|dtype| dtype != DType::Text);
    has_numbers && filled.peek().is_some() && !filled.any(|cell| Cell::parse(cell).is_some())
}

/// Whether a header may be read in the order of the fields: the count fits, and no column is
/// named after a value that stands elsewhere.
fn in_order(cells: &[String], plan: &Plan) -> bool {
    let columns = columns_of_names(cells);
    let in_place = |(value, names): (usize, Vec<String>)| {
        names.iter().filter_map(|name| columns.get(name.as_str())).all(|places| places.contains(&value))
    };
    cells.len() == plan.width() && values(plan).enumerate().all(in_place)
}

/// The column of each value, by the names in the header.
fn columns_by_name(cells: &[String], plan: &Plan) -> Result<Vec<usize>> {
    let columns = columns_of_names(cells);
    values(plan).map(|names| column_named(&names, &columns)).collect::<Result<_>>().with_context(|| {
        if cells.len() == plan.width() {
            return "the header names some columns in another order, and not all".to_owned();
        }
        format!("the header has {}, expected {}", counted(cells.len(), "column"), plan.describe())
    })
}

fn columns_of_names(cells: &[String]) -> HashMap<&str, Vec<usize>> {
    let mut columns: HashMap<&str, Vec<usize>> = HashMap::new();
    for (column, name) in cells.iter().enumerate() {
        columns.entry(name).or_default().push(column);
    }
    columns
}

fn column_named(names: &[String], columns: &HashMap<&str, Vec<usize>>) -> Result<usize> {
    let found: Vec<usize> =
        names.iter().filter_map(|name| columns.get(name.as_str())).flatten().copied().collect();
    let name = names.first().map_or("", String::as_str);
    match found.as_slice() {
        [] => bail!("no column is called '{name}'"),
        [column] => Ok(*column),
        [first, second, ..] => bail!("columns {} and {} are both called '{name}'", first + 1, second + 1),
    }
}

/// For each value of a row, what its column may be called.
fn values(plan: &Plan) -> impl Iterator<Item = Vec<String>> {
    plan.fields().iter().flat_map(|field| (0..field.len()).map(move |index| element_names(field, index)))
}

/// What the column of one element of a field may be called.
fn element_names(field: &Field, index: usize) -> Vec<String> {
    let name = &field.name;
    if field.len() == 1 {
        return vec![name.clone()];
    }
    let mut names = vec![
        format!("{name}.{index}"),
        format!("{name}{index}"),
        format!("{name}_{index}"),
        format!("{name}[{index}]"),
    ];
    let column = field.columns.as_ref().and_then(|columns| columns.get(index));
    names.extend(column.map(|column| format!("{name}.{column}")));
    names
}
