//! `fhe-ml train plan`: what owner, parties and server agree on.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::{ValueEnum, ValueHint};
use fhe_ml::artifact::CircuitId;
use fhe_ml::tensor::{DType, Field, Row, Source, read_rows};
use fhe_ml::training::{self, ClientPlan, Features, Literal, Plan, Settings};
use serde::Serialize;

use crate::cli::console::Console;
use crate::cli::exit::ExitCode;
use crate::cli::table::{Files, bytes, seconds};
use crate::cli::values;

/// Choose settings and parameters, and predict noise, time and sizes
#[derive(clap::Args)]
pub struct Args {
    /// Numbers of a row
    #[arg(long, value_name = "N")]
    features: usize,
    /// What is learnt
    #[arg(long, value_enum, default_value_t = Task::Logistic)]
    task: Task,
    /// Classes of a logistic regression, labelled 0, 1 …; each of more than two against the others
    #[arg(long, value_name = "N", default_value_t = 2)]
    classes: usize,
    /// Least and largest label of a linear regression
    #[arg(long, value_name = "LOW:HIGH", default_value = "-1:1", allow_hyphen_values = true, value_parser = values::interval)]
    label_range: (f64, f64),
    /// The most rows of all parties together
    #[arg(long, value_name = "N", default_value_t = 1000)]
    rows: u64,
    /// How often every row is used
    #[arg(long, value_name = "N", default_value_t = 2)]
    epochs: u32,
    /// Rows of a step
    #[arg(long, value_name = "N", default_value_t = 32)]
    batch: usize,
    /// The rate of the first step, for the mean gradient of a batch
    #[arg(long, value_name = "R", default_value_t = 0.5)]
    learning_rate: f64,
    /// How the rate falls
    #[arg(long, value_enum, default_value_t = Schedule::Constant)]
    schedule: Schedule,
    /// The weight of half the squared norm of the coefficients
    #[arg(long, value_name = "W", default_value_t = 0.0)]
    l2: f64,
    /// The largest |w·x + b| that is read right, by default 28 of a logistic and 4 of a linear regression
    #[arg(long, value_name = "Z")]
    range: Option<f64>,
    /// Public bounds of each feature: csv with the columns mean and std, or lower and upper
    #[arg(long, value_name = "DATA", value_hint = ValueHint::FilePath)]
    bounds: Option<PathBuf>,
    /// Folder for client.fhe and server.fhe
    #[arg(long, short, value_name = "DIR", default_value = "plan", value_hint = ValueHint::DirPath)]
    output: PathBuf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Task {
    /// Classes
    Logistic,
    /// A number
    Linear,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Schedule {
    /// Not at all
    Constant,
    /// As 1 / (1 + epochs gone by)
    Inverse,
}

/// What is planned.
#[derive(Serialize)]
struct Report {
    circuit: CircuitId,
    files: Vec<(PathBuf, u64)>,
    steps: u64,
    row_bytes: f64,
    evaluation_key_bytes: usize,
    lookup_seconds: f64,
    decay_lookups: u64,
    range: f64,
    torus_span: f64,
    weight_noise: f64,
    reading_noise: f64,
    fitting_rows: u64,
}

/// Plans and writes both files.
pub fn run(args: Args, console: &Console) -> Result<ExitCode> {
    let (low, high) = args.label_range;
    let literal = Literal {
        features: args.features,
        task: match args.task {
            Task::Logistic => training::Task::Logistic { classes: args.classes },
            Task::Linear => training::Task::Linear { low, high },
        },
        rows: args.rows,
        epochs: args.epochs,
        batch: args.batch,
        learning_rate: args.learning_rate,
        schedule: match args.schedule {
            Schedule::Constant => training::Schedule::Constant,
            Schedule::Inverse => training::Schedule::Inverse,
        },
        l2: args.l2,
        range: args.range.unwrap_or(match args.task {
            Task::Logistic => 28.0,
            Task::Linear => 4.0,
        }),
    };
    let plan = Plan::new(Settings::new(literal)?)?;
    let features = match &args.bounds {
        Some(path) => bounds(&Source::parse(path))?,
        None => Features::standardised(args.features),
    };
    let client = ClientPlan { plan, features };
    client.check().with_context(|| match &args.bounds {
        Some(path) => format!("'{}' does not fit the plan", path.display()),
        None => "the plan contradicts itself".to_owned(),
    })?;
    let saved = training::files::save(&args.output, &client)?;
    let report = Report::of(&client.plan, saved.circuit, saved.files);
    console.report(&report, report.human(&client.plan))?;
    Ok(ExitCode::Done)
}

impl Report {
    fn of(plan: &Plan, circuit: CircuitId, files: Vec<(PathBuf, u64)>) -> Self {
        let (program, packing, rows) = (plan.program(), plan.packing(), plan.settings().literal().rows);
        let steps = plan.settings().steps(rows);
        let decays = program.decay_every().map_or(0, |every| steps.div_ceil(every));
        let features = plan.settings().literal().features * plan.settings().targets();
        Self {
            circuit,
            files,
            steps,
            row_bytes: packing.block_bytes() as f64 / packing.stride() as f64,
            evaluation_key_bytes: plan.parameters().key_bytes(),
            lookup_seconds: plan.parameters().lookup().seconds(),
            decay_lookups: decays * features as u64,
            range: plan.settings().literal().range,
            torus_span: program.span(),
            weight_noise: plan.weight_noise(rows),
            reading_noise: plan.reading_noise(),
            fitting_rows: plan.fitting_rows(),
        }
    }

    fn human(&self, plan: &Plan) -> String {
        let literal = plan.settings().literal();
        let uses =
            literal.rows * u64::from(literal.epochs) * plan.settings().targets() as u64 + self.decay_lookups;
        let decay = match self.decay_lookups {
            0 => String::new(),
            lookups => format!(", of them {lookups} for the penalty"),
        };
        format!(
            "{}\n{} steps with {} rows: {} lookups{decay}, about {} on one thread of the machine of the figures in README\n\
             a row takes {}, the evaluation key {}\n\
             noise: {:.3} of a weight in the end (a weight of standardised features; {} rows fit), {:.2} of w·x + b as it \
             is read\n|w·x + b| is read right up to {}; the torus holds {}",
            Files { heading: format!("plan {}", self.circuit.short()), files: &self.files },
            self.steps,
            literal.rows,
            uses,
            seconds(uses as f64 * self.lookup_seconds),
            bytes(self.row_bytes as u64),
            bytes(self.evaluation_key_bytes as u64),
            self.weight_noise,
            self.fitting_rows,
            self.reading_noise,
            self.range,
            self.torus_span
        )
    }
}

/// Middle and scale of each feature: mean and standard deviation, or the middle and a quarter of the width.
fn bounds(source: &Source) -> Result<Features> {
    let columns = |names: [&str; 2]| {
        let field =
            |name: &str| Field { name: name.to_owned(), dtype: DType::F64, shape: vec![], columns: None };
        let rows = read_rows(source, &names.map(field))?.map(|row| pair(&row?));
        rows.collect::<Result<Vec<(f64, f64)>>>()
    };
    let scales = match (columns(["mean", "std"]), columns(["lower", "upper"])) {
        (Ok(scales), _) => scales,
        (Err(_), Ok(limits)) => {
            limits.into_iter().map(|(lower, upper)| ((lower + upper) / 2.0, (upper - lower) / 4.0)).collect()
        }
        (Err(error), Err(_)) => {
            return Err(error.context("bounds need the columns mean and std, or lower and upper"));
        }
    };
    Features::new(scales).with_context(|| format!("cannot use '{}'", source.name()))
}

fn pair(row: &Row) -> Result<(f64, f64)> {
    let numbers = row.iter().map(|tensor| Ok(tensor.as_numbers()?.iter().copied().next()));
    let numbers: Vec<f64> = numbers.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect();
    match numbers.as_slice() {
        [first, second] => Ok((*first, *second)),
        _ => bail!("two numbers are due for each feature"),
    }
}
