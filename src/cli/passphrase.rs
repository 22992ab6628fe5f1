//! The passphrase of a sealed secret key: from a file, or from the environment.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::ValueHint;
use zeroize::Zeroizing;

const VARIABLE: &str = "FHE_ML_PASSPHRASE";
const MAX_BYTES: u64 = 4096;

/// Where the passphrase comes from.
#[derive(clap::Args)]
pub struct Args {
    /// File with the passphrase of the secret key; otherwise FHE_ML_PASSPHRASE is used if it is set
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    passphrase_file: Option<PathBuf>,
}

impl Args {
    /// The passphrase, if there is one.
    ///
    /// # Errors
    /// If the file cannot be read, or the passphrase is empty or not UTF-8.
    pub fn read(&self) -> Result<Option<Zeroizing<String>>> {
        match &self.passphrase_file {
            Some(file) => from_file(file).map(Some),
            None => from_environment(),
        }
    }
}

fn from_file(path: &Path) -> Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    File::open(path)
        .and_then(|file| file.take(MAX_BYTES + 1).read_to_string(&mut text))
        .with_context(|| format!("cannot read the passphrase from '{}'", path.display()))?;
    if text.len() as u64 > MAX_BYTES {
        bail!("the passphrase in '{}' is longer than {MAX_BYTES} bytes", path.display());
    }
    let passphrase =
        text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
    if passphrase.is_empty() {
        bail!("the passphrase in '{}' is empty", path.display());
    }
    Ok(Zeroizing::new(passphrase.to_owned()))
}

fn from_environment() -> Result<Option<Zeroizing<String>>> {
    match std::env::var(VARIABLE) {
        Ok(passphrase) if passphrase.is_empty() => bail!("the passphrase in {VARIABLE} is empty"),
        Ok(passphrase) => Ok(Some(Zeroizing::new(passphrase))),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => bail!("the passphrase in {VARIABLE} is not UTF-8"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_end_is_no_part_of_the_passphrase() {
        let folder = tempfile::tempdir().unwrap();
        let read = |text: &str| {
            let path = folder.path().join("passphrase");
            std::fs::write(&path, text).unwrap();
            from_file(&path)
        };
        assert_eq!(read("correct horse\n").unwrap().as_str(), "correct horse");
        assert_eq!(read(" two \r\n").unwrap().as_str(), " two ");
        assert!(read("\n").unwrap_err().to_string().contains("is empty"));
        assert!(read(&"x".repeat(5000)).unwrap_err().to_string().contains("longer than"));
    }
}
