//! Data that does not fit the model, in every format.

use crate::shell::{Shell, npy};

/// Encrypts a file for `linreg_diabetes`, whose one input 'X' has 10 numbers and no imputer.
fn refuses(shell: &Shell, file: &str, says: &[&str]) {
    shell.refuses(&format!("encrypt build --input {file} -o new.ct"), 1, &[&[file], says].concat());
}

#[test]
fn csv_that_does_not_fit() {
    let shell = Shell::compiled("linreg_diabetes");
    let line = "0,0,0,0,0,0,0,0,0,0\n";
    for (name, text, says) in [
        ("empty.csv", String::new(), &["holds no rows"][..]),
        ("blank.csv", "\n\n\n".to_owned(), &["holds no rows"]),
        ("header.csv", "a,b,c,d,e,f,g,h,i,j\n".to_owned(), &["holds no rows"]),
        ("narrow.csv", "0,0,0,0,0,0,0,0,0\n".to_owned(), &["9 cells", "10 values"]),
        ("wide.csv", "0,0,0,0,0,0,0,0,0,0,0\n".to_owned(), &["11 cells", "10 values"]),
        ("ragged.csv", format!("{line}{line}0,0\n{line}"), &["line 3", "2 cells", "10 values"]),
        ("text.csv", format!("{line}0,0,red,0,0,0,0,0,0,0\n"), &["line 2, column 3", "a number", "'red'"]),
        ("nan.csv", format!("{line}{line}0,0,nan,0,0,0,0,0,0,0\n"), &["row 3", "'X[2]' is NaN", "hint: "]),
        ("missing.csv", format!("{line}0,0,0,0,0,0,0,0,0,\n"), &["row 2", "'X[9]' is NaN", "hint: "]),
        ("huge.csv", "1e999,0,0,0,0,0,0,0,0,0\n".to_owned(), &["line 1, column 1", "1e999", "range"]),
        ("quote.csv", format!("{line}\"0,0,0,0,0,0,0,0,0,0\n"), &["line 2"]),
    ] {
        shell.write(name, text);
        refuses(&shell, name, says);
    }
    shell.write("latin1.csv", b"0,0,0,0,0,0,0,0,0,\xe9\n");
    refuses(&shell, "latin1.csv", &["line 1"]);
}

#[test]
fn json_that_does_not_fit() {
    let shell = Shell::compiled("linreg_diabetes");
    let row = "[0,0,0,0,0,0,0,0,0,0]";
    for (name, text, says) in [
        ("empty.json", String::new(), &["holds no rows"][..]),
        ("none.json", "[]".to_owned(), &["holds no rows"]),
        ("open.json", format!("[{row},[0,0"), &["row 2", "ends"]),
        ("narrow.json", format!("[{row},[0,0]]"), &["row 2", "expected 10 values", "2"]),
        ("text.json", format!("[{row},[0,0,0,\"red\",0,0,0,0,0,0]]"), &["row 2", "value 4", "'red'"]),
        ("null.json", format!("[{row},[0,0,0,null,0,0,0,0,0,0]]"), &["row 2", "'X[3]' is NaN", "hint: "]),
        ("name.json", "[{\"Y\": [0,0,0,0,0,0,0,0,0,0]}]".to_owned(), &["'X'", "'Y'"]),
        ("number.json", "7".to_owned(), &[]),
        ("words.json", "hello".to_owned(), &[]),
    ] {
        shell.write(name, text);
        refuses(&shell, name, says);
    }
}

#[test]
fn npy_that_does_not_fit() {
    let shell = Shell::compiled("linreg_diabetes");
    let zeros = vec![0; 1600];
    let whole = npy("<f4", false, &[2, 10], &zeros[..80]);
    let nan = [&zeros[..48], &f32::NAN.to_le_bytes(), &zeros[..28]].concat();
    for (name, bytes, says) in [
        ("empty.npy", Vec::new(), &["not an npy file"][..]),
        ("foreign.npy", b"1,2,3\n".to_vec(), &["not an npy file"]),
        ("short.npy", whole[..whole.len() - 1].to_vec(), &["cut short", "80 bytes", "79"]),
        ("long.npy", [&whole[..], b"\0"].concat(), &["80 bytes", "81"]),
        ("header.npy", whole[..40].to_vec(), &[]),
        ("none.npy", npy("<f4", false, &[0, 10], &[]), &["holds no rows"]),
        ("narrow.npy", npy("<f4", false, &[2, 9], &zeros[..72]), &["[2, 9]", "[rows, 10]"]),
        ("flat.npy", npy("<f4", false, &[20], &zeros[..80]), &["[20]", "[rows, 10]"]),
        ("deep.npy", npy("<f4", false, &[2, 2, 10], &zeros[..160]), &["[2, 2, 10]", "[rows, 10]"]),
        ("complex.npy", npy("<c16", false, &[2, 10], &zeros[..320]), &["'<c16'", "hint: "]),
        ("objects.npy", npy("|O", false, &[2, 10], &zeros[..160]), &["Python objects", "hint: "]),
        ("dates.npy", npy("<M8[ns]", false, &[2, 10], &zeros[..160]), &["'<M8[ns]'", "hint: "]),
        ("text.npy", npy("|S4", false, &[2, 10], &b"red\0".repeat(20)), &["number", "'red'"]),
        ("nan.npy", npy("<f4", false, &[2, 10], &nan), &["row 2", "'X[2]' is NaN", "hint: "]),
        ("vast.npy", npy("<f4", false, &[1 << 40, 10], &zeros[..80]), &["cut short"]),
        ("overflow.npy", npy("<f4", false, &[usize::MAX, usize::MAX], &zeros[..80]), &[]),
    ] {
        shell.write(name, bytes);
        refuses(&shell, name, says);
    }
}

#[test]
fn other_things_that_are_no_data() {
    let shell = Shell::compiled("linreg_diabetes");
    refuses(&shell, "nothing.csv", &["cannot open 'nothing.csv'"]);
    refuses(&shell, "build", &["it is a folder"]);
    shell.write("x.gz", b"\x1f\x8b\x08\x00");
    refuses(&shell, "x.gz", &["compressed with gzip", "hint: "]);
    shell.write("x.npz", b"PK\x03\x04");
    refuses(&shell, "x.npz", &[]);
}

#[test]
fn every_command_that_takes_data_refuses_it() {
    let shell = Shell::compiled("linreg_diabetes");
    shell.write("text.csv", "0,0,0,0,0,0,0,0,0,0\n0,0,red,0,0,0,0,0,0,0\n");
    shell.write("nan.csv", "0,0,0,0,0,0,0,0,0,0\n0,0,nan,0,0,0,0,0,0,0\n");
    for line in ["compile model.onnx -o new --calibration", "simulate build -o new.csv --input"] {
        shell.refuses(&format!("{line} text.csv"), 1, &["'text.csv', line 2, column 3", "'red'"]);
        shell.refuses(&format!("{line} nan.csv"), 1, &["row 2", "NaN", "hint: "]);
    }
}

#[test]
fn labels_that_do_not_fit() {
    let shell = Shell::compiled("linreg_diabetes");
    shell.write("few.csv", "1\n2\n3\n");
    shell.write("text.csv", "red\n".repeat(111));
    let line = "simulate build --input x_test.npy --labels";
    shell.refuses(&format!("{line} few.csv"), 1, &["'few.csv'", "3", "111"]);
    shell.refuses(&format!("{line} text.csv"), 1, &["labels"]);
    shell.refuses(&format!("{line} none.csv"), 1, &["cannot open 'none.csv'"]);
}

#[test]
fn values_outside_the_calibrated_range_are_clamped_and_counted() {
    let shell = Shell::compiled("linreg_diabetes");
    shell.write("far.csv", "0,0,0,0,0,0,0,0,0,0\n1e9,0,0,0,0,0,0,0,0,-1e9\n0,0,0,0,0,0,0,0,0,inf\n");
    let outcome = shell.fhe_ml("encrypt build --input far.csv -o far.ct").done();
    let warning = "warning: 3 values in 2 of 3 rows outside the calibrated range, clamped";
    assert!(outcome.stderr.starts_with(warning), "{outcome:?}");
    assert!(outcome.stderr.contains("'X[9]' (2)") && outcome.stderr.contains("'X[0]' (1)"), "{outcome:?}");
    let report = shell.fhe_ml("encrypt build --input far.csv -o again.ct --json").done().json();
    assert_eq!(report["clamped_values"], 3);
    assert_eq!(report["clamped_rows"], 2);
}

/// Whole numbers from 0 to 16, as the pixels of `pca_logreg_digits` are.
#[test]
fn the_same_rows_in_any_layout_and_format_give_the_same_results() {
    let shell = Shell::compiled("pca_logreg_digits");
    let value = |row: usize, column: usize| ((row * 37 + column * 11) % 17) as u8;
    let cells = || (0..3).flat_map(|row| (0..64).map(move |column| (row, column)));
    let by_row: Vec<u8> = cells().map(|(row, column)| value(row, column)).collect();
    let by_column: Vec<u8> = (0..64).flat_map(|column| (0..3).map(move |row| value(row, column))).collect();
    let bytes = |element: fn(u8) -> Vec<u8>, values: &[u8]| {
        values.iter().flat_map(|v| element(*v)).collect::<Vec<u8>>()
    };
    let text: String =
        by_row.chunks(64).map(|row| format!("{row:?}\n").replace(['[', ']', ' '], "")).collect();
    let header: String =
        (0..64).map(|column| format!("pixel {column}\n")).collect::<Vec<_>>().join(",").replace('\n', "");
    let shape = [3, 64];
    let files = [
        ("f4.npy", npy("<f4", false, &shape, &bytes(|v| f32::from(v).to_le_bytes().into(), &by_row))),
        ("fortran.npy", npy("<f4", true, &shape, &bytes(|v| f32::from(v).to_le_bytes().into(), &by_column))),
        ("f8.npy", npy("<f8", false, &shape, &bytes(|v| f64::from(v).to_le_bytes().into(), &by_row))),
        ("big.npy", npy(">f8", false, &shape, &bytes(|v| f64::from(v).to_be_bytes().into(), &by_row))),
        ("i8.npy", npy("<i8", false, &shape, &bytes(|v| i64::from(v).to_le_bytes().into(), &by_row))),
        ("u1.npy", npy("|u1", true, &shape, &by_column)),
        ("plain.csv", text.clone().into_bytes()),
        ("header.csv", format!("{header}\n{text}").into_bytes()),
        ("rows.json", format!("{:?}", by_row.chunks(64).collect::<Vec<_>>()).into_bytes()),
    ];
    let mut results = Vec::new();
    for (name, bytes) in files {
        shell.write(name, bytes);
        shell.fhe_ml(&format!("encrypt build --input {name} -o {name}.ct")).done();
        shell.fhe_ml(&format!("run build --input {name}.ct -o {name}.out.ct")).done();
        let outcome = shell.fhe_ml(&format!("decrypt build --input {name}.out.ct -o -")).done();
        assert_eq!(outcome.stdout.matches("label").count(), 3, "{name}: {outcome:?}");
        results.push((name, outcome.stdout));
    }
    let (_, first) = &results[0];
    results.iter().for_each(|(name, result)| assert_eq!(result, first, "{name}"));
}
