//! `fhe-ml compile`: from an ONNX model to a circuit.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::ValueHint;
use fhe_ml::circuit::files::{self, Saved};
use fhe_ml::compile::{
    self, Binning, Details, KeyParameters, LookupReport, NeighborReport, Report, ScoreError, Settings,
    TreeReport,
};
use fhe_ml::crypto::SecretParameters;
use fhe_ml::onnx;
use fhe_ml::server;
use fhe_ml::tensor::{Source, read_rows};
use serde::Serialize;

use super::console::Console;
use super::exit::ExitCode;
use super::paths;
use super::table::{Files, bytes, counted, seconds};
use super::values::{self, InputShape};

/// Compile a model to a client file and a server file
#[derive(clap::Args)]
pub struct Args {
    /// The ONNX model
    #[arg(value_hint = ValueHint::FilePath)]
    model: PathBuf,
    /// The shape of an input whose dimensions the model leaves open; may be given several times
    #[arg(long = "input", value_name = "NAME=SHAPE")]
    inputs: Vec<InputShape>,
    /// Rows that show the usual range of the inputs (npy, npz, csv or json)
    #[arg(long, value_name = "DATA", value_hint = ValueHint::FilePath)]
    calibration: Option<PathBuf>,
    /// Folder for client.fhe and server.fhe, by default named after the model
    #[arg(long, short, value_name = "DIR", value_hint = ValueHint::DirPath)]
    output: Option<PathBuf>,
    /// Bit width of quantized inputs and weights, by default chosen for the precision of the outputs; of trees,
    /// the bits of a feature's bin (2 to 8), by default 6
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(2..=20))]
    bits: Option<u8>,
    /// Compare the features of trees with the model's own thresholds: labels are the model's on every row, and
    /// the client file holds the thresholds
    #[arg(long, conflicts_with = "bits")]
    exact_thresholds: bool,
    /// Let clients of tree ensembles send every bit ready to multiply: megabytes a row, less time, no
    /// evaluation key
    #[arg(long)]
    lan: bool,
    /// Let whoever decrypts learn the distances to all points of nearest neighbours: no evaluation key, less time
    #[arg(long)]
    reveal_distances: bool,
    /// Probability that one result is wrong, as a number or a power such as 2^-40, by default 2^-128
    #[arg(long, value_name = "P", value_parser = values::p_error)]
    p_error: Option<f64>,
    /// Use the parameters of another client file, so that its keys serve this model too
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    same_parameters_as: Option<PathBuf>,
}

/// Compiles, writes the files and reports what they cost and reveal.
pub fn run(args: Args, console: &Console) -> Result<ExitCode> {
    let Some(calibration) = &args.calibration else {
        bail!(
            "calibration rows are missing: they show the usual range of each input\nhint: add --calibration DATA, \
             some rows like those that will be encrypted"
        );
    };
    let model = onnx::read(&args.model, &values::options(&args.inputs))?;
    let rows = read_rows(&Source::parse(calibration), model.inputs())?;
    let mut compiled = compile::compile(&model, rows, &settings(&args)?)?;
    if let (Details::Trees(trees), SecretParameters::Ring(ring)) =
        (&mut compiled.report.details, compiled.circuit.encoding().secret())
    {
        let unit = server::seconds_per_transform(&ring);
        trees.predicted_seconds = Some(trees.work.seconds(unit, rayon::current_num_threads()));
    }
    let folder = args.output.unwrap_or_else(|| paths::folder_for_model(&args.model));
    let saved =
        files::save(&folder, &compiled.circuit, &compiled.client, &model, &compiled.report.client_reveals)?;
    console.report(&Outcome { saved: &saved, report: &compiled.report }, human(&saved, &compiled.report))?;
    Ok(ExitCode::Done)
}

#[derive(Serialize)]
struct Outcome<'a> {
    #[serde(flatten)]
    saved: &'a Saved,
    #[serde(flatten)]
    report: &'a Report,
}

fn settings(args: &Args) -> Result<Settings> {
    let defaults = Settings::default();
    let parameters = match &args.same_parameters_as {
        None => None,
        Some(path) => {
            let client = files::open_client(&paths::file_or_in(path, files::CLIENT_FILE))?;
            let parameters = KeyParameters::of(&client.value.encoding);
            Some(parameters.with_context(|| {
                format!("the keys of '{}' are for lookups: they serve that circuit alone", path.display())
            })?)
        }
    };
    Ok(Settings {
        bits: args.bits.map(u32::from),
        log2_p_error: args.p_error.map_or(defaults.log2_p_error, f64::log2),
        parameters,
        binning: if args.exact_thresholds { Binning::Exact } else { Binning::Quantile },
        lan: args.lan,
        reveal_distances: args.reveal_distances,
    })
}

fn human(saved: &Saved, report: &Report) -> String {
    let heading = format!("circuit {}", saved.circuit.short());
    let files = Files { heading, files: &saved.files };
    let listed = |names: &[String]| if names.is_empty() { "-".to_owned() } else { names.join(", ") };
    let error =
        |score: &ScoreError| format!("'{}' {:.1e} (largest {:.1e})", score.node, score.rms, score.max);
    let mut lines = vec![
        ("before encryption", listed(&report.parts.prologue)),
        ("encrypted", listed(&report.parts.core)),
        ("after decryption", listed(&report.parts.epilogue)),
        ("calibrated on", calibrated_on(report.calibration_rows)),
    ];
    match &report.details {
        Details::Product(product) => lines.push((
            "numbers",
            format!(
                "{} inputs of {} bits, weights of {} bits, {} results of {} bits",
                report.features, product.input_bits, product.weight_bits, report.outputs, report.result_bits
            ),
        )),
        Details::Trees(trees) => lines.extend(tree_lines(trees, report)),
        Details::Lookups(lookups) => lines.extend(lookup_lines(lookups)),
        Details::Neighbors(neighbors) => {
            lines.push((
                "neighbours",
                format!(
                    "{} of {}, counted in {} within {}",
                    neighbors.neighbors,
                    counted(neighbors.points as u64, "point"),
                    counted(neighbors.groups as u64, "group"),
                    counted(neighbors.thresholds as u64, "distance")
                ),
            ));
            lines.extend(lookup_lines(&neighbors.lookups));
        }
    }
    lines.extend([
        (
            "parameters",
            format!("ring of size {}, {} bits of security", report.polynomial_size, report.security_bits),
        ),
        (
            "exactness",
            match &report.details {
                Details::Lookups(lookups) | Details::Neighbors(NeighborReport { lookups, .. }) => format!(
                    "approximate: noise of a quarter of a step of {} bits, more than a step and a half with \
                     probability 2^{:.0}",
                    lookups.bits, report.log2_p_error
                ),
                Details::Product(_) | Details::Trees(_) => format!(
                    "noise 2^{:.1}, a result is wrong with probability 2^{:.0}",
                    report.log2_noise, report.log2_p_error
                ),
            },
        ),
        ("sizes", sizes(report)),
        ("error against float", report.scores.iter().map(error).collect::<Vec<_>>().join(", ")),
        ("client file reveals", report.client_reveals.join("; ")),
    ]);
    let lines = lines.iter().map(|(name, value)| format!("\n  {name:19}  {value}"));
    format!("{files}{}", lines.collect::<String>())
}

fn lookup_lines(report: &LookupReport) -> Vec<(&'static str, String)> {
    let parameters = &report.parameters;
    let threads = rayon::current_num_threads();
    let seconds = report.lookups as f64 * report.lookup_seconds / threads as f64;
    vec![
        (
            "lookups",
            format!(
                "{} a row in {}, read with {} bits; about {:.2} s on {}",
                report.lookups,
                counted(report.layers as u64, "layer"),
                report.bits,
                seconds,
                counted(threads as u64, "thread")
            ),
        ),
        (
            "lookup parameters",
            format!(
                "LWE dimension {}, {} of size {}, bootstrapping by {}x{}, key switch by {}x{}",
                parameters.lwe_dimension(),
                counted(parameters.glwe_dimension() as u64, "polynomial"),
                parameters.polynomial_size(),
                parameters.bootstrap().log2_base(),
                parameters.bootstrap().levels(),
                parameters.key_switch().log2_base(),
                parameters.key_switch().levels()
            ),
        ),
    ]
}

fn tree_lines(trees: &TreeReport, report: &Report) -> Vec<(&'static str, String)> {
    let binning = match trees.binning {
        Binning::Exact => "at the model's thresholds".to_owned(),
        Binning::Quantile => format!("quantiles, {} bits", trees.bin_bits.unwrap_or_default()),
    };
    let work = &trees.work;
    vec![
        (
            "trees",
            format!(
                "{}, {} of {} nodes matter, on {}",
                counted(trees.trees as u64, "tree"),
                trees.kept_nodes,
                trees.nodes,
                counted(trees.used_features as u64, "feature")
            ),
        ),
        (
            "bins",
            format!(
                "{binning}: {} in {} a feature, {} a row",
                counted(trees.edges as u64, "edge"),
                counted(trees.digits as u64, "digit"),
                counted(report.features as u64, "bit")
            ),
        ),
        (
            "scores",
            format!(
                "{} of {} bits; scores of {:.1} bits at six standard deviations of rounding",
                counted(report.outputs as u64, "result"),
                report.result_bits,
                trees.score_bits
            ),
        ),
        (
            "work for a row",
            format!(
                "{} automorphisms, {} scheme switches, {} external products; about {}",
                work.automorphisms,
                work.scheme_switches,
                work.products,
                trees.predicted_seconds.map_or("-".to_owned(), seconds)
            ),
        ),
    ]
}

fn sizes(report: &Report) -> String {
    let block = format!(
        "{} a ciphertext: {} in, {} out",
        counted(report.rows_per_block as u64, "row"),
        bytes(report.input_block_bytes as u64),
        bytes(report.output_block_bytes as u64)
    );
    match report.key_bytes {
        None => format!("{block}; no evaluation key needed"),
        Some(key) => format!("{block}; evaluation key {}", bytes(key as u64)),
    }
}

fn calibrated_on(rows: usize) -> String {
    match rows {
        compile::MAX_CALIBRATION_ROWS.. => format!("the first {rows} rows; more are not read"),
        _ => counted(rows as u64, "row"),
    }
}
