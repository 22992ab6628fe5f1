//! Encrypted aggregation through its commands: sums are exact, and what does not fit is refused with no trace.
#![cfg(unix)]

mod shell;

use std::io::{Cursor, Write};

use fhe_ml::artifact::{Access, Kind, Reader, Writer};
use fhe_ml::tensor::{ArrayFile, ArrayFormat, ArrayWriter, DType, Field};
use proptest::prelude::*;
use serde_json::Value;

use shell::Shell;

const LARGEST: f64 = 32767.0;

fn field(name: &str, dtype: DType, shape: &[usize]) -> Field {
    Field { name: name.to_owned(), dtype, shape: shape.to_vec(), columns: None }
}

fn arrays() -> [Field; 2] {
    [field("layer.w", DType::F64, &[3, 2]), field("bias", DType::F64, &[])]
}

fn bytes(format: ArrayFormat, fields: &[Field], values: &[f64]) -> Vec<u8> {
    let mut writer = ArrayWriter::new(format, Cursor::new(Vec::new()), fields).unwrap();
    writer.write(values).unwrap();
    writer.finish().unwrap().into_inner()
}

fn npz(fields: &[Field], values: &[f64]) -> Vec<u8> {
    bytes(ArrayFormat::Npz, fields, values)
}

fn read(shell: &Shell, name: &str) -> Vec<f64> {
    let mut file = ArrayFile::open(&shell.path(name)).unwrap();
    let mut values = Vec::new();
    for field in file.fields().to_vec() {
        file.read(&field.name, &mut |piece| {
            values.extend_from_slice(piece);
            Ok(())
        })
        .unwrap();
    }
    values
}

/// A plan for two parties in `round`, keys in `keys`, updates `a.npz` and `b.npz`, encrypted in `a.ct` and `b.ct`.
fn planned() -> Shell {
    let shell = Shell::new();
    shell.write("a.npz", npz(&arrays(), &[0.5, -0.25, 0.1, 0.0, 1.0, -1.0, 0.75]));
    shell.write("b.npz", npz(&arrays(), &[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]));
    shell.fhe_ml("aggregate plan --like a.npz --parties 2 --total-weight 100").done();
    shell.fhe_ml("keygen round/client.fhe --public").done();
    shell.fhe_ml("encrypt round --input a.npz").done();
    shell.fhe_ml("encrypt round --public-key keys/public.key --input b.npz --party b -o b.ct").done();
    shell
}

/// The integer of a value, as the plan's 16 bits give it.
fn quantized(value: f64) -> f64 {
    (value.clamp(-1.0, 1.0) * LARGEST).round()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]
    #[test]
    fn an_average_is_that_of_the_integers(
        shapes in prop::collection::vec(prop::collection::vec(0_usize..40, 0..3), 1..4),
        weights in prop::collection::vec(1_u64..300, 1..4),
        safetensors in any::<bool>(),
    ) {
        let shell = Shell::new();
        let name = |index: usize| format!("array.{index}");
        let mut fields: Vec<Field> =
            shapes.iter().enumerate().map(|(index, shape)| field(&name(index), DType::F64, shape)).collect();
        fields.push(field("last", DType::F64, &[2]));
        let count: usize = fields.iter().map(Field::len).sum();
        let (format, extension) =
            if safetensors { (ArrayFormat::Safetensors, "safetensors") } else { (ArrayFormat::Npz, "npz") };
        let mut expected = vec![0.0; count];
        for (party, weight) in weights.iter().enumerate() {
            let values: Vec<f64> =
                (0..count).map(|i| ((i * 7919 + party * 104_729) % 3001) as f64 / 1400.0 - 1.07).collect();
            expected.iter_mut().zip(&values).for_each(|(sum, value)| *sum += *weight as f64 * quantized(*value));
            shell.write(&format!("p{party}.{extension}"), bytes(format, &fields, &values));
        }
        shell.fhe_ml(&format!("aggregate plan --like p0.{extension} --parties 3")).done();
        shell.fhe_ml("keygen round --public").done();
        let mut updates = String::new();
        for party in 0..weights.len() {
            shell.fhe_ml(&format!("encrypt round --input p{party}.{extension}")).done();
            updates += &format!(" p{party}.ct");
        }
        let list: Vec<String> = weights.iter().map(u64::to_string).collect();
        shell.fhe_ml(&format!("aggregate run round{updates} --weights {}", list.join(","))).done();
        shell.fhe_ml(&format!("decrypt round --input sum.ct -o average.{extension}")).done();
        let total = weights.iter().sum::<u64>() as f64;
        let average = read(&shell, &format!("average.{extension}"));
        prop_assert_eq!(average.len(), count);
        for (value, sum) in average.iter().zip(&expected) {
            // The sum is an integer: the average gives it back exactly.
            prop_assert_eq!((value * LARGEST * total).round(), *sum);
            prop_assert!((value * LARGEST * total - sum).abs() < 1e-6);
        }
        let found = ArrayFile::open(&shell.path(&format!("average.{extension}"))).unwrap().fields().to_vec();
        prop_assert!(fields.iter().all(|field| found.contains(field)));
    }
}

#[test]
fn updates_of_several_blocks_are_added_up() {
    let shell = Shell::new();
    let fields = [field("w", DType::F32, &[70_001])];
    let value = |i: usize| ((i * 31 % 2048) as f64 - 1024.0) / 1024.0;
    let values: Vec<f64> = (0..70_001).map(value).collect();
    shell.write("a.safetensors", bytes(ArrayFormat::Safetensors, &fields, &values));
    shell.fhe_ml("aggregate plan --like a.safetensors --parties 1 --total-weight 1").done();
    shell.fhe_ml("keygen round --public").done();
    for threads in [1, 3] {
        let line = format!("encrypt round --input a.safetensors -o {threads}.ct --threads {threads}");
        shell.fhe_ml(&line).done();
        shell.fhe_ml(&format!("aggregate run round {threads}.ct -o {threads}.sum")).done();
        shell.fhe_ml(&format!("decrypt round --input {threads}.sum -o {threads}.npz")).done();
        let average = read(&shell, &format!("{threads}.npz"));
        let expected = values.iter().map(|value| f64::from((quantized(*value) / LARGEST) as f32));
        assert!(average.iter().copied().eq(expected));
    }
}

#[test]
fn reports_and_inspect_tell_what_is_what() {
    let shell = planned();
    let report = shell.fhe_ml("aggregate run round b.ct a.ct --weights a=10,b=30 --json").done().json();
    assert_eq!(report["parties"], serde_json::json!([["b", 3], ["a", 1]]));
    assert_eq!((&report["total_weight"], &report["values"]), (&Value::from(4), &Value::from(7)));
    let inspected = shell.fhe_ml("inspect a.ct --json --verify").done().json();
    assert_eq!(
        (&inspected["party"], &inspected["kind"]),
        (&Value::from("a"), &Value::from("encrypted-update"))
    );
    let sum = shell.fhe_ml("inspect sum.ct").done().stdout;
    assert!(sum.contains("b (3), a (1)"), "{sum}");
    for (file, kind) in
        [("round/client.fhe", "client file of an aggregation"), ("keys/public.key", "public key")]
    {
        assert!(shell.fhe_ml(&format!("inspect {file}")).done().stdout.contains(kind));
    }
    let decrypted = shell.fhe_ml("decrypt round --input sum.ct --json").done().json();
    assert_eq!(decrypted["total_weight"], 4);
    let expected = (quantized(0.5) + 3.0 * quantized(0.1)) / (4.0 * LARGEST);
    assert!((read(&shell, "sum.npz")[0] - expected).abs() < 1e-12);
}

#[test]
fn a_party_may_drop_out() {
    let shell = planned();
    shell.fhe_ml("aggregate run round b.ct --weights 100").done();
    shell.fhe_ml("decrypt round --input sum.ct").done();
    assert!((read(&shell, "sum.npz")[2] - 0.3).abs() < 1.0 / LARGEST);
}

#[test]
fn values_are_clipped_one_by_one_and_as_a_whole() {
    let shell = Shell::new();
    shell.write("a.npz", npz(&arrays(), &[3.0, 4.0, 0.0, 0.0, 0.0, 0.0, 0.0]));
    shell
        .fhe_ml("aggregate plan --like a.npz --parties 1 --total-weight 1 --clip 2 --clip-norm 1 --bits 24")
        .done();
    shell.fhe_ml("keygen round --public").done();
    let report = shell.fhe_ml("encrypt round --input a.npz --json").done();
    assert_eq!(
        (&report.json()["norm"], &report.json()["clipped_values"]),
        (&Value::from(5.0), &Value::from(0))
    );
    assert!(report.stderr.contains("has 2-norm 5.0000, scaled down to 1"), "{}", report.stderr);
    shell.fhe_ml("aggregate run round a.ct").done();
    shell.fhe_ml("decrypt round --input sum.ct").done();
    let average = read(&shell, "sum.npz");
    assert!((average[0] - 0.6).abs() < 1e-6 && (average[1] - 0.8).abs() < 1e-6, "{average:?}");

    shell.fhe_ml("aggregate plan --like a.npz --parties 1 -o other").done();
    shell.fhe_ml("keygen other -o others --public").done();
    let report = shell.fhe_ml("encrypt other --public-key others --input a.npz -o b.ct").done();
    assert!(report.stderr.contains("2 values of 7 outside the range of the plan"), "{}", report.stderr);
}

/// The mean square of 20,000 values of Gaussian noise deviates by 1 % (standard deviation): 7 % are seven of them.
#[test]
fn noise_for_privacy_is_added_before_rounding() {
    let shell = Shell::new();
    let fields = [field("w", DType::F64, &[20_000])];
    shell.write("a.npz", npz(&fields, &[0.0; 20_000]));
    shell.fhe_ml("aggregate plan --like a.npz --parties 1 --total-weight 1").done();
    shell.fhe_ml("keygen round --public").done();
    shell.fhe_ml("encrypt round --input a.npz --dp-sigma 0.1").done();
    shell.fhe_ml("aggregate run round a.ct").done();
    shell.fhe_ml("decrypt round --input sum.ct").done();
    let average = read(&shell, "sum.npz");
    let variance = average.iter().map(|value| value * value).sum::<f64>() / 20_000.0;
    assert!((variance / 0.01 - 1.0).abs() < 0.07, "{variance}");
}

#[test]
fn updates_that_do_not_fit_the_plan_are_refused() {
    let shell = planned();
    let [w, bias] = arrays();
    let seven = [0.0; 7];
    for (name, fields, values) in [
        ("lacking", vec![w.clone()], &seven[..6]),
        ("more", vec![w.clone(), bias.clone(), field("extra", DType::F64, &[])], &[0.0; 8][..]),
        ("shape", vec![field("layer.w", DType::F64, &[2, 3]), bias.clone()], &seven[..]),
        ("type", vec![field("layer.w", DType::F32, &[3, 2]), bias.clone()], &seven[..]),
        ("nan", vec![w.clone(), bias.clone()], &[0.0, 0.0, 0.0, f64::NAN, 0.0, 0.0, 0.0][..]),
        ("inf", vec![w, bias], &[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, f64::INFINITY][..]),
    ] {
        shell.write(&format!("{name}.npz"), npz(&fields, values));
    }
    let refuses =
        |name: &str, says: &[&str]| shell.refuses(&format!("encrypt round --input {name}.npz"), 1, says);
    refuses("lacking", &["'lacking.npz' has no array 'bias'", "'round/client.fhe'"]);
    refuses("more", &["'more.npz' has an array 'extra', which is not in the plan"]);
    refuses("shape", &["array 'layer.w' has shape [2, 3], the plan", "has [3, 2]"]);
    refuses("type", &["array 'layer.w' holds float32, the plan", "float64"]);
    refuses("nan", &["value 4 of array 'layer.w' is NaN, not a finite number"]);
    refuses("inf", &["value 1 of array 'bias' is inf"]);
    refuses("missing", &["cannot open 'missing.npz'"]);
    shell.write("text.csv", "1,2");
    shell.refuses("encrypt round --input text.csv", 1, &["no file of named arrays", "hint: use npz"]);
    shell.refuses("encrypt round --input a.npz --party a=b -o c.ct", 1, &["'a=b' cannot name a party"]);
    shell.refuses("encrypt round --input a.npz -o c.ct --dp-sigma -1", 2, &[]);
    shell.refuses("encrypt round --key keys --input a.npz -o c.ct", 1, &["hint: give it with --public-key"]);
    shell.refuses(
        "encrypt round --public-key keys/secret.key --input a.npz -o c.ct",
        1,
        &["expected public key"],
    );
}

#[test]
fn sums_of_what_does_not_belong_together_are_refused() {
    let shell = planned();
    shell.fhe_ml("encrypt round --input a.npz --party c -o c.ct").done();
    shell.fhe_ml("keygen round -o others --public").done();
    shell.fhe_ml("encrypt round --public-key others --input a.npz --party o -o other_key.ct").done();
    shell.fhe_ml("aggregate plan --like a.npz --parties 3 --total-weight 100 -o wider").done();
    shell.fhe_ml("encrypt wider --input a.npz --party w -o other_plan.ct").done();
    shell.sh("cp a.ct copy.ct").done();
    let run = |rest: &str, says: &[&str]| shell.refuses(&format!("aggregate run round {rest}"), 1, says);
    run("a.ct copy.ct", &["'a.ct' and 'copy.ct' are both from party 'a'"]);
    run("a.ct b.ct c.ct", &["updates of 3 parties", "is for 2 at most", "hint: plan again"]);
    run("a.ct other_key.ct", &["'other_key.ct' was encrypted under", "'a.ct'"]);
    run("a.ct other_plan.ct", &["'other_plan.ct'", "circuit"]);
    run("a.ct a.npz", &["'a.npz'"]);
    run("a.ct keys/public.key", &["expected encrypted update, found public key"]);
    run("a.ct b.ct --weights 1", &["1 weights for 2 updates"]);
    run("a.ct b.ct --weights 1,2,3", &["3 weights for 2 updates"]);
    run("a.ct b.ct --weights a=1,c=2", &["party 'b' has no weight"]);
    run("a.ct --weights a=1,b=2", &["a weight for party 'b', but no update from it"]);
    run("a.ct b.ct --weights a=1,a=2", &["name each party once"]);
    run("a.ct b.ct --weights 50,51", &["the weights add up to 101", "has room for 100", "hint: divide"]);
    run("a.ct b.ct --weights 18446744073709551615,1", &["the weights add up to 18446744073709551616"]);
    run("a.ct b.ct -o a.ct", &["refusing to overwrite"]);
    for weights in ["0,1", "-1,2", "1.5,1", "a=0,b=1", "1,"] {
        shell.refuses(&format!("aggregate run round a.ct b.ct --weights {weights}"), 2, &[]);
    }
    shell.refuses("aggregate run round/client.fhe a.ct", 1, &["expected server file of an aggregation"]);

    shell.fhe_ml("aggregate run round a.ct b.ct").done();
    shell.refuses("decrypt round --key others --input sum.ct", 1, &["'sum.ct' was encrypted under"]);
    shell.refuses("decrypt wider --input sum.ct", 1, &["'sum.ct'", "circuit"]);
    shell.refuses("decrypt round --input a.ct", 1, &["expected encrypted sum, found encrypted update"]);
    shell.refuses("decrypt round --input sum.ct -o sum.csv", 1, &["no file of named arrays"]);
    shell.refuses(
        "decrypt round --input sum.ct --output-name x",
        1,
        &["--output-name is for compiled models"],
    );
    shell.refuses("run round/server.fhe --input a.ct", 1, &["expected server file, found server file of an"]);
}

#[test]
fn plans_that_cannot_be_kept_are_refused() {
    let shell = planned();
    let plan = |rest: &str, code, says: &[&str]| {
        shell.refuses(&format!("aggregate plan --like a.npz -o new {rest}"), code, says);
    };
    plan(
        "--bits 32 --total-weight 1000000000",
        1,
        &["noise leaves no room for sums of", "hint: take fewer --bits"],
    );
    plan("--bits 32 --total-weight 18446744073709551615", 1, &["no integer holds sums"]);
    for usage in ["--bits 1", "--bits 33", "--parties 0", "--total-weight 0", "--clip 0", "--clip nan"] {
        plan(usage, 2, &[]);
    }
    shell.refuses("aggregate plan --like a.npz", 1, &["refusing to overwrite"]);
    shell.refuses("keygen round -o new", 1, &["encrypt with a public key", "hint: add --public"]);
    let model = Shell::compiled("linreg_diabetes");
    model.refuses(
        "keygen build -o new --public",
        1,
        &["belongs to a compiled model", "hint: leave out --public"],
    );
    model.refuses(
        "encrypt build --input x_test.npy --party a -o y.ct",
        1,
        &["--party is for several parties"],
    );
}

/// Damage of every byte of a small part, and lengths that lie under a checksum that fits.
#[test]
fn forged_and_damaged_updates_are_refused() {
    let shell = planned();
    let whole = shell.read("a.ct");
    for (name, bytes) in [
        ("short", whole[..whole.len() - 1].to_vec()),
        ("empty", Vec::new()),
        ("long", [&whole[..], &[0]].concat()),
        (
            "flipped",
            whole.iter().enumerate().map(|(i, byte)| byte ^ u8::from(i == whole.len() / 2)).collect(),
        ),
    ] {
        shell.write(&format!("{name}.ct"), bytes);
        shell.refuses(&format!("aggregate run round b.ct {name}.ct"), 1, &[&format!("'{name}.ct'")]);
    }
    forge(&shell, "a.ct", "less.ct", |payload| payload.truncate(payload.len() - 1));
    shell.refuses("aggregate run round less.ct", 1, &["'less.ct' holds", "bytes, the plan takes"]);
    forge(&shell, "a.ct", "stray.ct", |payload| *payload.last_mut().unwrap() |= 0x80);
    shell.refuses("aggregate run round b.ct stray.ct", 1, &["cannot read 'stray.ct'", "are not zero"]);

    shell.fhe_ml("aggregate run round a.ct b.ct").done();
    for (name, weight) in [("none.ct", 0_u64), ("much.ct", 101)] {
        forge(&shell, "sum.ct", name, |payload| payload[..8].copy_from_slice(&weight.to_le_bytes()));
        let says = format!("its weights add up to {weight}, the plan allows 1 to 100");
        shell.refuses(&format!("decrypt round --input {name}"), 1, &[&says]);
    }
    forge(&shell, "sum.ct", "noise.ct", |payload| payload[8..].iter_mut().for_each(|byte| *byte &= 0x55));
    shell.refuses("decrypt round --input noise.ct", 1, &["a party did not keep to the plan"]);
}

#[test]
fn a_forged_name_of_a_party_reaches_no_terminal() {
    let shell = planned();
    let reader = Reader::open(&shell.path("a.ct")).unwrap();
    let mut header = reader.header().clone();
    header.party = Some("\u{1b}[31mred".to_owned());
    let mut writer = Writer::create(&shell.path("red.ct"), &header, Access::Public).unwrap();
    writer.write_all(&vec![0; reader.payload_len() as usize]).unwrap();
    writer.finish().unwrap();
    shell.refuses("aggregate run round red.ct", 1, &["cannot use 'red.ct'", "cannot name a party"]);
    assert!(!shell.fhe_ml("aggregate run round red.ct").stderr.contains('\u{1b}'));
    header.party = None;
    let mut writer = Writer::create(&shell.path("nobody.ct"), &header, Access::Public).unwrap();
    writer.write_all(&[0; 8]).unwrap();
    writer.finish().unwrap();
    shell.refuses("aggregate run round nobody.ct", 1, &["'nobody.ct' does not name its party"]);
}

/// Writes a file with the header of another, its changed payload and a checksum that fits.
fn forge(shell: &Shell, from: &str, to: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let mut reader = Reader::open(&shell.path(from)).unwrap();
    assert!([Kind::EncryptedUpdate, Kind::EncryptedSum].contains(&reader.header().kind));
    let length = reader.payload_len() as usize;
    let mut payload = reader.read_at(0, length).unwrap();
    change(&mut payload);
    let mut writer = Writer::create(&shell.path(to), reader.header(), Access::Public).unwrap();
    writer.write_all(&payload).unwrap();
    writer.finish().unwrap();
}

#[test]
fn the_demo_averages_as_plain_federated_learning_does() {
    let shell = Shell::new();
    let report = shell.fhe_ml("demo --model federated --json").done().json();
    let rounds = report["rounds"].as_array().unwrap();
    let last = rounds.last().unwrap();
    assert!(rounds.len() >= 5 && last["encrypted_accuracy"].as_f64().unwrap() > 0.9, "{report}");
    assert_eq!(last["encrypted_accuracy"], last["clear_accuracy"]);
    assert!(report["largest_difference"].as_f64().unwrap() < 5.0 * 4.0 / LARGEST, "{report}");
    assert!(shell.contents().is_empty());
}
