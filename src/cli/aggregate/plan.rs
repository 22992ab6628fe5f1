//! `fhe-ml aggregate plan`: what parties and server agree on.

use std::path::PathBuf;

use anyhow::Result;
use clap::ValueHint;
use fhe_ml::circuit::files::Saved;
use fhe_ml::federated::{self, Limits, Plan, Scale, Wishes};
use fhe_ml::tensor::ArrayFile;
use serde::Serialize;

use crate::cli::console::Console;
use crate::cli::exit::ExitCode;
use crate::cli::table::{Files, bytes, counted};
use crate::cli::values;

/// The sum of weights that there is room for, if nobody says: each party's is 1 at least.
const TOTAL_WEIGHT: u64 = 50_000;

/// Plan an aggregation for updates of one kind
#[derive(clap::Args)]
pub struct Args {
    /// An update, or anything with its arrays (npz or safetensors): names, types and shapes are taken from it
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    like: PathBuf,
    /// The most parties of one round
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    parties: u32,
    /// The largest sum of weights, by default 50000
    #[arg(long, value_name = "W", value_parser = clap::value_parser!(u64).range(1..))]
    total_weight: Option<u64>,
    /// The bits of a value, sign included
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(2..=32))]
    bits: u32,
    /// The largest absolute value: others are clipped
    #[arg(long, value_name = "C", default_value_t = 1.0, value_parser = values::positive)]
    clip: f64,
    /// The largest 2-norm of an update: others are scaled down
    #[arg(long, value_name = "C", value_parser = values::positive)]
    clip_norm: Option<f64>,
    /// Folder for client.fhe and server.fhe
    #[arg(long, short, value_name = "DIR", default_value = "round", value_hint = ValueHint::DirPath)]
    output: PathBuf,
}

#[derive(Serialize)]
struct Report {
    #[serde(flatten)]
    saved: Saved,
    arrays: usize,
    values: u64,
    parties: u32,
    total_weight: u64,
    bits: u32,
    clip: f64,
    clip_norm: Option<f64>,
    step: f64,
    polynomial_size: usize,
    update_bytes: u64,
    bytes_per_value: f64,
    log2_p_error: f64,
}

/// Chooses parameters and writes both halves of the plan.
pub fn run(args: &Args, console: &Console) -> Result<ExitCode> {
    let file = ArrayFile::open(&args.like)?;
    let total_weight = args.total_weight.unwrap_or(TOTAL_WEIGHT.max(u64::from(args.parties)));
    let plan = federated::plan(Wishes {
        arrays: file.fields().to_vec(),
        limits: Limits { parties: args.parties, total_weight },
        scale: Scale::new(args.clip, args.bits)?,
        clip_norm: args.clip_norm,
    })?;
    let report = Report::of(&plan, federated::save(&args.output, &plan)?)?;
    let heading = format!(
        "{} in {}, up to {} with weights up to {total_weight} in sum; an update takes {}, {:.2} bytes a value",
        counted(report.values, "value"),
        counted(report.arrays as u64, "array"),
        if args.parties == 1 { "1 party".to_owned() } else { format!("{} parties", args.parties) },
        bytes(report.update_bytes),
        report.bytes_per_value
    );
    console.report(&report, Files { heading, files: &report.saved.files })?;
    Ok(ExitCode::Done)
}

impl Report {
    fn of(plan: &Plan, saved: Saved) -> Result<Self> {
        let (round, scale) = (plan.round(), plan.scale());
        let packing = round.packing();
        Ok(Self {
            saved,
            arrays: plan.arrays().len(),
            values: packing.values(),
            parties: round.limits().parties,
            total_weight: round.limits().total_weight,
            bits: scale.bits(),
            clip: scale.clip(),
            clip_norm: plan.clip_norm(),
            step: scale.step(),
            polynomial_size: packing.parameters().ring().polynomial_size(),
            update_bytes: packing.bytes(),
            bytes_per_value: packing.bytes() as f64 / packing.values() as f64,
            log2_p_error: round.messages()?.log2_failure(round.variance()),
        })
    }
}
