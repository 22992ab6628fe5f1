//! What is trained and how: public, and the same for everybody.

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

/// The most features: a weight each, and one for the bias, share a ring element with the rows of a block.
pub const MOST_FEATURES: usize = 1023;
/// The most classes: their labels share a ring element.
pub const MOST_CLASSES: usize = 8;
/// The most steps of a batch, and rows of all parties.
const MOST_ROWS: u64 = 1 << 32;

/// What is learnt.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Task {
    /// Classes 0, 1 …: logistic regression, for more than two of each class against the others.
    Logistic {
        /// The number of classes.
        classes: usize,
    },
    /// A number: linear regression.
    Linear {
        /// The least label.
        low: f64,
        /// The largest label.
        high: f64,
    },
}

/// How the learning rate falls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Schedule {
    /// It does not.
    Constant,
    /// As 1 / (1 + epochs gone by).
    Inverse,
}

/// All that the descent depends on besides the data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Literal", into = "Literal")]
pub struct Settings {
    literal: Literal,
}

/// What settings are made of; not yet believed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Literal {
    /// Numbers of a row.
    pub features: usize,
    /// What is learnt.
    pub task: Task,
    /// The most rows of all parties together.
    pub rows: u64,
    /// How often every row is used.
    pub epochs: u32,
    /// Rows of a step.
    pub batch: usize,
    /// The rate of the first step, for the mean gradient of a batch.
    pub learning_rate: f64,
    /// How it falls.
    pub schedule: Schedule,
    /// The weight of half the squared norm of the coefficients.
    pub l2: f64,
    /// The largest |w·x + b| that is read right.
    pub range: f64,
}

impl Settings {
    /// The settings of this literal.
    ///
    /// # Errors
    /// If a number makes no sense.
    pub fn new(literal: Literal) -> Result<Self> {
        let Literal { features, rows, epochs, batch, learning_rate, l2, range, .. } = literal;
        ensure!(
            (1..=MOST_FEATURES).contains(&features),
            "{features} features, where 1 to {MOST_FEATURES} can be trained on"
        );
        match literal.task {
            Task::Logistic { classes } => ensure!(
                (2..=MOST_CLASSES).contains(&classes),
                "{classes} classes, where 2 to {MOST_CLASSES} can be told apart"
            ),
            Task::Linear { low, high } => ensure!(
                low.is_finite() && high.is_finite() && low < high,
                "labels from {low} to {high}: the first must be less than the second"
            ),
        }
        ensure!(rows >= 1 && epochs >= 1, "{rows} rows in {epochs} epochs: there is nothing to train on");
        ensure!(
            rows.saturating_mul(u64::from(epochs)) <= MOST_ROWS,
            "{rows} rows in {epochs} epochs are too many"
        );
        ensure!((1..=4096).contains(&batch), "a batch of {batch} rows, where 1 to 4096 are possible");
        ensure!(
            learning_rate > 0.0 && learning_rate <= 16.0,
            "a learning rate of {learning_rate}: it must be more than 0 and 16 at most"
        );
        ensure!((0.0..=1.0).contains(&l2), "an L2 penalty of {l2}: it must be 0 to 1");
        ensure!((1.0..=1024.0).contains(&range), "a range of {range}: it must be 1 to 1024");
        Ok(Self { literal })
    }

    /// What they are made of.
    pub fn literal(&self) -> &Literal {
        &self.literal
    }

    /// The number of weight vectors.
    pub fn targets(&self) -> usize {
        match self.literal.task {
            Task::Logistic { classes: 2 } | Task::Linear { .. } => 1,
            Task::Logistic { classes } => classes,
        }
    }

    /// The steps of an epoch of so many rows.
    pub fn steps_of_epoch(&self, rows: u64) -> u64 {
        rows.div_ceil(self.literal.batch as u64)
    }

    /// The steps of all epochs with so many rows.
    pub fn steps(&self, rows: u64) -> u64 {
        self.steps_of_epoch(rows) * u64::from(self.literal.epochs)
    }

    /// The learning rate of a step, the first of which is 0, as a part of the first one's.
    pub fn rate(&self, step: u64, rows: u64) -> f64 {
        match self.literal.schedule {
            Schedule::Constant => 1.0,
            Schedule::Inverse => 1.0 / (1.0 + step as f64 / self.steps_of_epoch(rows).max(1) as f64),
        }
    }

    /// What each weight vector is to give for a label, around zero.
    ///
    /// # Errors
    /// If there is no such class, or the label is out of range.
    pub fn targets_of(&self, label: f64) -> Result<Vec<f64>> {
        match self.literal.task {
            Task::Logistic { classes } => {
                let class = label as usize;
                ensure!(
                    class as f64 == label && class < classes,
                    "a label {label}, where the classes are 0 to {}",
                    classes - 1
                );
                let half = |is: bool| if is { 0.5 } else { -0.5 };
                Ok(match self.targets() {
                    1 => vec![half(class == 1)],
                    targets => (0..targets).map(|target| half(target == class)).collect(),
                })
            }
            Task::Linear { low, high } => {
                ensure!((low..=high).contains(&label), "a label {label}, where the plan has {low} to {high}");
                Ok(vec![(2.0 * label - low - high) / (high - low)])
            }
        }
    }
}

impl TryFrom<Literal> for Settings {
    type Error = anyhow::Error;

    fn try_from(literal: Literal) -> Result<Self> {
        Self::new(literal)
    }
}

impl From<Settings> for Literal {
    fn from(settings: Settings) -> Self {
        settings.literal
    }
}
