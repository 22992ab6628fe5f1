//! Artifacts that are damaged, of the wrong kind, or of somebody else.

use crate::shell::Shell;

/// Every command that takes artifacts, in a folder where all of them are; it must not get that far.
const LINES: [&str; 6] = [
    "keygen build/client.fhe -o new",
    "encrypt build/client.fhe --key keys/secret.key --input x_test.npy -o new.ct",
    "run build/server.fhe --key keys/evaluation.key --input x.ct -o new.ct",
    "decrypt build/client.fhe --key keys/secret.key --input y.ct -o new.csv",
    "estimate build/server.fhe",
    "simulate build --input x_test.npy",
];

/// The artifacts, and what messages call them.
const ARTIFACTS: [(&str, &str); 7] = [
    ("build/client.fhe", "client file"),
    ("build/server.fhe", "server file"),
    ("build/model.fhe", "float model"),
    ("keys/secret.key", "secret key"),
    ("keys/evaluation.key", "evaluation key"),
    ("x.ct", "encrypted input"),
    ("y.ct", "encrypted output"),
];

#[test]
fn damaged_artifacts_are_refused_by_every_command_that_takes_them() {
    let shell = Shell::evaluated("linreg_diabetes");
    for (artifact, _) in ARTIFACTS {
        let whole = shell.read(artifact);
        for (damaged, says) in damages(&whole) {
            shell.write(artifact, damaged);
            for line in lines_with(artifact) {
                shell.refuses(line, 1, &[artifact, says]);
            }
        }
        shell.write(artifact, whole);
    }
}

#[test]
fn inspect_sees_damages_of_the_header_at_once_and_others_when_asked() {
    let shell = Shell::evaluated("linreg_diabetes");
    for (artifact, _) in ARTIFACTS {
        let whole = shell.read(artifact);
        for (damaged, says) in damages(&whole) {
            shell.write(artifact, damaged);
            shell.refuses(&format!("inspect {artifact} --verify"), 1, &[artifact, says]);
            if !says.contains("checksum") {
                shell.refuses(&format!("inspect {artifact}"), 1, &[artifact, says]);
            }
        }
        shell.write(artifact, whole);
    }
}

#[test]
fn a_file_of_another_kind_is_refused_with_both_kinds() {
    let shell = Shell::evaluated("linreg_diabetes");
    for (artifact, expected) in ARTIFACTS {
        let own = shell.read(artifact);
        for (other, found) in ARTIFACTS.into_iter().filter(|(other, _)| *other != artifact) {
            shell.write(artifact, shell.read(other));
            let both = format!("expected {expected}, found {found}");
            for line in lines_with(artifact) {
                shell.refuses(line, 1, &[artifact, &both, "hint: `fhe-ml "]);
            }
        }
        shell.write(artifact, own);
    }
}

#[test]
fn a_secret_key_given_to_the_server_is_warned_of() {
    let shell = Shell::evaluated("linreg_diabetes");
    shell.refuses(
        "run build --key keys/secret.key --input x.ct -o new.ct",
        1,
        &["'keys/secret.key'", "found secret key", "hint: a secret key must never reach the server"],
    );
}

#[test]
fn files_of_another_client_are_refused_with_both_keys() {
    let shell = Shell::evaluated("linreg_diabetes");
    shell.fhe_ml("keygen build -o other").done();
    for (line, says) in [
        (
            "run build --key other --input x.ct -o new.ct",
            ["'x.ct' was encrypted under key", "'other/evaluation.key'"],
        ),
        (
            "decrypt build --key other --input y.ct -o new.csv",
            ["'y.ct' was encrypted under key", "'other/secret.key'"],
        ),
    ] {
        shell.refuses(line, 1, &[says[0], says[1], "belongs to key", "hint: keys and ciphertexts of one"]);
    }
}

#[test]
fn files_of_another_circuit_are_refused_with_both_circuits() {
    let shell = Shell::evaluated("linreg_diabetes");
    shell
        .fhe_ml("compile model.onnx --calibration x_calib.npy --same-parameters-as build --bits 10 -o other")
        .done();
    for (line, says) in [
        ("run other --key keys --input x.ct -o new.ct", ["'x.ct' belongs to circuit", "'other/server.fhe'"]),
        (
            "decrypt other --key keys --input y.ct -o new.csv",
            ["'y.ct' belongs to circuit", "'other/client.fhe'"],
        ),
    ] {
        shell.refuses(line, 1, &[says[0], says[1], "hint: files of one compilation go together"]);
    }
    std::fs::copy(shell.path("other/model.fhe"), shell.path("build/model.fhe")).unwrap();
    shell.refuses("simulate build --input x_test.npy", 1, &["'build' belong to different circuits"]);
}

#[test]
fn keys_for_other_parameters_are_refused() {
    let shell = Shell::evaluated("linreg_diabetes");
    let other = Shell::compiled("linear_svc_wine");
    for key in ["secret.key", "evaluation.key"] {
        shell.write(key, other.read(&format!("keys/{key}")));
    }
    let run = "run build --key evaluation.key --input x.ct -o new.ct";
    shell.refuses(run, 1, &["'evaluation.key'", "'build/server.fhe'", "hint: run `fhe-ml keygen`"]);
    let encrypt = "encrypt build --key secret.key --input x_test.npy -o new.ct";
    shell.refuses(encrypt, 1, &["'secret.key' does not fit 'build/client.fhe'", "2048", "4096"]);
}

#[test]
fn a_sealed_key_wants_its_passphrase() {
    let shell = Shell::compiled("linreg_diabetes");
    shell.write("right", "correct horse\n");
    shell.write("wrong", "battery staple\n");
    shell.write("none", "\n");
    shell.fhe_ml("keygen build -o sealed --passphrase-file right").done();
    let line = "encrypt build --key sealed --input x_test.npy -o new.ct";
    shell.refuses(
        line,
        1,
        &["'sealed/secret.key' is sealed with a passphrase", "hint: ", "--passphrase-file"],
    );
    shell.refuses(&format!("{line} --passphrase-file wrong"), 1, &["'sealed/secret.key'", "passphrase"]);
    shell.refuses(&format!("{line} --passphrase-file none"), 1, &["the passphrase in 'none' is empty"]);
    shell.refuses(&format!("{line} --passphrase-file gone"), 1, &["'gone'"]);
    shell.fhe_ml(&format!("{line} --passphrase-file right")).done();
}

#[test]
fn missing_artifacts_are_named() {
    let shell = Shell::evaluated("linreg_diabetes");
    for (artifact, _) in ARTIFACTS {
        let whole = shell.read(artifact);
        std::fs::remove_file(shell.path(artifact)).unwrap();
        for line in lines_with(artifact) {
            shell.refuses(line, 1, &[&format!("cannot open '{artifact}'")]);
        }
        shell.write(artifact, whole);
    }
}

fn lines_with(artifact: &str) -> impl Iterator<Item = &'static str> {
    let is_built = artifact.starts_with("build/");
    LINES
        .into_iter()
        .filter(move |line| line.contains(artifact) || (is_built && line.starts_with("simulate")))
}

/// The ways to break a file, and what is said of each.
fn damages(whole: &[u8]) -> Vec<(Vec<u8>, &'static str)> {
    let header_bytes = 12 + u32::from_le_bytes(whole[8..12].try_into().unwrap()) as usize;
    let has_payload = whole.len() > header_bytes + 32;
    let flipped = |at: usize| {
        let mut bytes = whole.to_vec();
        bytes[at] ^= 0x40;
        bytes
    };
    vec![
        (Vec::new(), "the file is empty"),
        (whole[..5].to_vec(), "the file ends early, after 5 bytes"),
        (whole[..header_bytes / 2].to_vec(), "the file ends early"),
        (whole[..header_bytes + 16].to_vec(), "the file ends early"),
        (whole[..whole.len() - 1].to_vec(), if has_payload { "its checksum" } else { "the file ends early" }),
        ([whole, b"\0"].concat(), "its checksum does not match"),
        (flipped(whole.len() - 33), if has_payload { "its checksum" } else { "the header is not valid" }),
        (flipped(whole.len() - 1), "its checksum does not match"),
        (flipped(3), "not a file of fhe-ml"),
        (flipped(12), "the header is not valid"),
        (b"1.0,2.0\n3.0,4.0\n".to_vec(), "not a file of fhe-ml"),
        (b"PK\x03\x04 an archive of some sort".to_vec(), "not a file of fhe-ml"),
    ]
}
