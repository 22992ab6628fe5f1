//! Rows and labels of a party, as numbers.

use anyhow::{Context, Result, bail, ensure};

use super::{ClientPlan, spread};
use crate::tensor::{DType, Field, Labels, Source, read_column, read_rows};

/// Rows with their labels.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Data {
    /// The numbers of each row.
    pub rows: Vec<Vec<f64>>,
    /// The label of each.
    pub labels: Vec<f64>,
}

impl Data {
    /// Reads rows and labels, as many as the plan allows.
    ///
    /// # Errors
    /// If they cannot be read, do not fit the plan or each other, or there are none.
    pub fn read(client: &ClientPlan, input: &Source, labels: &Source) -> Result<Self> {
        let literal = client.plan.settings().literal();
        let field =
            Field { name: "row".to_owned(), dtype: DType::F64, shape: vec![literal.features], columns: None };
        let mut rows = Vec::new();
        for row in read_rows(input, &[field])? {
            let row = row?;
            ensure!(
                (rows.len() as u64) < literal.rows,
                "'{}' has more rows than the {} of all parties that the plan has room for\n\
                 hint: plan with more --rows",
                input.name(),
                literal.rows
            );
            let tensor = row.first().context("a row without numbers")?;
            rows.push(tensor.as_numbers()?.iter().copied().collect::<Vec<f64>>());
        }
        ensure!(!rows.is_empty(), "'{}' holds no rows", input.name());
        let Labels::Numbers(labels) = read_column(labels)?.for_rows(rows.len())? else {
            bail!("'{}' holds text\nhint: labels are numbers; classes are 0, 1 …", labels.name());
        };
        Ok(Self { rows, labels })
    }

    /// The order in which they are encrypted, and trained on: far apart, so that sorted data are mixed.
    pub fn spread(self) -> Self {
        let order = spread(self.rows.len());
        // An order of as many rows as there are.
        let rows = order.iter().map(|row| self.rows[*row].clone()).collect();
        Self { rows, labels: order.iter().map(|row| self.labels[*row]).collect() }
    }

    /// The target values of each row.
    ///
    /// # Errors
    /// If a label is no class, or out of range.
    pub fn targets(&self, client: &ClientPlan) -> Result<Vec<Vec<f64>>> {
        let settings = client.plan.settings();
        let targets = self.labels.iter().enumerate();
        targets
            .map(|(row, label)| settings.targets_of(*label).with_context(|| format!("row {}", row + 1)))
            .collect()
    }
}
