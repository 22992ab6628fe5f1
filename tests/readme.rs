//! README says what is true: its commands run, its table names every command, its links lead somewhere.
#![cfg(unix)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The heading of the tour, whose shell blocks are one session.
const TOUR: &str = "## A five-minute tour";

/// The files that the tour's Python part makes, and what stands for them here.
const TOUR_FILES: [(&str, &str); 4] = [
    ("model.onnx", "model.onnx"),
    ("sample.csv", "x_calib.csv"),
    ("rows.csv", "x_test.csv"),
    ("labels.csv", "y_test.csv"),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn document(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap()
}

/// The text from a heading to the next one of its level.
fn section<'a>(text: &'a str, heading: &str) -> &'a str {
    let start = text.find(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("README has no '{heading}'"));
    let body = &text[start + 1 + heading.len()..];
    body.split("\n## ").next().unwrap()
}

/// The fenced blocks of one language.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let opening = format!("```{language}\n");
    let after = text.split(&opening).skip(1);
    after.map(|rest| rest.split("```").next().unwrap()).collect()
}

/// Runs a shell script in `folder` with the built program on the path.
fn shell(folder: &Path, script: &str) -> Output {
    let program = Path::new(env!("CARGO_BIN_EXE_fhe-ml")).parent().unwrap().to_owned();
    let others = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(std::iter::once(program).chain(std::env::split_paths(&others))).unwrap();
    Command::new("sh").args(["-e", "-c", script]).current_dir(folder).env("PATH", path).output().unwrap()
}

fn succeed(folder: &Path, script: &str) -> String {
    let output = shell(folder, script);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}\n{said}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_tour_runs() {
    let readme = document("README.md");
    let blocks = blocks(section(&readme, TOUR), "sh");
    assert!(blocks.len() >= 4, "the tour has {} shell blocks", blocks.len());
    let folder = tempfile::tempdir().unwrap();
    let case = root().join("models/pipeline_passengers");
    for (name, file) in TOUR_FILES {
        fs::copy(case.join(file), folder.path().join(name)).unwrap();
    }
    for block in blocks {
        succeed(folder.path(), block);
    }
    let results = fs::read_to_string(folder.path().join("rows.out.csv")).unwrap();
    let rows = fs::read_to_string(folder.path().join("rows.csv")).unwrap();
    assert_eq!(results.lines().count(), rows.lines().count());
}

#[test]
fn the_first_command_runs() {
    let readme = document("README.md");
    let line = readme.lines().find_map(|line| line.strip_prefix("cargo run --release -- "));
    let arguments = line.expect("README runs the program through cargo");
    let folder = tempfile::tempdir().unwrap();
    succeed(folder.path(), &format!("fhe-ml {arguments}"));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "it left files behind");
}

#[test]
fn the_table_names_every_command() {
    let help = succeed(Path::new("."), "fhe-ml --help");
    let listed = help.split("Commands:\n").nth(1).and_then(|rest| rest.split("\n\n").next()).unwrap();
    let first_word = |line: &str| line.split_whitespace().next().unwrap().to_owned();
    // Long descriptions go on in lines that are indented further.
    let entries = listed.lines().filter(|line| !line.starts_with("   "));
    let commands: BTreeSet<String> = entries.map(first_word).filter(|name| name != "help").collect();
    let readme = document("README.md");
    let rows = section(&readme, "## Commands").lines().filter_map(|line| line.strip_prefix("| `"));
    let named: Vec<String> = rows.map(|row| first_word(row).trim_matches('`').to_owned()).collect();
    assert_eq!(named.iter().cloned().collect::<BTreeSet<_>>(), commands);
    assert_eq!(named.len(), commands.len(), "a command stands there twice");
}

#[test]
fn links_lead_to_files() {
    for name in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"] {
        let text = document(name);
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        let files = targets.filter(|target| !target.contains("://") && !target.starts_with('#'));
        let paths: Vec<PathBuf> =
            files.map(|target| root().join(target.split('#').next().unwrap())).collect();
        let missing: Vec<&PathBuf> = paths.iter().filter(|path| !path.exists()).collect();
        assert!(missing.is_empty(), "{name} links to {missing:?}");
    }
}
