//! What the command promises at the shell, whatever the subcommand: codes, streams, damages, speed.

mod shell;

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use fhe_ml::artifact::{Access, CircuitId, Header, Kind, ParameterSummary, Writer};
use serde_json::Value;

use shell::Shell;

fn fhe_ml(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_fhe-ml")).args(arguments).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn server_file(folder: &Path) -> String {
    let path = folder.join("server.fhe");
    let mut header = Header::new(Kind::Server);
    header.circuit = Some(CircuitId::of(b"circuit"));
    header.parameters = Some(ParameterSummary { security_bits: 40, description: "k=1 N=256".to_owned() });
    header.add_fact("rows per ciphertext", "136\u{1b}[31m");
    let mut writer = Writer::create(&path, &header, Access::Public).unwrap();
    writer.encode(&1_u64).unwrap();
    writer.finish().unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn inspect_tells_what_a_file_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = server_file(folder.path());
    let output = fhe_ml(&["inspect", &path, "--verify"]);
    let text = stdout(&output);
    assert!(output.status.success() && output.stderr.is_empty(), "{}", stderr(&output));
    for expected in
        ["server file", "INSECURE, 40 bits", "k=1 N=256", "rows per ciphertext", "not clients", "matches"]
    {
        assert!(text.contains(expected), "no '{expected}' in {text}");
    }
    assert!(!text.contains('\u{1b}'), "a control character reached the terminal: {text:?}");
}

#[test]
fn json_is_one_object_on_stdout_and_lines_on_stderr() {
    let folder = tempfile::tempdir().unwrap();
    let path = server_file(folder.path());
    let output = fhe_ml(&["inspect", &path, "--verify", "--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["schema"], 1);
    assert_eq!(report["kind"], "server");
    assert_eq!(report["insecure"], true);
    let events: Vec<Value> =
        stderr(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(events.iter().all(|event| event["event"] == "progress") && !events.is_empty(), "{events:?}");

    let output = fhe_ml(&["inspect", "no such file", "--json"]);
    assert!(output.stdout.is_empty());
    let error: Value = serde_json::from_str(&stderr(&output)).unwrap();
    assert_eq!(error["event"], "error");
}

#[test]
fn quiet_tells_errors_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = server_file(folder.path());
    let output = fhe_ml(&["inspect", &path, "--quiet"]);
    assert!(output.stdout.is_empty() && output.stderr.is_empty());
    let output = fhe_ml(&["inspect", "no such file", "--quiet"]);
    assert!(stderr(&output).starts_with("error: cannot open 'no such file'"), "{}", stderr(&output));
}

#[test]
fn errors_are_a_sentence_and_a_hint_and_code_1() {
    let folder = tempfile::tempdir().unwrap();
    let path = server_file(folder.path());
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, bytes).unwrap();
    let output = fhe_ml(&["inspect", &path, "--verify"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    assert_eq!(
        stderr(&output),
        format!(
            "error: '{path}' is damaged or incomplete: its checksum does not match\nhint: copy or create it again\n"
        )
    );
}

#[test]
fn wrong_usage_is_code_2_and_help_is_code_0() {
    assert_eq!(fhe_ml(&[]).status.code(), Some(2));
    assert_eq!(fhe_ml(&["inspect"]).status.code(), Some(2));
    assert_eq!(fhe_ml(&["inspect", "x", "--threads", "0"]).status.code(), Some(2));
    let help = fhe_ml(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    assert!(stdout(&help).contains("Exit codes: 0 done; 1 failed"));
}

#[test]
fn completions_and_manual_come_for_every_command() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = fhe_ml(&["completions", shell]);
        assert!(output.status.success() && stdout(&output).contains("inspect"), "{shell}");
    }
    assert!(stdout(&fhe_ml(&["man"])).contains(r"fhe\-ml\-inspect"));
    assert!(stdout(&fhe_ml(&["man", "inspect"])).contains("checksum"));
    let output = fhe_ml(&["man", "spell"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("there is no subcommand 'spell'\nhint: "), "{}", stderr(&output));
}

#[cfg(unix)]
#[test]
fn a_closed_pipe_is_success() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_fhe-ml"))
        .args(["completions", "zsh"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(output.stderr.is_empty(), "{}", stderr(&output));
}

/// Every command that works on files, in an order in which each finds what it needs.
const PIPELINE: [&str; 9] = [
    "check model.onnx",
    "compile model.onnx --calibration x_calib.npy -o build",
    "keygen build -o keys",
    "estimate build --rows 10",
    "simulate build --input x_test.npy --labels y_test.npy -o simulated.json",
    "encrypt build --input x_test.npy -o x.ct",
    "run build --input x.ct -o y.ct",
    "decrypt build --input y.ct -o y.csv",
    "inspect y.ct --verify",
];

#[test]
fn every_command_gives_one_json_object_with_a_schema() {
    let shell = Shell::in_case("linear_svc_wine");
    for line in PIPELINE {
        let outcome = shell.fhe_ml(&format!("{line} --json")).done();
        assert_eq!(outcome.json()["schema"], 1, "{line}");
        assert_eq!(outcome.stdout.lines().count(), 1, "{line}: {outcome:?}");
        for event in outcome.stderr.lines() {
            let event: Value = serde_json::from_str(event).unwrap_or_else(|_| panic!("{line}: {event}"));
            assert!(event["event"].is_string(), "{line}: {event}");
        }
    }
}

#[test]
fn every_command_is_silent_when_asked() {
    let shell = Shell::in_case("linear_svc_wine");
    for line in PIPELINE {
        let outcome = shell.fhe_ml(&format!("{line} --quiet")).done();
        assert!(outcome.stdout.is_empty() && outcome.stderr.is_empty(), "{line}: {outcome:?}");
    }
}

#[test]
fn every_command_says_on_stdout_what_it_did() {
    let shell = Shell::in_case("linear_svc_wine");
    for line in PIPELINE {
        let outcome = shell.fhe_ml(line).done();
        assert!(!outcome.stdout.is_empty() && outcome.stderr.is_empty(), "{line}: {outcome:?}");
    }
}

#[test]
fn paths_that_need_not_be_typed() {
    let shell = Shell::in_case("linear_svc_wine");
    for line in [
        "compile model.onnx --calibration x_calib.npy",
        "keygen model",
        "encrypt model --input x_test.npy",
        "run model --input x_test.ct",
        "decrypt model --input x_test.out.ct",
    ] {
        shell.fhe_ml(line).done();
    }
    assert!(shell.path("x_test.out.csv").is_file());
}

#[test]
fn rows_come_from_stdin_and_go_to_stdout() {
    let shell = Shell::compiled("linreg_diabetes");
    let (csv, json) = ("0,0,0,0,0,0,0,0,0,0\n".repeat(2), "[[0,0,0,0,0,0,0,0,0,0],[0,0,0,0,0,0,0,0,0,0]]");
    let simulated = shell.fhe_ml_reading("simulate build --input - -o -", csv.as_bytes()).done().stdout;
    for (name, rows) in [("csv", csv.as_str()), ("json", json)] {
        shell.fhe_ml_reading(&format!("encrypt build --input - -o {name}.ct"), rows.as_bytes()).done();
        shell.fhe_ml(&format!("run build --input {name}.ct -o {name}.out.ct")).done();
        let outcome = shell.fhe_ml(&format!("decrypt build --input {name}.out.ct -o -")).done();
        let rows: Vec<Value> = serde_json::from_str(&outcome.stdout).unwrap();
        assert_eq!(rows.len(), 2, "{name}");
        assert_eq!(outcome.stdout, simulated, "{name}");
        assert!(outcome.stderr.is_empty(), "{name}: {outcome:?}");
    }
    shell.refuses_reading("encrypt build --input -", csv.as_bytes(), 1, &["standard input", "hint: add -o"]);
    shell.refuses_reading("encrypt build --input - -o new.ct", b"", 1, &["standard input holds no rows"]);
    shell.refuses_reading(
        "encrypt build --input - -o new.ct",
        b"0,0\n",
        1,
        &["standard input, line 1", "2 cells"],
    );
}

#[test]
fn gates_that_are_not_met_are_code_4() {
    let shell = Shell::compiled("linear_svc_wine");
    // Labels of two bits of precision are not those of the model.
    shell.fhe_ml("compile model.onnx --calibration x_calib.npy --bits 2 -o coarse").done();
    for (line, says) in [
        ("estimate build --rows 1000000 --max-seconds 0.000001", "computing takes "),
        ("estimate build --max-memory 1K", ", more than 1.0 KB"),
        ("simulate coarse --input x_test.npy --min-agreement 1", "is below 1"),
    ] {
        let outcome = shell.fhe_ml(line);
        assert_eq!(outcome.code, Some(4), "{line}: {outcome:?}");
        assert!(
            outcome.stderr.starts_with("error: ") && outcome.stderr.contains(says),
            "{line}: {outcome:?}"
        );
        assert!(!outcome.stdout.is_empty(), "{line}: the report is missing");
        assert_eq!(shell.fhe_ml(&format!("{line} --json")).json()["schema"], 1);
    }
    for line in [
        "estimate build --rows 10 --max-seconds 100 --max-memory 1G --max-key-mb 1",
        "simulate build --input x_test.npy --min-agreement 1",
    ] {
        shell.fhe_ml(line).done();
    }
}

#[test]
fn bad_values_of_flags_are_code_2() {
    let shell = Shell::new();
    for line in [
        "spell",
        "compile",
        "compile model.onnx --bits 1",
        "compile model.onnx --p-error 0.9",
        "encrypt build",
        "run build --input x.ct --threads none",
        "estimate build --rows 0",
        "simulate build --input x.npy --min-agreement 2",
    ] {
        let outcome = shell.fhe_ml(line);
        assert_eq!(outcome.code, Some(2), "{line}: {outcome:?}");
        assert!(outcome.stdout.is_empty() && outcome.stderr.starts_with("error: "), "{line}: {outcome:?}");
    }
}

#[test]
fn one_set_of_keys_serves_every_circuit_of_the_same_parameters() {
    let shell = Shell::compiled("linear_svc_wine");
    let line = "compile model.onnx --calibration x_calib.npy --bits 8 --same-parameters-as build -o other";
    shell.fhe_ml(line).done();
    shell.fhe_ml("encrypt other --input x_test.npy -o x.ct").done();
    shell.fhe_ml("run other --input x.ct -o y.ct").done();
    shell.fhe_ml("decrypt other --input y.ct -o y.csv").done();
}

#[cfg(unix)]
#[test]
fn the_secret_key_is_for_its_user_alone() {
    use std::os::unix::fs::PermissionsExt;
    let shell = Shell::compiled("linear_svc_wine");
    let mode = fs::metadata(shell.path("keys/secret.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}
