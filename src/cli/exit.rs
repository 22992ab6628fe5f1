//! How the command ends, as scripts see it.

use std::fmt;
use std::io;

use fhe_ml::compile;
use fhe_ml::onnx;

/// The exit codes; they stand in the help text and in README.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// All is done, or nobody reads on.
    Done = 0,
    /// Something failed.
    Failed = 1,
    /// The model cannot be compiled. (2, wrong usage, is clap's own.)
    Unsupported = 3,
    /// A gate such as `--min-agreement` was not met.
    GateNotMet = 4,
}

impl ExitCode {
    /// The code for a command that ended with this error.
    pub fn of(error: &anyhow::Error) -> Self {
        if is_closed_pipe(error) {
            Self::Done
        } else if is_unsupported(error) {
            Self::Unsupported
        } else if error.is::<GateNotMet>() {
            Self::GateNotMet
        } else {
            Self::Failed
        }
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code as u8)
    }
}

/// Whether the reader of our output went away, as `head` does.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// A gate that was not met, as a sentence.
#[derive(Debug)]
pub struct GateNotMet(pub String);

impl fmt::Display for GateNotMet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for GateNotMet {}

/// Whether the model is sound but cannot be compiled.
fn is_unsupported(error: &anyhow::Error) -> bool {
    error.is::<compile::Unsupported>() || error.is::<onnx::Unsupported>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_pipe_is_no_failure() {
        let closed = anyhow::Error::new(io::Error::from(io::ErrorKind::BrokenPipe)).context("cannot write");
        assert_eq!(ExitCode::of(&closed), ExitCode::Done);
        assert_eq!(ExitCode::of(&anyhow::anyhow!("broken pipe")), ExitCode::Failed);
    }
}
