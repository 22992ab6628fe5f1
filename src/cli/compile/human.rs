//! What `compile` tells people.

use fhe_ml::circuit::files::Saved;
use fhe_ml::compile::{
    self, Binning, Details, LookupReport, NeighborReport, NetworkReport, Report, ScoreError, SetReport,
    TreeReport,
};
use fhe_ml::tune::Trial;

use crate::cli::table::{Files, Table, bytes, counted, seconds};

/// What compilation did, for people; `trials` tells what a search tried.
pub fn human(saved: &Saved, report: &Report, trials: &[Trial]) -> String {
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
        Details::Networks(NetworkReport { precision, lookups, .. }) => {
            lines.extend(lookup_lines(lookups));
            lines.push(("weights", format!("integers of {} bits", precision.weight_bits)));
        }
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
                Details::Networks(NetworkReport { lookups, .. })
                | Details::Neighbors(NeighborReport { lookups, .. }) => format!(
                    "approximate: noise of {} steps of {} bits in what a lookup reads, more than {:.1} steps with \
                     probability 2^{:.0}",
                    lookups.noise, lookups.bits, lookups.most_steps, report.log2_p_error
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
    let tried = if trials.is_empty() { String::new() } else { format!("\n{}", table(trials)) };
    format!("{files}{}{tried}", lines.collect::<String>())
}

fn lookup_lines(report: &LookupReport) -> Vec<(&'static str, String)> {
    let threads = rayon::current_num_threads();
    let seconds = report.lookups as f64 * report.lookup_seconds / threads as f64;
    let mut lines = vec![(
        "lookups",
        format!(
            "{} a row in {}, read with {} bits; about {:.2} s on {}",
            report.lookups,
            counted(report.layers as u64, "layer"),
            report.bits,
            seconds,
            counted(threads as u64, "thread")
        ),
    )];
    lines.extend(report.sets.iter().map(|set| ("lookup parameters", set_line(set, report.sets.len() > 1))));
    lines
}

fn set_line(set: &SetReport, is_one_of_several: bool) -> String {
    let parameters = &set.parameters;
    let of = if is_one_of_several {
        format!("of {}: ", counted(set.lookups as u64, "lookup"))
    } else {
        String::new()
    };
    format!(
        "{of}LWE dimension {}, {} of size {}, bootstrapping by {}x{}, key switch by {}x{}",
        parameters.lwe_dimension(),
        counted(parameters.glwe_dimension() as u64, "polynomial"),
        parameters.polynomial_size(),
        parameters.bootstrap().log2_base(),
        parameters.bootstrap().levels(),
        parameters.key_switch().log2_base(),
        parameters.key_switch().levels()
    )
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
                "{} of {}, {} in diagrams, on {}",
                counted(trees.trees as u64, "tree"),
                counted(trees.nodes as u64, "node"),
                trees.kept_nodes,
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

/// What was tried, from the cheapest to the dearest.
fn table(trials: &[Trial]) -> Table {
    let heading = ["bits", "noise", "weight bits", "drop", "s/row", "key"].map(str::to_owned).to_vec();
    let threads = rayon::current_num_threads() as f64;
    let row = |trial: &Trial| {
        vec![
            trial.bits.to_string(),
            trial.noise.to_string(),
            trial.weight_bits.to_string(),
            format!("{:.4}", trial.drop),
            format!("{:.2}", trial.seconds / threads),
            bytes(trial.key_bytes as u64),
        ]
    };
    Table(std::iter::once(heading).chain(trials.iter().map(row)).collect())
}
