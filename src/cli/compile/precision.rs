//! The file of a network's precision.

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use fhe_ml::artifact::OutputFile;
use fhe_ml::compile::{NetworkReport, NodePrecision, Precision, Settings};

/// Takes the precision from the file if there is one; else begins it, to be written once there is a circuit.
///
/// # Errors
/// If the file cannot be read, or is none of this kind.
pub fn read_or_begin(path: &Path, settings: &mut Settings) -> Result<Option<OutputFile>> {
    if !path.exists() {
        return OutputFile::create(path).map(Some);
    }
    let name = path.display();
    let text = fs::read_to_string(path).with_context(|| format!("cannot read '{name}'"))?;
    settings.precision =
        serde_json::from_str(&text).with_context(|| format!("'{name}' is no file of settings"))?;
    settings.precision.check().with_context(|| format!("the settings in '{name}'"))?;
    Ok(None)
}

/// Writes the precision of a network, with every node that has lookups.
///
/// # Errors
/// If the file cannot be written.
pub fn finish(mut file: OutputFile, report: &NetworkReport) -> Result<()> {
    let mut precision = report.precision.clone();
    for group in &report.groups {
        let Precision { bits, noise, weight_bits, margin, range, .. } = precision.of(&group.node);
        let node = NodePrecision {
            bits: Some(bits),
            noise: Some(noise),
            weight_bits: Some(weight_bits),
            margin: Some(margin),
            range: Some(range),
        };
        precision.nodes.insert(group.node.clone(), node);
    }
    serde_json::to_writer_pretty(&mut file, &precision)?;
    file.write_all(b"\n")?;
    file.finish()
}
