//! A shell in a folder that goes away: runs the command on the files there and tells what became of them.

// Each test file uses its own part of this.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use fhe_ml::artifact::{Access, Reader, Writer};
use serde_json::Value;
use tempfile::TempDir;

/// A folder to work in.
pub struct Shell {
    folder: TempDir,
}

/// What a command gave.
#[derive(Debug)]
pub struct Outcome {
    /// The exit code, unless a signal ended the command.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Shell {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// A shell among the files of a folder in `models/`.
    pub fn in_case(case: &str) -> Self {
        let shell = Self::new();
        for file in files_in(&models().join(case)) {
            fs::copy(&file, shell.path(file.file_name().unwrap().to_str().unwrap())).unwrap();
        }
        shell
    }

    /// The same with the model compiled to `build` and keys in `keys`; trees at their own thresholds.
    pub fn compiled(case: &str) -> Self {
        let flags = if has_trees(case) { "--exact-thresholds" } else { "" };
        Self::compiled_with(case, flags)
    }

    /// The same with these flags of `compile`.
    pub fn compiled_with(case: &str, flags: &str) -> Self {
        let shell = Self::in_case(case);
        let calibration = shell.data("x_calib");
        shell.fhe_ml(&format!("compile model.onnx --calibration {calibration} -o build {flags}")).done();
        shell.fhe_ml("keygen build -o keys").done();
        shell
    }

    /// The same with the test rows encrypted in `x.ct` and the encrypted results in `y.ct`.
    pub fn evaluated(case: &str) -> Self {
        let shell = Self::compiled(case);
        let rows = shell.data("x_test");
        shell.fhe_ml(&format!("encrypt build --input {rows} -o x.ct")).done();
        shell.fhe_ml("run build --input x.ct -o y.ct").done();
        shell
    }

    /// A file or folder here.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The data file here that has this name, whatever its format.
    pub fn data(&self, stem: &str) -> String {
        let formats = ["npy", "npz", "csv", "json"].map(|format| format!("{stem}.{format}"));
        formats.into_iter().find(|name| self.path(name).exists()).unwrap_or_else(|| panic!("no {stem}"))
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).unwrap();
    }

    /// The command of a line whose words have no spaces in them.
    pub fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fhe-ml"));
        command.args(line.split_whitespace()).current_dir(self.folder.path());
        command.env_remove("FHE_ML_PASSPHRASE").stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs `fhe-ml` with the words of a line.
    pub fn fhe_ml(&self, line: &str) -> Outcome {
        Outcome::of(self.command(line).output().unwrap())
    }

    /// Runs `fhe-ml` with something on its standard input.
    pub fn fhe_ml_reading(&self, line: &str, input: &[u8]) -> Outcome {
        let mut child = self.command(line).stdin(Stdio::piped()).spawn().unwrap();
        // A command that refuses its input early closes the pipe.
        let _ = child.stdin.take().unwrap().write_all(input);
        Outcome::of(child.wait_with_output().unwrap())
    }

    /// Runs a script of `sh`, in which `"$fhe_ml"` is the command.
    pub fn sh(&self, script: &str) -> Outcome {
        let mut command = Command::new("sh");
        command.args(["-c", script]).current_dir(self.folder.path());
        Outcome::of(command.env("fhe_ml", env!("CARGO_BIN_EXE_fhe-ml")).output().unwrap())
    }

    /// Everything here: files with their bytes, folders without.
    pub fn contents(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut contents = BTreeMap::new();
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for path in files_in(&folder) {
                let bytes = if path.is_dir() { Vec::new() } else { fs::read(&path).unwrap() };
                if path.is_dir() {
                    folders.push(path.clone());
                }
                contents.insert(path, bytes);
            }
        }
        contents
    }

    /// Runs a line that must fail with `code`, a sentence that holds all of `says`, and no trace.
    pub fn refuses(&self, line: &str, code: i32, says: &[&str]) {
        self.refuses_reading(line, b"", code, says);
    }

    /// The same with something on standard input.
    pub fn refuses_reading(&self, line: &str, input: &[u8], code: i32, says: &[&str]) {
        let before = self.contents();
        let outcome = self.fhe_ml_reading(line, input);
        assert_eq!(outcome.code, Some(code), "{line}: {outcome:?}");
        assert!(outcome.stderr.starts_with("error: "), "{line}: {outcome:?}");
        assert!(!outcome.stderr.contains("panicked"), "{line}: {outcome:?}");
        assert!(outcome.stdout.is_empty(), "{line}: {outcome:?}");
        for part in says {
            assert!(outcome.stderr.contains(part), "{line}: no '{part}' in {}", outcome.stderr);
        }
        assert!(self.contents() == before, "{line}: files have changed");
    }

    /// Makes a ciphertext file of many blocks, each the first full block of another file.
    pub fn repeat_block(&self, small: &str, big: &str, blocks: u64) {
        let mut reader = Reader::open(&self.path(small)).unwrap();
        let size = reader.header().blocks.unwrap();
        let block = reader.read_at(0, size.bytes as usize).unwrap();
        let mut writer = Writer::create(&self.path(big), reader.header(), Access::Public).unwrap();
        (0..blocks).for_each(|_| writer.write_all(&block).unwrap());
        writer.finish().unwrap();
    }
}

impl Outcome {
    pub fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// The outcome of a command that must succeed.
    pub fn done(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }

    /// The one JSON object on stdout.
    pub fn json(&self) -> Value {
        let report: Value = serde_json::from_str(&self.stdout).unwrap_or_else(|_| panic!("{self:?}"));
        assert!(report.is_object(), "{self:?}");
        report
    }
}

/// The folder of the shipped models.
pub fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models")
}

/// The names of all folders in `models/`, in order.
pub fn cases() -> Vec<String> {
    let folders = files_in(&models()).into_iter().filter(|path| path.join("model.onnx").is_file());
    folders.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
}

/// Whether the model of a case holds trees: the operators of all exporters have the word in their names.
pub fn has_trees(case: &str) -> bool {
    let model = fs::read(models().join(case).join("model.onnx")).unwrap();
    let word = b"TreeEnsemble";
    model.windows(word.len()).any(|window| window == word)
}

/// The bytes of an npy file.
pub fn npy(descr: &str, fortran_order: bool, shape: &[usize], values: &[u8]) -> Vec<u8> {
    let order = if fortran_order { "True" } else { "False" };
    let shape: String = shape.iter().map(|length| format!("{length}, ")).collect();
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': ({shape}), }}");
    header += &" ".repeat(63 - (10 + header.len()) % 64);
    header.push('\n');
    [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), values].concat()
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}
