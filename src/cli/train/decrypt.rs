//! `fhe-ml decrypt` with the client file of a plan: trained weights.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use fhe_ml::artifact::OutputFile;
use fhe_ml::training::weights::{self, Request};
use serde_json::json;

use crate::cli::console::Console;
use crate::cli::exit::ExitCode;
use crate::cli::table::counted;

/// Decrypts and writes JSON; `-` is stdout.
pub fn decrypt(request: &Request<'_>, output: &Path, console: &Console) -> Result<ExitCode> {
    let weights = weights::decrypt(request, console)?;
    let text = serde_json::to_string_pretty(&weights).context("cannot write weights as JSON")?;
    if output.as_os_str() == "-" {
        writeln!(Console::stdout(), "{text}")?;
        return Ok(ExitCode::Done);
    }
    let mut file = OutputFile::create(output)?;
    writeln!(file, "{text}")?;
    file.finish()?;
    let rows = weights.coefficients.len() as u64;
    let human = format!("{} of coefficients decrypted: '{}'", counted(rows, "row"), output.display());
    console.report(&json!({ "weights": weights, "output": output }), human)?;
    Ok(ExitCode::Done)
}
