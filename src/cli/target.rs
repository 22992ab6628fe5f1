//! Where rows of results go: a new file, or stdout.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Result;
use fhe_ml::artifact::OutputFile;
use fhe_ml::tensor::{Field, Format, Row, RowWriter};
use serde_json::json;

use super::console::{Console, Stdout};
use super::table::counted;

/// A destination whose format is known.
pub enum Target {
    /// A file; its extension says the format.
    File(PathBuf, Format),
    /// Standard output, as JSON.
    Stdout,
}

/// Rows under way to their target.
pub struct Rows(RowWriter<Sink>);

enum Sink {
    File(OutputFile),
    Stdout(Stdout),
}

impl Target {
    /// The target that `-o` names; `-` is stdout.
    ///
    /// # Errors
    /// If the extension names no format.
    pub fn of(path: PathBuf) -> Result<Self> {
        match path.as_os_str() == "-" {
            true => Ok(Self::Stdout),
            false => Format::of(&path).map(|format| Self::File(path, format)),
        }
    }

    /// Begins to write `rows` rows of these fields, or of the one called `selected`.
    ///
    /// # Errors
    /// If the file exists or cannot be made, or the format cannot hold the fields.
    pub fn begin(&self, fields: &[Field], rows: u64, selected: Option<&str>) -> Result<Rows> {
        let (sink, format) = match self {
            Self::File(path, format) => (Sink::File(OutputFile::create(path)?), *format),
            Self::Stdout => (Sink::Stdout(Console::stdout()), Format::Json),
        };
        RowWriter::new(format, sink, fields, rows, selected).map(Rows)
    }

    /// The file, unless it is stdout.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::File(path, _) => Some(path),
            Self::Stdout => None,
        }
    }

    /// Says what was written. Rows on stdout speak for themselves.
    ///
    /// # Errors
    /// If stdout cannot be written to.
    pub fn report(&self, rows: u64, done: &str, console: &Console) -> Result<()> {
        let Some(path) = self.path() else { return Ok(()) };
        let text = format!("{} {done}: '{}'", counted(rows, "row"), path.display());
        console.report(&json!({ "rows": rows, "output": path }), text)
    }
}

impl Rows {
    /// Writes one row.
    ///
    /// # Errors
    /// If it does not fit the fields, or writing fails.
    pub fn write(&mut self, row: &Row) -> Result<()> {
        self.0.write(row)
    }

    /// Writes the rest and gives a file its name.
    ///
    /// # Errors
    /// If writing fails.
    pub fn finish(self) -> Result<()> {
        match self.0.finish()? {
            Sink::File(file) => file.finish(),
            Sink::Stdout(mut stdout) => Ok(stdout.flush()?),
        }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.write(bytes),
            Self::Stdout(stdout) => stdout.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::File(file) => file.flush(),
            Self::Stdout(stdout) => stdout.flush(),
        }
    }
}
