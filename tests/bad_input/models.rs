//! ONNX files that are broken, or that hold what cannot be compiled.

use crate::shell::Shell;

const COMPILE: &str = "--calibration x_calib.npy -o new";

#[test]
fn files_that_are_no_model() {
    let shell = Shell::in_case("linreg_diabetes");
    let whole = shell.read("model.onnx");
    for (name, bytes, says) in [
        ("empty.onnx", Vec::new(), "it is empty"),
        ("cut.onnx", whole[..whole.len() - 40].to_vec(), "it is not an ONNX file, or only a part of one"),
        ("words.onnx", b"this is not a model".to_vec(), "it is not an ONNX file"),
        ("array.onnx", shell.read("x_test.npy"), "it is not an ONNX file"),
        ("zeros.onnx", vec![0; 100], "it is not an ONNX file"),
    ] {
        shell.write(name, bytes);
        for line in [format!("compile {name} {COMPILE}"), format!("check {name}")] {
            shell.refuses(&line, 1, &[&format!("cannot read model '{name}'"), says]);
        }
    }
    shell.refuses(&format!("compile gone.onnx {COMPILE}"), 1, &["'gone.onnx'", "No such file"]);
    shell.refuses(&format!("compile . {COMPILE}"), 1, &["'.'"]);
}

#[test]
fn an_artifact_in_the_place_of_a_model_is_recognised() {
    let shell = Shell::compiled("linreg_diabetes");
    let line = format!("compile build/server.fhe {COMPILE}");
    shell.refuses(&line, 1, &["'build/server.fhe'", "looks like a file of fhe-ml", "hint: "]);
}

#[test]
fn unknown_operators_are_unsupported() {
    let shell = Shell::in_case("linreg_diabetes");
    patch(&shell, b"\"\x0fLinearRegressor", b"\"\x0fLinearRegressoX");
    let says = ["'patched.onnx'", "unsupported ONNX operator 'LinearRegressoX' at node 'LinearRegressor'"];
    shell.refuses(&format!("compile patched.onnx {COMPILE}"), 3, &says);

    let outcome = shell.fhe_ml("check patched.onnx");
    assert_eq!(outcome.code, Some(3), "{outcome:?}");
    assert!(outcome.stdout.contains("problem: unsupported ONNX operator"), "{outcome:?}");
    let report = shell.fhe_ml("check patched.onnx --json").json();
    assert_eq!(report["schema"], 1);
    assert_eq!(report["compiles"], false);
    assert_eq!(report["problems"].as_array().unwrap().len(), 1, "{report}");
}

#[test]
fn networks_take_few_bits_and_no_keys_of_others() {
    let shell = Shell::in_case("networks/cnn_digits");
    shell.refuses(
        &format!("compile model.onnx {COMPILE} --bits 9"),
        1,
        &["9 bits of what lookups tell apart: networks take 2 to 8"],
    );
    shell.fhe_ml("compile model.onnx --calibration x_calib.npy -o build").done();
    shell.refuses(
        &format!("compile model.onnx {COMPILE} --same-parameters-as build"),
        1,
        &["the keys of 'build' are for lookups: they serve that circuit alone"],
    );
}

#[test]
fn weights_that_are_no_numbers_are_named() {
    let shell = Shell::in_case("linreg_diabetes");
    let model = shell.read("model.onnx");
    let name = b"coefficients";
    let at = model.windows(name.len()).position(|window| window == name).unwrap();
    // The first weight follows the name and one byte of tag.
    let start = at + name.len() + 1;
    let first = model[start..start + 4].to_vec();
    for (value, word) in [(f32::NAN, "NaN"), (f32::INFINITY, "inf")] {
        patch(&shell, &[&name[..], b"=", &first].concat(), &[&name[..], b"=", &value.to_le_bytes()].concat());
        let line = format!("compile patched.onnx {COMPILE}");
        shell.refuses(&line, 1, &["'patched.onnx'", "'LinearRegressor'", "'coefficients'", word]);
    }
}

#[test]
fn a_model_without_calibration_says_what_is_missing() {
    let shell = Shell::in_case("linreg_diabetes");
    shell.refuses(
        "compile model.onnx -o new",
        1,
        &["calibration rows are missing", "hint: add --calibration"],
    );
}

#[test]
fn every_cut_of_a_model_is_refused_or_read_but_never_a_panic() {
    let shell = Shell::in_case("linear_svc_wine");
    let whole = shell.read("model.onnx");
    for end in (0..whole.len()).step_by(whole.len() / 40) {
        shell.write("cut.onnx", &whole[..end]);
        let outcome = shell.fhe_ml("check cut.onnx");
        assert!(matches!(outcome.code, Some(0 | 1 | 3)), "{end} bytes: {outcome:?}");
    }
}

/// Writes `patched.onnx`: the model with one sequence of bytes in place of another of its length.
fn patch(shell: &Shell, old: &[u8], new: &[u8]) {
    assert_eq!(old.len(), new.len());
    let mut model = shell.read("model.onnx");
    let at = model.windows(old.len()).position(|window| window == old).unwrap();
    model[at..at + new.len()].copy_from_slice(new);
    shell.write("patched.onnx", model);
}
