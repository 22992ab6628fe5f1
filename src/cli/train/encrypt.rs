//! `fhe-ml encrypt` with the client file of a plan: a party's rows and labels, under the public key.

use std::path::Path;

use anyhow::Result;
use fhe_ml::tensor::Source;
use fhe_ml::training::encrypt;

use crate::cli::console::Console;
use crate::cli::exit::ExitCode;
use crate::cli::table::{bytes, counted};

/// What a party encrypts.
#[derive(Clone, Copy)]
pub struct Party<'a> {
    /// The plan's client file.
    pub client: &'a Path,
    /// The public key.
    pub public_key: &'a Path,
    /// The rows.
    pub input: &'a Source,
    /// Their labels.
    pub labels: &'a Source,
    /// Its name.
    pub name: &'a str,
    /// Where the ciphertexts go.
    pub output: &'a Path,
}

/// Encrypts, and tells the party what was clamped.
pub fn encrypt(party: Party<'_>, console: &Console) -> Result<ExitCode> {
    let Party { client, public_key, input, labels, name, output } = party;
    let request = encrypt::Request { client, public_key, input, labels, party: name, output };
    let summary = encrypt::encrypt(&request, console)?;
    if summary.clamped_values > 0 {
        let features = summary.clamped_features.iter().take(5);
        let named: Vec<String> = features.map(|(feature, count)| format!("{feature} ({count})")).collect();
        console.say(format_args!(
            "warning: {} in {} of {} beyond the public bounds, clamped: features {}{}",
            counted(summary.clamped_values, "value"),
            summary.clamped_rows,
            counted(summary.rows, "row"),
            named.join(", "),
            if summary.clamped_features.len() > named.len() { " and others" } else { "" }
        ));
    }
    let text = format!(
        "{} with labels encrypted for '{name}': '{}', {}",
        counted(summary.rows, "row"),
        output.display(),
        bytes(summary.bytes)
    );
    console.report(&summary, text)?;
    Ok(ExitCode::Done)
}
