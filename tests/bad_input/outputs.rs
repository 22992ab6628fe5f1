//! Outputs that cannot be written where they are wanted.

use crate::shell::Shell;

#[test]
fn nothing_that_exists_is_overwritten() {
    let shell = Shell::evaluated("linreg_diabetes");
    shell.write("y.csv", "mine");
    for (line, taken) in [
        ("compile model.onnx --calibration x_calib.npy -o build", "build/client.fhe"),
        ("keygen build -o keys", "keys/secret.key"),
        ("encrypt build --input x_test.npy -o x.ct", "x.ct"),
        ("run build --input x.ct -o y.ct", "y.ct"),
        ("run build --input x.ct -o x.ct", "x.ct"),
        ("decrypt build --input y.ct -o y.csv", "y.csv"),
        ("decrypt build --input y.ct", "y.csv"),
        ("simulate build --input x_test.npy -o y.csv", "y.csv"),
    ] {
        let sentence = format!("refusing to overwrite existing file '{taken}'");
        shell.refuses(line, 1, &[&sentence, "hint: "]);
    }
}

#[test]
fn one_taken_name_keeps_the_whole_set_from_being_written() {
    let shell = Shell::compiled("linreg_diabetes");
    std::fs::create_dir(shell.path("partly")).unwrap();
    for (taken, line) in [
        ("partly/client.fhe", "compile model.onnx --calibration x_calib.npy -o partly"),
        ("partly/server.fhe", "compile model.onnx --calibration x_calib.npy -o partly"),
        ("partly/model.fhe", "compile model.onnx --calibration x_calib.npy -o partly"),
        ("partly/secret.key", "keygen build -o partly"),
        ("partly/evaluation.key", "keygen build -o partly"),
    ] {
        shell.write(taken, "mine");
        shell.refuses(line, 1, &[&format!("refusing to overwrite existing file '{taken}'")]);
        std::fs::remove_file(shell.path(taken)).unwrap();
    }
}

#[test]
fn folders_that_are_missing_or_none() {
    let shell = Shell::evaluated("linreg_diabetes");
    for line in [
        "encrypt build --input x_test.npy -o gone/x.ct",
        "run build --input x.ct -o gone/y.ct",
        "decrypt build --input y.ct -o gone/y.csv",
        "simulate build --input x_test.npy -o gone/y.csv",
    ] {
        shell.refuses(line, 1, &["there is no folder 'gone'", "hint: create the folder first"]);
    }
    for line in ["compile model.onnx --calibration x_calib.npy -o x.ct", "keygen build -o x.ct"] {
        shell.refuses(line, 1, &["cannot write into 'x.ct': it is a file, not a folder"]);
    }
    for line in ["encrypt build --input x_test.npy -o build", "run build --input x.ct -o build"] {
        shell.refuses(line, 1, &["cannot write 'build': it is a folder"]);
    }
}

#[test]
fn formats_that_are_unknown() {
    let shell = Shell::evaluated("linreg_diabetes");
    let line = "decrypt build --input y.ct -o y.xlsx";
    shell.refuses(line, 1, &["'y.xlsx'", "hint: use npy, npz, csv or json"]);
    let line = "decrypt build --input y.ct -o y.npy --output-name price";
    shell.refuses(line, 1, &["'price'", "'variable'"]);
}

/// Not even root may make files in `/proc`.
#[cfg(target_os = "linux")]
#[test]
fn folders_that_cannot_be_written_to() {
    let shell = Shell::evaluated("linreg_diabetes");
    for line in [
        "compile model.onnx --calibration x_calib.npy -o /proc/new",
        "keygen build -o /proc/new",
        "encrypt build --input x_test.npy -o /proc/x.ct",
        "run build --input x.ct -o /proc/y.ct",
        "decrypt build --input y.ct -o /proc/y.csv",
    ] {
        shell.refuses(line, 1, &["cannot", "'/proc"]);
        let outcome = shell.fhe_ml(line);
        assert!(!outcome.stderr.contains(".fhe-ml-"), "a temporary name is told: {outcome:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_file_over_the_size_limit_is_a_failed_write() {
    let shell = Shell::evaluated("pca_logreg_digits");
    for (line, output) in [
        ("encrypt build --input x_test.npy -o new.ct", "new.ct"),
        ("decrypt build --input y.ct -o new.json", "new.json"),
    ] {
        let before = shell.contents();
        let outcome = shell.sh(&format!("ulimit -f 4; \"$fhe_ml\" {line}"));
        assert_eq!(outcome.code, Some(1), "{outcome:?}");
        let sentence = format!("error: cannot write '{output}': it grows larger than a file may be here");
        assert!(outcome.stderr.starts_with(&sentence), "{outcome:?}");
        assert!(shell.contents() == before, "{line}: files have changed");
    }
}

#[cfg(unix)]
#[test]
fn a_run_that_cannot_write_on_resumes_when_it_can() {
    let shell = Shell::evaluated("pca_logreg_digits");
    shell.repeat_block("x.ct", "big.ct", 20);
    let outcome = shell.sh("ulimit -f 1000; \"$fhe_ml\" run build --input big.ct -o new.ct");
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert!(outcome.stderr.contains("'new.ct.partial': it grows larger"), "{outcome:?}");
    assert!(!shell.path("new.ct").exists());
    let outcome = shell.fhe_ml("run build --input big.ct -o new.ct").done();
    assert!(outcome.stderr.contains("rows finished before"), "{outcome:?}");
    shell.fhe_ml("run build --input big.ct -o whole.ct").done();
    assert!(shell.read("new.ct") == shell.read("whole.ct"), "the resumed results differ");
    assert!(!shell.path("new.ct.partial").exists());
}

/// A tiny file system that only the commands of the script see; skipped where none may be mounted.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told_and_leaves_nothing() {
    let shell = Shell::evaluated("pca_logreg_digits");
    std::fs::create_dir(shell.path("tiny")).unwrap();
    let script = |line: &str| {
        let inner = format!(
            "mount -t tmpfs -o size=8k none tiny && {{ \"$fhe_ml\" {line}; code=$?; ls -A tiny; exit $code; }}"
        );
        shell.sh(&format!("unshare --mount --map-root-user sh -c '{inner}'"))
    };
    if script("--version").code != Some(0) {
        eprintln!("skipped: no file system can be mounted here");
        return;
    }
    for (line, sentence) in [
        ("encrypt build --input x_test.npy -o tiny/x.ct", "cannot write 'tiny/x.ct': the disk is full"),
        ("decrypt build --input y.ct -o tiny/y.json", "cannot write 'tiny/y.json': the disk is full"),
    ] {
        let outcome = script(line);
        assert_eq!(outcome.code, Some(1), "{outcome:?}");
        assert!(outcome.stderr.contains(sentence), "{outcome:?}");
        assert!(outcome.stdout.is_empty(), "something is left: {outcome:?}");
    }
    let outcome = script("run build --input x.ct -o tiny/y.ct");
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert!(outcome.stderr.contains("'tiny/y.ct.partial': the disk is full"), "{outcome:?}");
    assert_eq!(outcome.stdout.trim(), "y.ct.partial");
}
