//! `fhe-ml demo --model training`: three hospitals train a model on rows that nobody else sees.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use fhe_ml::artifact::OutputFile;
use fhe_ml::circuit::files::{CLIENT_FILE, SERVER_FILE};
use fhe_ml::client::keys::{EVALUATION_KEY, PUBLIC_KEY, SECRET_KEY};
use fhe_ml::onnx::{LinearModel, write_linear};
use fhe_ml::tensor::{DType, Field, Labels, Source, read_column, read_rows};
use fhe_ml::training::{
    ClientPlan, Data, Features, Literal, Plan, Schedule, Settings, Task, encrypt, files, run, simulate,
    weights,
};
use serde_json::json;

use super::example::{Example, INPUT, LABELS};
use crate::cli::console::Console;
use crate::cli::exit::ExitCode;
use crate::cli::table::{bytes, seconds};

/// The rows of each party; the others are for tests.
const PARTIES: [(&str, usize); 3] = [("north", 60), ("south", 37), ("west", 16)];
/// The noise of the simulation.
const SEED: u64 = 1;

/// Trains on the rows of three parties and measures on others.
pub fn run(folder: &Path, console: &Console) -> Result<ExitCode> {
    console.say("Three hospitals, somebody else's server: logistic regression on breast cancer data, trained encrypted.");
    let (parties, test) = data(folder)?;
    let start = Instant::now();
    let client = plan(&parties)?;
    let files = files::save(folder, &client)?.files;
    say(console, "plan", "everybody", start, &files);
    let start = Instant::now();
    let keys = files::key_set(&folder.join(CLIENT_FILE))?.save(folder, None)?;
    say(console, "keygen", "the owner; the secret key stays there", start, &keys.files);
    let mut encrypted = Vec::new();
    for ((name, _), data) in PARTIES.iter().zip(&parties) {
        encrypted.push(encrypt_party(folder, name, data, console)?);
    }
    let start = Instant::now();
    let request = run::Request {
        server: &folder.join(SERVER_FILE),
        key: &folder.join(EVALUATION_KEY),
        data: &encrypted,
        output: &folder.join("weights.ct"),
        keep_every: Duration::MAX,
    };
    let trained = run::run(&request, console)?;
    say(
        console,
        "train",
        "the server, on ciphertexts only",
        start,
        &[(folder.join("weights.ct"), trained.bytes)],
    );
    let request = weights::Request {
        client: &folder.join(CLIENT_FILE),
        key: &folder.join(SECRET_KEY),
        passphrase: None,
        input: &folder.join("weights.ct"),
    };
    let learnt = weights::decrypt(&request, console)?;
    let model =
        LinearModel { coefficients: &learnt.coefficients, intercepts: &learnt.intercepts, classifies: true };
    let mut file = OutputFile::create(&folder.join("trained.onnx"))?;
    file.write_all(&write_linear(&model))?;
    file.finish()?;
    let simulated = simulate::simulate(&client, parties, &test, SEED)?;
    let accuracy = learnt.score(&test);
    let text = format!(
        "{} rows of {} parties in {} steps, {} a row and step; on {} other rows {:.3} are right, {:.3} with the same \
         descent in floating point",
        trained.rows,
        trained.parties,
        trained.steps,
        seconds(trained.seconds_per_row),
        test.rows.len(),
        accuracy,
        simulated.float
    );
    let report = json!({
        "run": trained,
        "test_rows": test.rows.len(),
        "accuracy": accuracy,
        "float_accuracy": simulated.float,
        "weights": learnt,
    });
    console.report(&report, text)?;
    Ok(ExitCode::Done)
}

/// The rows of each party, and those for tests.
fn data(folder: &Path) -> Result<(Vec<Data>, Data)> {
    Example::Linear.write(folder)?;
    let field = Field { name: "x".to_owned(), dtype: DType::F64, shape: vec![30], columns: None };
    let rows = read_rows(&Source::File(folder.join(INPUT)), &[field])?;
    let mut all = Data::default();
    for row in rows {
        all.rows.extend(
            row?.iter()
                .map(|tensor| Ok(tensor.as_numbers()?.iter().copied().collect()))
                .collect::<Result<Vec<_>>>()?,
        );
    }
    let labels = read_column(&Source::File(folder.join(LABELS)))?.for_rows(all.rows.len())?;
    let Labels::Numbers(labels) = labels else { bail!("the embedded labels are numbers") };
    all.labels = labels;
    let mut parties = Vec::new();
    for (_, count) in PARTIES {
        let rest = Data { rows: all.rows.split_off(count), labels: all.labels.split_off(count) };
        parties.push(std::mem::replace(&mut all, rest));
    }
    Ok((parties, all))
}

/// A plan whose bounds are those of the first party.
fn plan(parties: &[Data]) -> Result<ClientPlan> {
    let literal = Literal {
        features: 30,
        task: Task::Logistic { classes: 2 },
        rows: 120,
        epochs: 2,
        batch: 24,
        learning_rate: 0.5,
        schedule: Schedule::Constant,
        l2: 0.0,
        range: 28.0,
    };
    let rows = parties.first().map(|party| party.rows.as_slice()).unwrap_or_default();
    let bounds = |feature: usize| {
        let values: Vec<f64> = rows.iter().filter_map(|row| row.get(feature).copied()).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64;
        (mean, variance.sqrt())
    };
    Ok(ClientPlan {
        plan: Plan::new(Settings::new(literal)?)?,
        features: Features::new((0..30).map(bounds).collect())?,
    })
}

/// Encrypts the rows of a party.
fn encrypt_party(folder: &Path, name: &str, data: &Data, console: &Console) -> Result<PathBuf> {
    let write = |suffix: &str, lines: Vec<String>| {
        let path = folder.join(format!("{name}{suffix}.csv"));
        let mut file = OutputFile::create(&path)?;
        writeln!(file, "{}", lines.join("\n"))?;
        file.finish()?;
        Ok::<_, anyhow::Error>(Source::File(path))
    };
    let line = |row: &Vec<f64>| row.iter().map(f64::to_string).collect::<Vec<_>>().join(",");
    let rows = write("", data.rows.iter().map(line).collect())?;
    let labels = write("_labels", data.labels.iter().map(f64::to_string).collect())?;
    let output = folder.join(format!("{name}.ct"));
    let start = Instant::now();
    let request = encrypt::Request {
        client: &folder.join(CLIENT_FILE),
        public_key: &folder.join(PUBLIC_KEY),
        input: &rows,
        labels: &labels,
        party: name,
        output: &output,
    };
    let summary = encrypt::encrypt(&request, console)?;
    say(console, "encrypt", name, start, &[(output.clone(), summary.bytes)]);
    Ok(output)
}

fn say(console: &Console, stage: &str, who: &str, start: Instant, files: &[(PathBuf, u64)]) {
    let files = files.iter().map(|(path, size)| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        format!("{} {}", name.unwrap_or_default(), bytes(*size))
    });
    console.say(format_args!(
        "  {stage:8} {:>9}   {}   ({who})",
        seconds(start.elapsed().as_secs_f64()),
        files.collect::<Vec<_>>().join(", ")
    ));
}
