//! Where data comes from: a file or standard input.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// Where data comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file.
    File(PathBuf),
    /// Standard input.
    Stdin,
}

impl Source {
    /// The source that a path typed by the user names: `-` is standard input.
    pub fn parse(path: impl AsRef<Path>) -> Self {
        let path = path.as_ref();
        if path == Path::new("-") { Self::Stdin } else { Self::File(path.to_path_buf()) }
    }

    /// What messages call it: the path as typed, or `standard input`.
    pub fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Stdin => "standard input".to_owned(),
        }
    }

    /// The name at the head of an error: a path in quotes, or `standard input`.
    pub(super) fn label(&self) -> String {
        match self {
            Self::File(path) => format!("'{}'", path.display()),
            Self::Stdin => self.name(),
        }
    }

    /// Opens the source for reading from its first byte.
    ///
    /// # Errors
    /// If the file does not exist, is a directory or may not be read.
    pub(super) fn open(&self) -> Result<Input> {
        match self {
            Self::File(path) => {
                let (file, bytes) = open_file(path)?;
                Ok(Input::new(Box::new(file), Some(bytes)))
            }
            Self::Stdin => Ok(Input::new(Box::new(io::stdin()), None)),
        }
    }
}

/// Opens a file and asks for its size.
///
/// # Errors
/// If the file does not exist, is a directory or may not be read.
pub(super) fn open_file(path: &Path) -> Result<(File, u64)> {
    let file = File::open(path).with_context(|| format!("cannot open '{}'", path.display()))?;
    let metadata = file.metadata().with_context(|| format!("cannot open '{}'", path.display()))?;
    if metadata.is_dir() {
        bail!("cannot read '{}': it is a folder, not a data file", path.display());
    }
    Ok((file, metadata.len()))
}

/// A stream whose beginning can be looked at before it is read.
pub(super) struct Input {
    head: io::Cursor<Vec<u8>>,
    rest: Box<dyn Read + Send>,
    bytes: Option<u64>,
}

impl Input {
    fn new(rest: Box<dyn Read + Send>, bytes: Option<u64>) -> Self {
        Self { head: io::Cursor::default(), rest, bytes }
    }

    /// The size of the file, where it is one.
    pub(super) fn bytes(&self) -> Option<u64> {
        self.bytes
    }

    /// Skips the mark that some editors put before UTF-8 text.
    ///
    /// # Errors
    /// If reading fails.
    pub(super) fn skip_byte_order_mark(&mut self) -> io::Result<()> {
        const MARK: &[u8] = b"\xef\xbb\xbf";
        if self.peek(MARK.len(), |_| false)?.starts_with(MARK) {
            self.head.set_position(MARK.len() as u64);
        }
        Ok(())
    }

    /// What comes next: read ahead until `enough` says so, the data ends, or `limit` is reached.
    ///
    /// # Errors
    /// If reading fails.
    pub(super) fn peek(&mut self, limit: usize, enough: impl Fn(&[u8]) -> bool) -> io::Result<&[u8]> {
        const STEP: usize = 1 << 16;
        while self.ahead().len() < limit && !enough(self.ahead()) {
            let step = self.ahead().len().max(STEP) as u64;
            if self.rest.by_ref().take(step).read_to_end(self.head.get_mut())? == 0 {
                break;
            }
        }
        Ok(self.ahead())
    }

    fn ahead(&self) -> &[u8] {
        let start = self.head.position() as usize;
        self.head.get_ref().get(start..).unwrap_or_default()
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.head.read(buffer)? {
            0 => self.rest.read(buffer),
            count => Ok(count),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dash_is_standard_input() {
        assert_eq!(Source::parse("-"), Source::Stdin);
        assert_eq!(Source::parse("-").name(), "standard input");
        assert_eq!(Source::parse("./-").name(), "./-");
    }

    #[test]
    fn missing_files_and_folders_are_named() {
        let message = format!("{:#}", Source::parse("no/such.npy").open().err().unwrap());
        assert!(message.starts_with("cannot open 'no/such.npy': "), "{message}");
        let folder = tempfile::tempdir().unwrap();
        let message = Source::parse(folder.path()).open().err().unwrap().to_string();
        assert!(message.ends_with("it is a folder, not a data file"), "{message}");
    }

    #[test]
    fn what_was_peeked_is_read_again() {
        let mut input = Input::new(Box::new(&b"\xef\xbb\xbfone\ntwo\n"[..]), None);
        input.skip_byte_order_mark().unwrap();
        assert!(input.peek(100, |head| head.contains(&b'\n')).unwrap().starts_with(b"one\n"));
        let mut text = String::new();
        input.read_to_string(&mut text).unwrap();
        assert_eq!(text, "one\ntwo\n");
    }
}
