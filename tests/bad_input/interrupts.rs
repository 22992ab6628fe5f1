//! An interrupt in the middle of each command.
#![cfg(target_os = "linux")]

use std::fs;
use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::shell::{Outcome, Shell};

/// The exit code of a command that was interrupted.
const INTERRUPTED: i32 = 130;

#[test]
fn commands_that_read_rows_leave_nothing() {
    let shell = Shell::compiled("linreg_diabetes");
    for line in [
        "compile model.onnx --calibration - -o new",
        "encrypt build --input - -o new.ct",
        "simulate build --input - -o new.csv",
    ] {
        let before = shell.contents();
        let mut child = shell.command(line).stdin(Stdio::piped()).spawn().unwrap();
        // More than a pipe holds, so that some of it was read; then the command waits for the rest.
        let rows = "0,0.01,0,0.02,0,0,-0.01,0,0,0\n".repeat(6_000);
        child.stdin.as_mut().unwrap().write_all(rows.as_bytes()).unwrap();
        wait_until(&mut child, |_| !line.starts_with("encrypt") || temporary_files(&shell, ".") == 1);
        assert_eq!(interrupt(child).code, Some(INTERRUPTED), "{line}");
        assert!(shell.contents() == before, "{line}: files have changed");
    }
}

#[test]
fn keygen_leaves_no_key() {
    let shell = Shell::compiled("linreg_diabetes");
    shell.write("passphrase", "correct horse\n");
    // Sealing takes its time, so the interrupt comes in the middle.
    let mut child = shell.command("keygen build -o new --passphrase-file passphrase").spawn().unwrap();
    wait_until(&mut child, |_| temporary_files(&shell, "new") == 1);
    assert_eq!(interrupt(child).code, Some(INTERRUPTED));
    assert_eq!(fs::read_dir(shell.path("new")).unwrap().count(), 0, "something is left");
}

#[test]
fn decrypt_leaves_nothing() {
    let shell = Shell::evaluated("pca_logreg_digits");
    shell.repeat_block("y.ct", "big.ct", 1_000);
    let before = shell.contents();
    for format in ["csv", "json", "npy"] {
        let line = format!("decrypt build --input big.ct -o new.{format} --threads 1");
        let mut child = shell.command(&line).spawn().unwrap();
        wait_until(&mut child, |_| temporary_files(&shell, ".") > 0);
        assert_eq!(interrupt(child).code, Some(INTERRUPTED), "{line}");
        assert!(shell.contents() == before, "{line}: files have changed");
    }
}

#[test]
fn run_keeps_what_is_finished_and_goes_on_to_the_same_bytes() {
    let shell = Shell::evaluated("pca_logreg_digits");
    shell.repeat_block("x.ct", "big.ct", 1_000);
    let line = "run build --input big.ct -o resumed.ct --threads 1";
    let mut child = shell.command(line).spawn().unwrap();
    let partial = shell.path("resumed.ct.partial");
    wait_until(&mut child, |_| fs::metadata(&partial).is_ok_and(|file| file.len() > 1 << 20));
    assert_eq!(interrupt(child).code, Some(INTERRUPTED));
    assert!(partial.exists() && !shell.path("resumed.ct").exists());
    assert_eq!(temporary_files(&shell, "."), 0);

    let report = shell.fhe_ml(&format!("{line} --json")).done().json();
    let (rows, resumed) = (report["rows"].as_u64().unwrap(), report["resumed_rows"].as_u64().unwrap());
    assert!(0 < resumed && resumed < rows, "{report}");
    assert!(!partial.exists());
    shell.fhe_ml("run build --input big.ct -o whole.ct").done();
    assert!(shell.read("resumed.ct") == shell.read("whole.ct"), "the resumed results differ");
}

#[test]
fn a_partial_file_of_another_run_is_refused() {
    let shell = Shell::evaluated("linreg_diabetes");
    shell.write("new.ct.partial", vec![7; 10_000]);
    let says = ["cannot go on with 'new.ct.partial'", "hint: remove it to begin anew"];
    shell.refuses("run build --input x.ct -o new.ct", 1, &says);
}

#[test]
fn commands_that_write_nothing_end_as_interrupted_too() {
    let shell = Shell::evaluated("linreg_diabetes");
    let big = fs::File::options().write(true).open(shell.path("y.ct")).unwrap();
    big.set_len(1 << 36).unwrap();
    for line in ["estimate build --rows 1000000", "inspect y.ct --verify"] {
        let mut child = shell.command(line).spawn().unwrap();
        wait_until(&mut child, watches_interrupts);
        let outcome = interrupt(child);
        assert_eq!(outcome.code, Some(INTERRUPTED), "{line}: {outcome:?}");
        assert!(outcome.stdout.is_empty(), "{line}: {outcome:?}");
    }
}

fn wait_until(child: &mut Child, begun: impl Fn(&Child) -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !begun(child) {
        assert!(child.try_wait().unwrap().is_none(), "the command ended before it could be interrupted");
        assert!(Instant::now() < deadline, "the command never came to the point");
        thread::sleep(Duration::from_micros(200));
    }
}

fn interrupt(mut child: Child) -> Outcome {
    // Held open until now: waiting for the child closes its input.
    let _stdin = child.stdin.take();
    let kill = format!("kill -INT {}", child.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    Outcome::of(child.wait_with_output().unwrap())
}

/// Whether the handler of SIGINT (signal 2) is in place.
fn watches_interrupts(child: &Child) -> bool {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
    u64::from_str_radix(caught.trim(), 16).unwrap() & 2 != 0
}

fn temporary_files(shell: &Shell, folder: &str) -> usize {
    let Ok(entries) = fs::read_dir(shell.path(folder)) else { return 0 };
    let is_temporary = |name: &str| name.starts_with(".fhe-ml-");
    entries.filter(|entry| is_temporary(entry.as_ref().unwrap().file_name().to_str().unwrap())).count()
}
