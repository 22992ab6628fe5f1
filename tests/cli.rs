//! What the command promises at the shell, whatever the subcommand: codes, streams, damages, speed.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use fhe_ml::artifact::{Access, CircuitId, Header, Kind, ParameterSummary, Writer};
use serde_json::Value;

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

#[test]
fn it_starts_at_once() {
    fhe_ml(&["--version"]);
    let times = (0..5).map(|_| {
        let begun = std::time::Instant::now();
        assert!(fhe_ml(&["--version"]).status.success());
        begun.elapsed()
    });
    let best = times.min().unwrap();
    assert!(best.as_millis() < 50, "started in {best:?}");
}
