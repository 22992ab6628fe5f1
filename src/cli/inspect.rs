//! `fhe-ml inspect`: what is this file?

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::ValueHint;
use fhe_ml::artifact::{CircuitId, Fact, Header, KeyId, Kind, ParameterSummary, Reader};
use serde::Serialize;

use super::console::Console;
use super::exit::ExitCode;

/// The least security of parameters that are not for tests, in bits.
const SECURE_BITS: u32 = 128;

/// Tell what a file is: kind, ids, sizes, parameters, who may hold it, who learns what
#[derive(clap::Args)]
pub struct Args {
    /// Any file that fhe-ml has written
    #[arg(value_hint = ValueHint::FilePath)]
    file: PathBuf,
    /// Also compare every byte with the checksum
    #[arg(long)]
    verify: bool,
}

/// Describes a file by its header; the payload is not decoded.
pub fn run(args: Args, console: &Console) -> Result<ExitCode> {
    let mut reader = Reader::open(&args.file)?;
    if args.verify {
        reader.verify(console)?;
    }
    let rows = match reader.header().blocks {
        None => None,
        Some(size) => {
            reader.last_block(size).map(|(before, rows, _)| before * size.rows + rows as u64).map(Some)?
        }
    };
    let report = Report::of(&args.file, &reader, args.verify, rows);
    console.report(&report, &report)?;
    Ok(ExitCode::Done)
}

#[derive(Serialize)]
struct Report<'a> {
    file: &'a Path,
    kind: Kind,
    payload_schema: u32,
    tool: &'a str,
    tfhe: &'a str,
    file_bytes: u64,
    payload_bytes: u64,
    verified: bool,
    circuit: Option<CircuitId>,
    key: Option<KeyId>,
    parameters: Option<&'a ParameterSummary>,
    insecure: bool,
    party: Option<&'a str>,
    rows: Option<u64>,
    sealed: bool,
    may_hold: &'static str,
    reveals: &'static str,
    facts: &'a [Fact],
}

impl<'a> Report<'a> {
    fn of(file: &'a Path, reader: &'a Reader, verified: bool, rows: Option<u64>) -> Self {
        let header: &Header = reader.header();
        let kind = header.kind;
        Self {
            file,
            kind,
            payload_schema: header.schema,
            tool: &header.tool,
            tfhe: &header.tfhe,
            file_bytes: reader.file_len(),
            payload_bytes: reader.payload_len(),
            verified,
            circuit: header.circuit,
            key: header.key,
            parameters: header.parameters.as_ref(),
            insecure: header
                .parameters
                .as_ref()
                .is_some_and(|parameters| parameters.security_bits < SECURE_BITS),
            party: header.party.as_deref(),
            rows,
            sealed: header.sealed,
            may_hold: kind.holder(),
            reveals: kind.reveals(),
            facts: &header.facts,
        }
    }

    fn lines(&self) -> Vec<(&str, String)> {
        let mut lines = vec![
            (
                "written by",
                format!("fhe-ml {}, tfhe {}, schema {}", self.tool, self.tfhe, self.payload_schema),
            ),
            ("size", format!("{} bytes, of them payload {}", self.file_bytes, self.payload_bytes)),
        ];
        lines.extend(self.verified.then(|| ("checksum", "matches".to_owned())));
        lines.extend(self.circuit.map(|id| ("circuit", id.to_string())));
        lines.extend(self.key.map(|id| ("key", id.to_string())));
        if let Some(parameters) = self.parameters {
            let warning = if self.insecure { "INSECURE, " } else { "" };
            lines.push(("security", format!("{warning}{} bits", parameters.security_bits)));
            lines.push(("parameters", parameters.description.clone()));
        }
        lines.extend(self.party.map(|party| ("party", party.to_owned())));
        lines.extend(self.rows.map(|rows| ("rows", rows.to_string())));
        lines.extend(self.sealed.then(|| ("sealed", "with a passphrase".to_owned())));
        lines.extend(self.facts.iter().map(|fact| (fact.name.as_str(), fact.value.clone())));
        lines.push(("may hold it", self.may_hold.to_owned()));
        lines.push(("reveals", self.reveals.to_owned()));
        lines
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.lines();
        let width = lines.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        write!(f, "'{}': {}", self.file.display(), self.kind)?;
        for (name, value) in lines {
            // The header comes from anywhere: no control characters reach the terminal.
            let (name, value) = (printable(name), printable(&value));
            write!(f, "\n  {name:width$}  {value}")?;
        }
        Ok(())
    }
}

fn printable(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { '\u{fffd}' } else { character }).collect()
}
