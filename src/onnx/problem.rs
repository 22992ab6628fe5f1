//! What stands in the way of a model: its problems, and the error that carries them.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

/// How many problems a message lists before it only counts them.
const LISTED: usize = 20;

/// One reason why a model cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// What is wrong and where, as a sentence.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Whether the file contradicts itself; otherwise it is only more than is supported.
    pub broken: bool,
}

impl Problem {
    /// What keeps a model that was read from being compiled.
    pub fn of(error: &(impl fmt::Display + ?Sized)) -> Self {
        let text = error.to_string();
        let (message, hint) = match text.split_once("\nhint: ") {
            Some((message, hint)) => (message.to_owned(), Some(hint.to_owned())),
            None => (text, None),
        };
        Self { message, hint, broken: false }
    }

    /// An error at a place of the model; unsupported if [`unsupported`] made it, else broken.
    pub(super) fn new(place: &str, error: &anyhow::Error) -> Self {
        let broken = error.downcast_ref::<Refusal>().is_none();
        let text = format!("{error:#}");
        let (message, hint) = match text.split_once("\nhint: ") {
            Some((message, hint)) => (message, Some(hint.to_owned())),
            None => (text.as_str(), None),
        };
        let message = if place.is_empty() { message.to_owned() } else { format!("{place}: {message}") };
        Self { message, hint, broken }
    }

    /// An operator that no reader knows.
    pub(super) fn operator(operator: &str, node: &str, hint: Option<&str>) -> Self {
        let message = format!("unsupported ONNX operator '{operator}' at node '{node}'");
        Self { message, hint: hint.map(str::to_owned), broken: false }
    }
}

/// A valid ONNX model that needs what is not supported. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsupported {
    problems: Vec<Problem>,
}

impl Unsupported {
    /// All of them, in the order of the file.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&sentence(&self.problems))
    }
}

impl std::error::Error for Unsupported {}

/// The error for a list of problems: [`Unsupported`] unless one of them says the file is broken.
pub(super) fn error(problems: Vec<Problem>) -> anyhow::Error {
    if problems.iter().any(|problem| problem.broken) {
        return anyhow::Error::msg(sentence(&problems));
    }
    anyhow::Error::new(Unsupported { problems })
}

/// The error of a reader that meets valid ONNX it does not support.
pub(super) fn unsupported(message: impl Into<String>) -> anyhow::Error {
    anyhow::Error::new(Refusal(message.into()))
}

#[derive(Debug)]
struct Refusal(String);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refusal {}

fn sentence(problems: &[Problem]) -> String {
    let mut text = match problems {
        [problem] => problem.message.clone(),
        _ => format!("the model has {} problems", problems.len()),
    };
    if problems.len() > 1 {
        for problem in problems.iter().take(LISTED) {
            text.push_str(&format!("\n  {}", problem.message));
        }
    }
    if problems.len() > LISTED {
        text.push_str(&format!("\n  and {} more", problems.len() - LISTED));
    }
    let hints: BTreeSet<&str> = problems.iter().filter_map(|problem| problem.hint.as_deref()).collect();
    for hint in hints {
        text.push_str(&format!("\nhint: {hint}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_leave_the_sentence_and_come_back_once() {
        let refusal = unsupported("mode 'reflect'\nhint: pad with constants");
        let problems =
            vec![Problem::new("node 'a' (Pad)", &refusal), Problem::new("node 'b' (Pad)", &refusal)];
        let text = error(problems).to_string();
        assert_eq!(
            text,
            "the model has 2 problems\n  node 'a' (Pad): mode 'reflect'\n  node 'b' (Pad): mode 'reflect'\nhint: pad with constants"
        );
    }

    #[test]
    fn one_broken_problem_makes_the_file_broken() {
        let unknown = Problem::operator("Einsum", "attn/qk", None);
        let broken = Problem::new("node 'x' (Add)", &anyhow::anyhow!("reads 'y', which nothing computes"));
        assert!(error(vec![unknown.clone()]).is::<Unsupported>());
        assert!(!error(vec![unknown, broken]).is::<Unsupported>());
    }
}
