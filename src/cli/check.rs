//! `fhe-ml check`: can this model run?

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::ValueHint;
use fhe_ml::compile::{self, PartNames};
use fhe_ml::onnx::{self, Examination, Port, Problem};
use serde::Serialize;

use super::console::Console;
use super::exit::ExitCode;
use super::values::{self, InputShape};

/// Check whether a model can run encrypted: every problem in one pass, node by node
#[derive(clap::Args)]
pub struct Args {
    /// The ONNX model
    #[arg(value_hint = ValueHint::FilePath)]
    model: PathBuf,
    /// The shape of an input whose dimensions the model leaves open; may be given several times
    #[arg(long = "input", value_name = "NAME=SHAPE")]
    inputs: Vec<InputShape>,
}

/// Reads the model and tells what stands in the way.
pub fn run(args: Args, console: &Console) -> Result<ExitCode> {
    let options = values::options(&args.inputs);
    let examination = onnx::check(&args.model, &options)?;
    let mut report = Report { compiles: false, parts: None, examination };
    if report.examination.is_supported() {
        match compile::parts(&onnx::read(&args.model, &options)?) {
            Ok(parts) => report = Report { compiles: true, parts: Some(parts), ..report },
            Err(error) => report.examination.problems.push(Problem::of(&error)),
        }
    }
    console.report(&report, report.human(&args.model))?;
    let is_broken = report.examination.problems.iter().any(|problem| problem.broken);
    Ok(match (report.compiles, is_broken) {
        (true, _) => ExitCode::Done,
        (false, true) => ExitCode::Failed,
        (false, false) => ExitCode::Unsupported,
    })
}

#[derive(Serialize)]
struct Report {
    compiles: bool,
    parts: Option<PartNames>,
    #[serde(flatten)]
    examination: Examination,
}

impl Report {
    fn human(&self, model: &Path) -> String {
        let Examination { producer, opsets, inputs, outputs, nodes, problems } = &self.examination;
        let opset = |(domain, version): &(String, i64)| match domain.as_str() {
            "" => format!("ai.onnx {version}"),
            domain => format!("{domain} {version}"),
        };
        let opsets: Vec<String> = opsets.iter().map(opset).collect();
        let mut text = format!("'{}': from {producer}, {}", model.display(), opsets.join(", "));
        let port = |side: &str, port: &Port| {
            let shape = port.shape.as_ref().map_or("?".to_owned(), |shape| format!("[{}]", shape.join(", ")));
            format!("\n  {side} '{}': {} {shape}", port.name, port.dtype)
        };
        text.extend(inputs.iter().map(|input| port("input", input)));
        text.extend(outputs.iter().map(|output| port("output", output)));
        for node in nodes {
            let verdict = if node.problem.is_none() { "ok" } else { "NOT SUPPORTED" };
            text += &format!("\n  {verdict:13}  {} '{}'", node.op, node.name);
        }
        for problem in problems {
            text += &format!("\nproblem: {}", problem.message);
            text.extend(problem.hint.iter().map(|hint| format!("\nhint: {hint}")));
        }
        if let Some(parts) = &self.parts {
            let listed = |names: &[String]| if names.is_empty() { "-".to_owned() } else { names.join(", ") };
            text += &format!("\nbefore encryption: {}", listed(&parts.prologue));
            text += &format!("\nencrypted: {}", listed(&parts.core));
            text += &format!("\nafter decryption: {}", listed(&parts.epilogue));
        }
        text + if self.compiles { "\nthe model can be compiled" } else { "\nthe model cannot be compiled" }
    }
}
