//! Memory and waiting do not grow with the number of rows.
#![cfg(target_os = "linux")]

mod shell;

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use fhe_ml::artifact::Reader;

use shell::{Outcome, Shell};

/// How much more memory four times the rows may take: far less than the files grow by.
const SLACK_BYTES: u64 = 4 << 20;

#[test]
fn run_and_decrypt_take_the_same_memory_for_any_number_of_rows() {
    let shell = Shell::evaluated("pca_logreg_digits");
    for (blocks, name) in [(100, "some"), (400, "many")] {
        shell.repeat_block("x.ct", &format!("{name}.ct"), blocks);
        shell.repeat_block("y.ct", &format!("{name}.out.ct"), blocks / 4);
    }
    for line in ["run build --input {}.ct -o {}.y.ct", "decrypt build --input {}.out.ct -o {}.csv"] {
        let [some, many] = ["some", "many"].map(|name| peak_bytes(&shell, &line.replace("{}", name)));
        assert!(many < some + SLACK_BYTES, "{line}: {some} bytes for some rows, {many} for many");
    }
    let grown = fs::metadata(shell.path("many.y.ct")).unwrap().len();
    assert!(grown > 8 * SLACK_BYTES, "the files are too small to tell: {grown} bytes");
}

#[test]
fn encrypt_takes_the_same_memory_for_any_number_of_rows() {
    let shell = Shell::compiled("linreg_diabetes");
    for (rows, name) in [(40_000, "some"), (160_000, "many")] {
        shell.write(&format!("{name}.csv"), "0,0.01,0,0.02,0,0,-0.01,0,0,0.003\n".repeat(rows));
    }
    let [some, many] = ["some", "many"]
        .map(|name| peak_bytes(&shell, &format!("encrypt build --input {name}.csv -o {name}.ct")));
    assert!(many < some + SLACK_BYTES, "{some} bytes for some rows, {many} for many");
}

#[test]
fn an_aggregation_takes_the_same_memory_for_any_number_of_values() {
    let shell = Shell::new();
    for (values, name) in [(500_000_u32, "some"), (4_000_000, "many")] {
        let data: Vec<u8> = (0..values).flat_map(|i| ((i % 1000) as f32 / 1e3).to_le_bytes()).collect();
        let array =
            format!(r#"{{"w":{{"dtype":"F32","shape":[{values}],"data_offsets":[0,{}]}}}}"#, data.len());
        let file = [&(array.len() as u64).to_le_bytes()[..], array.as_bytes(), &data].concat();
        shell.write(&format!("{name}.safetensors"), file);
        let plan =
            format!("aggregate plan --like {name}.safetensors --parties 1 --total-weight 1 -o {name}.plan");
        shell.fhe_ml(&plan).done();
        shell.fhe_ml(&format!("keygen {name}.plan -o {name}.keys --public")).done();
    }
    for line in [
        "encrypt {}.plan --public-key {}.keys --input {}.safetensors -o {}.ct",
        "aggregate run {}.plan {}.ct -o {}.sum",
        "decrypt {}.plan --key {}.keys --input {}.sum -o {}.npz",
    ] {
        let [some, many] = ["some", "many"].map(|name| peak_bytes(&shell, &line.replace("{}", name)));
        assert!(many < some + SLACK_BYTES, "{line}: {some} bytes for some values, {many} for many");
    }
}

#[test]
fn inspect_is_instant_whatever_the_size() {
    let shell = Shell::evaluated("linreg_diabetes");
    let blocks = 1_u64 << 20;
    lengthen(&shell, "x.ct", blocks);
    assert!(fs::metadata(shell.path("x.ct")).unwrap().len() > 16 << 30);
    let (outcome, elapsed) = best_of_five(&shell, "inspect x.ct --json");
    let rows_per_block = Reader::open(&shell.path("x.ct")).unwrap().header().blocks.unwrap().rows;
    assert_eq!(outcome.json()["rows"], (blocks - 1) * rows_per_block + 1);
    assert!(elapsed < Duration::from_millis(50), "inspected in {elapsed:?}");
}

#[test]
fn commands_start_at_once() {
    let shell = Shell::evaluated("linreg_diabetes");
    for line in ["--version", "--help", "inspect build/client.fhe", "inspect y.ct"] {
        let (_, elapsed) = best_of_five(&shell, line);
        assert!(elapsed < Duration::from_millis(50), "{line}: {elapsed:?}");
    }
}

fn best_of_five(shell: &Shell, line: &str) -> (Outcome, Duration) {
    let timed = || {
        let begun = Instant::now();
        (shell.fhe_ml(line).done(), begun.elapsed())
    };
    (0..5).map(|_| timed()).min_by_key(|(_, elapsed)| *elapsed).unwrap()
}

/// The most memory that a command had at once. It must last longer than a moment.
fn peak_bytes(shell: &Shell, line: &str) -> u64 {
    let mut child = shell.command(line).spawn().unwrap();
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        peak = peak_so_far(&child).unwrap_or(peak);
        thread::sleep(Duration::from_millis(1));
    }
    Outcome::of(child.wait_with_output().unwrap()).done();
    assert!(peak > 0, "{line}: too quick to be measured");
    peak
}

/// What Linux says of a process, while there is one.
fn peak_so_far(child: &Child) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(peak.trim().strip_suffix(" kB")?.parse::<u64>().ok()? << 10)
}

/// Gives a ciphertext file so many blocks, the last of one row; all but its ends is a hole.
fn lengthen(shell: &Shell, name: &str, blocks: u64) {
    let reader = Reader::open(&shell.path(name)).unwrap();
    let before = (blocks - 1) * reader.header().blocks.unwrap().bytes;
    let payload_start = reader.file_len() - reader.payload_len() - 32;
    let mut file = fs::File::options().write(true).open(shell.path(name)).unwrap();
    file.set_len(payload_start).unwrap();
    file.seek(SeekFrom::Start(payload_start + before)).unwrap();
    file.write_all(&1_u32.to_le_bytes()).unwrap();
    file.write_all(&[0; 1000]).unwrap();
}
