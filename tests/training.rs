//! Encrypted training of several parties, from data to an ONNX model.

mod shell;

use std::io::Write;

use fhe_ml::artifact::{Access, Reader, Writer};
use fhe_ml::tensor::{DType, Field, Labels, Source, read_column, read_rows};
use shell::{Shell, models};

/// Rows of the three parties; the rest is for tests.
const PARTIES: [usize; 3] = [60, 37, 16];

/// The rows of the breast cancer case as csv files: x_a, y_a and so on of each party, x_t and y_t of the rest, and
/// public bounds. The second party has a row far off.
fn with_data() -> Shell {
    let shell = Shell::new();
    let file = |name: &str| Source::parse(models().join("logreg_breast_cancer").join(name));
    let field = Field { name: "x".to_owned(), dtype: DType::F64, shape: vec![30], columns: None };
    let rows: Vec<Vec<f64>> = read_rows(&file("x_test.npy"), &[field])
        .unwrap()
        .map(|row| row.unwrap()[0].as_numbers().unwrap().iter().copied().collect())
        .collect();
    let labels = read_column(&file("y_test.npy")).unwrap().for_rows(rows.len()).unwrap();
    let Labels::Numbers(labels) = labels else { panic!("labels are numbers") };
    let count = rows.len() as f64;
    let mut bounds = "mean,std\n".to_owned();
    for feature in 0..30 {
        let mean = rows.iter().map(|row| row[feature]).sum::<f64>() / count;
        let square = rows.iter().map(|row| (row[feature] - mean).powi(2)).sum::<f64>() / count;
        bounds += &format!("{mean},{}\n", square.sqrt());
    }
    shell.write("bounds.csv", bounds);
    let mut start = 0;
    for (party, size) in ["a", "b", "c", "t"].into_iter().zip(PARTIES.into_iter().chain([rows.len()])) {
        let end = (start + size).min(rows.len());
        let mut x = rows[start..end].to_vec();
        if party == "b" {
            x[3][7] = 1e9;
        }
        let line = |row: &Vec<f64>| row.iter().map(f64::to_string).collect::<Vec<_>>().join(",");
        shell.write(&format!("x_{party}.csv"), x.iter().map(line).collect::<Vec<_>>().join("\n"));
        let y: Vec<String> = labels[start..end].iter().map(f64::to_string).collect();
        shell.write(&format!("y_{party}.csv"), y.join("\n"));
        start = end;
    }
    shell
}

const PLAN: &str = "train plan --features 30 --rows 120 --epochs 2 --batch 24 --bounds bounds.csv -o plan";

/// The same planned, with keys and the encrypted rows of all parties.
fn encrypted() -> Shell {
    let shell = with_data();
    shell.fhe_ml(PLAN).done();
    shell.fhe_ml("keygen plan -o keys --public").done();
    for party in ["a", "b", "c"] {
        let line = format!(
            "encrypt plan --public-key keys --input x_{party}.csv --labels y_{party}.csv -o {party}.ct"
        );
        shell.fhe_ml(&line).done();
    }
    shell
}

/// The share of right labels of the exported model on the test rows.
fn accuracy(shell: &Shell, model: &str) -> f64 {
    let model = fhe_ml::onnx::read(&shell.path(model), &Default::default()).unwrap();
    let rows = read_rows(&Source::parse(shell.path("x_t.csv")), model.inputs()).unwrap();
    let labels = std::fs::read_to_string(shell.path("y_t.csv")).unwrap();
    let labels: Vec<f64> = labels.lines().map(|label| label.parse().unwrap()).collect();
    let right = rows.zip(&labels).filter(|(row, label)| {
        let outputs = model.evaluate(row.as_ref().unwrap()).unwrap();
        outputs[0].as_numbers().unwrap().iter().next() == Some(*label)
    });
    right.count() as f64 / labels.len() as f64
}

#[test]
fn three_parties_train_a_model_that_compiles() {
    let shell = encrypted();
    let line = "train simulate plan --input x_a.csv x_b.csv x_c.csv --labels y_a.csv y_b.csv y_c.csv \
                --test-input x_t.csv --test-labels y_t.csv --json";
    let simulated = shell.fhe_ml(line).done().json();
    assert!(simulated["float"].as_f64().unwrap() > 0.89, "{simulated}");
    let run = shell.fhe_ml("train run plan --key keys --data a.ct b.ct c.ct -o w.ct --json").done().json();
    assert_eq!((run["rows"].as_u64(), run["steps"].as_u64()), (Some(113), Some(10)));
    shell.fhe_ml("decrypt plan --key keys --input w.ct -o w.json").done();
    shell.fhe_ml("train export plan --weights w.json -o model.onnx").done();
    // 30 rows: one of them is three points; noise would have to turn six of them.
    let found = accuracy(&shell, "model.onnx");
    assert!(found > simulated["float"].as_f64().unwrap() - 0.2, "{found} {simulated}");
    shell.fhe_ml("compile model.onnx --calibration x_a.csv -o build").done();

    let other =
        shell.fhe_ml("encrypt plan --public-key keys --input x_b.csv --labels y_b.csv -o b2.ct").done();
    assert!(other.stderr.contains("beyond the public bounds, clamped"), "{other:?}");
    assert!(other.stderr.contains("8 ("), "{other:?}");
    let inspected = shell.fhe_ml("inspect b2.ct").done().stdout;
    assert!(inspected.contains("b2") && inspected.contains("37"), "{inspected}");
}

#[test]
fn an_interrupted_run_goes_on_to_the_same_bits() {
    let shell = encrypted();
    let line = "train run plan --key keys --data a.ct b.ct c.ct --json --keep-every 0.000001";
    shell.fhe_ml(&format!("{line} -o whole.ct")).done();
    let script = format!(
        "\"$fhe_ml\" {line} -o w.ct & pid=$!; while [ ! -e w.ct.partial.wires ]; do sleep 0.01; done; kill -INT $pid; \
         wait $pid"
    );
    let stopped = shell.sh(&script);
    assert_ne!(stopped.code, Some(0), "{stopped:?}");
    assert!(!shell.path("w.ct").exists());
    let resumed = shell.fhe_ml(&format!("{line} -o w.ct")).done().json();
    assert!(resumed["resumed_steps"].as_u64().unwrap() > 0, "{resumed}");
    assert_eq!(shell.read("w.ct"), shell.read("whole.ct"));
    assert!(!shell.path("w.ct.partial.wires").exists());
}

#[test]
fn bad_data_are_refused_in_a_sentence() {
    let shell = with_data();
    shell.fhe_ml(PLAN).done();
    shell.refuses("keygen plan -o keys", 1, &["parties encrypt with a public key", "hint: add --public"]);
    shell.fhe_ml("keygen plan -o keys --public").done();
    let encrypt = "encrypt plan --public-key keys -o z.ct";
    shell.write("y_two.csv", "0\n1\n2\n1");
    shell.write("x_two.csv", "1,2,3\n".repeat(4));
    shell.write("y_words.csv", "yes\nno");
    shell.write("empty.csv", "");
    let mut rows: Vec<String> =
        String::from_utf8(shell.read("x_a.csv")).unwrap().lines().take(4).map(str::to_owned).collect();
    shell.write("x_four.csv", rows.join("\n"));
    rows[2] = "nan,".repeat(29) + "1";
    shell.write("x_nan.csv", rows.join("\n"));
    shell.write("y_four.csv", "0\n1\n0\n1");
    for (line, says) in [
        (format!("{encrypt} --input x_a.csv"), "need their labels"),
        (format!("{encrypt} --input x_a.csv --labels y_b.csv"), "37 labels, the data have 60 rows"),
        (
            format!("{encrypt} --input x_four.csv --labels y_two.csv"),
            "row 3: a label 2, where the classes are 0 to 1",
        ),
        (format!("{encrypt} --input x_two.csv --labels y_two.csv"), "3"),
        (format!("{encrypt} --input x_four.csv --labels y_words.csv"), "label"),
        (format!("{encrypt} --input empty.csv --labels y_two.csv"), "empty.csv"),
        (format!("{encrypt} --input x_nan.csv --labels y_four.csv"), "row 3: feature 1 is NaN"),
        (
            "encrypt plan --public-key keys/secret.key --input x_a.csv --labels y_a.csv -o z.ct".to_owned(),
            "secret key",
        ),
    ] {
        shell.refuses(&line, 1, &[says]);
    }
    for (flags, says) in [
        ("--features 0", "0 features"),
        ("--features 5000", "5000 features"),
        ("--features 4 --classes 1", "1 classes"),
        ("--features 4 --classes 90", "90 classes"),
        ("--features 4 --batch 0", "a batch of 0 rows"),
        ("--features 4 --learning-rate 0", "a learning rate of 0"),
        ("--features 4 --l2 2", "an L2 penalty of 2"),
        ("--features 30 --rows 100000000", "rows fit"),
        ("--features 4 --bounds bounds.csv", "bounds of 30 features, where the plan has 4"),
        ("--features 4 --bounds y_a.csv", "mean and std, or lower and upper"),
    ] {
        shell.refuses(&format!("train plan {flags} -o other"), 1, &[says]);
    }
}

#[test]
fn files_that_do_not_belong_together_are_refused() {
    let shell = encrypted();
    shell.fhe_ml("train plan --features 30 --rows 100 --batch 8 --bounds bounds.csv -o other").done();
    shell.fhe_ml("keygen plan -o others --public").done();
    let run = "train run plan --key keys -o z.ct --data";
    for (line, says) in [
        ("train run other --key keys -o z.ct --data a.ct".to_owned(), "other/server.fhe"),
        ("train run plan --key others -o z.ct --data a.ct".to_owned(), "others/evaluation.key"),
        (format!("{run} a.ct a.ct"), "'a.ct' and 'a.ct' are the same file"),
        (format!("{run} keys/public.key"), "public key"),
        ("train run plan --key keys/secret.key -o z.ct --data a.ct".to_owned(), "secret key"),
        ("train run plan/client.fhe --key keys -o z.ct --data a.ct".to_owned(), "client file of a training"),
        ("run plan --key keys --input a.ct -o z.ct".to_owned(), "server file of a training"),
    ] {
        shell.refuses(&line, 1, &[says]);
    }
    // Three times the rows that the plan has room for.
    for name in ["d", "e"] {
        let line = format!("encrypt plan --public-key keys --input x_a.csv --labels y_a.csv -o {name}.ct");
        shell.fhe_ml(&line).done();
    }
    shell.refuses(&format!("{run} a.ct d.ct e.ct"), 1, &["180 rows in 3 files", "allows 120"]);
    forged(&shell);
}

/// Files with a right checksum and a wrong content.
fn forged(shell: &Shell) {
    let mut reader = Reader::open(&shell.path("a.ct")).unwrap();
    let bytes = reader.payload_len() as usize;
    let payload = reader.read_at(0, bytes).unwrap();
    let forge = |name: &str, payload: &[u8]| {
        let mut writer = Writer::create(&shell.path(name), reader.header(), Access::Public).unwrap();
        writer.write_all(payload).unwrap();
        writer.finish().unwrap();
    };
    forge("short.ct", &payload[..bytes - 8]);
    forge("none.ct", &[]);
    let mut many = payload.clone();
    many[..4].copy_from_slice(&u32::MAX.to_le_bytes());
    forge("many.ct", &many);
    let mut tail = payload;
    *tail.last_mut().unwrap() = 0xff;
    forge("fine.ct", &tail);
    let run = "train run plan --key keys -o z.ct --data";
    shell.refuses(&format!("{run} short.ct"), 1, &["short.ct", "are not whole blocks"]);
    shell.refuses(&format!("{run} none.ct"), 1, &["none.ct", "are not whole blocks"]);
    shell.refuses(&format!("{run} many.ct"), 1, &["many.ct", "says that it has 4294967295 rows"]);
    // A ciphertext of anything is as good as any: its party spoils the weights, and nothing else.
    shell.fhe_ml(&format!("{run} fine.ct")).done();
    let weights = shell.fhe_ml("decrypt plan --key keys --input z.ct -o z.json").done();
    assert!(weights.stderr.is_empty(), "{weights:?}");
    shell.refuses("decrypt plan --key others --input z.ct -o y.json", 1, &["others/secret.key"]);
    shell.write("bad.json", "{}");
    shell.refuses("train export plan --weights bad.json -o m.onnx", 1, &["'bad.json' as weights"]);
    shell.refuses("train export other/client.fhe --weights keys -o m.onnx", 1, &["cannot read 'keys'"]);
}

#[test]
fn classes_and_numbers_are_learnt() {
    let shell = Shell::new();
    let rows: Vec<[f64; 2]> =
        (0..48).map(|i| [f64::from(i % 8) / 2.0 - 1.75, f64::from(i / 8) / 2.0 - 1.25]).collect();
    let lines = |values: Vec<String>| values.join("\n");
    shell.write("x.csv", lines(rows.iter().map(|[a, b]| format!("{a},{b}")).collect()));
    let class = |[a, b]: &[f64; 2]| if *b > 0.5 { 2 } else { i32::from(*a > 0.0) };
    shell.write("classes.csv", lines(rows.iter().map(|row| class(row).to_string()).collect()));
    let number = |[a, b]: &[f64; 2]| 50.0 + 10.0 * a - 5.0 * b;
    shell.write("numbers.csv", lines(rows.iter().map(|row| number(row).to_string()).collect()));
    for (flags, labels, least) in [
        (
            "--classes 3 --range 12 --epochs 3 --learning-rate 2 --l2 0.001 --schedule inverse",
            "classes.csv",
            0.8,
        ),
        ("--task linear --label-range 20:80 --epochs 3 --learning-rate 0.4", "numbers.csv", 0.9),
    ] {
        let folder = labels.replace(".csv", "");
        let path = |name: &str| format!("{folder}/{name}");
        shell.fhe_ml(&format!("train plan --features 2 --rows 48 --batch 12 {flags} -o {folder}")).done();
        shell.fhe_ml(&format!("keygen {folder} -o {folder} --public")).done();
        let data = path("data.ct");
        let line =
            format!("encrypt {folder} --public-key {folder} --input x.csv --labels {labels} -o {data}");
        shell.fhe_ml(&line).done();
        let weights = path("w.ct");
        shell.fhe_ml(&format!("train run {folder} --key {folder} --data {data} -o {weights}")).done();
        shell
            .fhe_ml(&format!("decrypt {folder} --key {folder} --input {weights} -o {}", path("w.json")))
            .done();
        let learnt: fhe_ml::training::Weights = serde_json::from_slice(&shell.read(&path("w.json"))).unwrap();
        let labels = std::fs::read_to_string(shell.path(labels)).unwrap();
        let data = fhe_ml::training::Data {
            rows: rows.iter().map(|row| row.to_vec()).collect(),
            labels: labels.lines().map(|label| label.parse().unwrap()).collect(),
        };
        let found = learnt.score(&data);
        assert!(found > least, "{found} {learnt:?}");
        shell
            .fhe_ml(&format!("train export {folder} --weights {} -o {}", path("w.json"), path("m.onnx")))
            .done();
    }
}
