//! `fhe-ml demo`: the whole pipeline on an embedded model.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use clap::ValueHint;
use fhe_ml::artifact::{OutputFile, TemporaryFolder, create_folder};
use fhe_ml::circuit::files;
use fhe_ml::client::decrypt::Results;
use fhe_ml::client::{decrypt, encrypt, keys};
use fhe_ml::compile::{self, Settings};
use fhe_ml::model::Model;
use fhe_ml::onnx::{self, Options};
use fhe_ml::server;
use fhe_ml::tensor::{Labels, Row, Source, read_column, read_rows};
use serde::Serialize;

use super::console::Console;
use super::exit::ExitCode;
use super::table::{Table, bytes, seconds};
use super::target::Target;

/// Show the whole pipeline on an embedded model: breast cancer, 30 features, logistic regression
#[derive(clap::Args)]
pub struct Args {
    /// Folder that keeps all files; without it they are removed at the end
    #[arg(long, short, value_name = "DIR", value_hint = ValueHint::DirPath)]
    output: Option<PathBuf>,
}

/// What is embedded: a scikit-learn model, rows to calibrate on, and other rows with their labels.
const FILES: [(&str, &[u8]); 4] = [
    (MODEL, include_bytes!("../../models/logreg_breast_cancer/model.onnx")),
    (CALIBRATION, include_bytes!("../../models/logreg_breast_cancer/x_calib.npy")),
    (INPUT, include_bytes!("../../models/logreg_breast_cancer/x_test.npy")),
    (LABELS, include_bytes!("../../models/logreg_breast_cancer/y_test.npy")),
];
const MODEL: &str = "model.onnx";
const CALIBRATION: &str = "x_calib.npy";
const INPUT: &str = "x_test.npy";
const LABELS: &str = "y_test.npy";

/// Rows of the table at the end.
const SHOWN: usize = 8;

/// Compiles, makes keys, encrypts, runs and decrypts, and compares with the clear model.
pub fn run(args: Args, console: &Console) -> Result<ExitCode> {
    let temporary = if args.output.is_none() { Some(TemporaryFolder::create()?) } else { None };
    let folder = match (&args.output, &temporary) {
        (Some(folder), _) => folder.clone(),
        (None, Some(temporary)) => temporary.path().to_owned(),
        (None, None) => PathBuf::new(),
    };
    create_folder(&folder)?;
    for (name, content) in FILES {
        let mut file = OutputFile::create(&folder.join(name))?;
        file.write_all(content)?;
        file.finish()?;
    }
    let mut demo = Demo { folder, console, stages: Vec::new() };
    console.say(
        "A hospital's rows, somebody else's server: logistic regression on breast cancer data, encrypted.",
    );
    let model = demo.compile()?;
    demo.keygen()?;
    demo.encrypt()?;
    demo.run()?;
    let decrypted = demo.decrypt()?;
    let report = demo.compare(&model, &decrypted)?;
    console.report(&report, report.human())?;
    Ok(ExitCode::Done)
}

struct Demo<'a> {
    folder: PathBuf,
    console: &'a Console,
    stages: Vec<Stage>,
}

#[derive(Clone, Serialize)]
struct Stage {
    stage: &'static str,
    seconds: f64,
    files: Vec<(String, u64)>,
}

impl Demo<'_> {
    fn compile(&mut self) -> Result<Model> {
        self.stage("compile", "the owner, from a model and sample rows", |folder, _| {
            let model = onnx::read(&folder.join(MODEL), &Options::default())?;
            let calibration = Source::File(folder.join(CALIBRATION));
            let rows = read_rows(&calibration, model.inputs())?;
            let compiled = compile::compile(&model, rows, &Settings::default())?;
            let reveals = &compiled.report.client_reveals;
            let saved = files::save(folder, &compiled.circuit, &compiled.client, &model, reveals)?;
            Ok((model, saved.files))
        })
    }

    fn keygen(&mut self) -> Result<()> {
        self.stage("keygen", "the client; the secret key stays there", |folder, _| {
            let keys = keys::generate(&folder.join(files::CLIENT_FILE), folder, None)?;
            Ok(((), keys.files))
        })
    }

    fn encrypt(&mut self) -> Result<()> {
        self.stage("encrypt", "the client", |folder, console| {
            let (client, key) = (folder.join(files::CLIENT_FILE), folder.join(keys::SECRET_KEY));
            let (input, output) = (Source::File(folder.join(INPUT)), folder.join("x.ct"));
            let request = encrypt::Request {
                client: &client,
                key: &key,
                passphrase: None,
                input: &input,
                output: &output,
            };
            let summary = encrypt::encrypt(&request, console)?;
            Ok(((), vec![(output, summary.bytes)]))
        })
    }

    fn run(&mut self) -> Result<()> {
        self.stage("run", "the server, on ciphertexts only", |folder, console| {
            let output = folder.join("y.ct");
            let request = server::Request {
                server: &folder.join(files::SERVER_FILE),
                key: &folder.join(keys::EVALUATION_KEY),
                input: &folder.join("x.ct"),
                output: &output,
            };
            let summary = server::run(&request, console)?;
            Ok(((), vec![(output, summary.bytes)]))
        })
    }

    fn decrypt(&mut self) -> Result<Vec<Row>> {
        self.stage("decrypt", "the client", |folder, console| {
            let (client, key) = (folder.join(files::CLIENT_FILE), folder.join(keys::SECRET_KEY));
            let input = folder.join("y.ct");
            let request = decrypt::Request { client: &client, key: &key, passphrase: None, input: &input };
            let results = Results::open(&request, console)?;
            let output = folder.join("y.json");
            let mut rows = Target::of(output.clone())?.begin(&results.fields(), results.rows(), None)?;
            let mut decrypted = Vec::new();
            results.decrypt(console, |row| {
                rows.write(&row)?;
                decrypted.push(row);
                Ok(())
            })?;
            rows.finish()?;
            let size = output.metadata()?.len();
            Ok((decrypted, vec![(output, size)]))
        })
    }

    /// Runs one stage, shows it and keeps its time and files.
    fn stage<T>(
        &mut self,
        name: &'static str,
        who: &str,
        work: impl FnOnce(&Path, &Console) -> Result<(T, Vec<(PathBuf, u64)>)>,
    ) -> Result<T> {
        let start = Instant::now();
        let (value, files) = work(&self.folder, self.console)?;
        let files = files.into_iter().map(|(path, size)| {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            (name.unwrap_or_default(), size)
        });
        let stage = Stage { stage: name, seconds: start.elapsed().as_secs_f64(), files: files.collect() };
        let made: Vec<String> =
            stage.files.iter().map(|(name, size)| format!("{name} {}", bytes(*size))).collect();
        self.console.say(format_args!(
            "  {name:8} {:>9}   {}   ({who})",
            seconds(stage.seconds),
            made.join(", ")
        ));
        self.stages.push(stage);
        Ok(value)
    }

    /// Holds the decrypted rows against the clear model and the labels.
    fn compare(&self, model: &Model, decrypted: &[Row]) -> Result<Report> {
        let input = Source::File(self.folder.join(INPUT));
        let clear = read_rows(&input, model.inputs())?
            .map(|row| model.evaluate(&row?))
            .collect::<Result<Vec<_>>>()?;
        let labels = read_column(&Source::File(self.folder.join(LABELS)))?.for_rows(clear.len())?;
        let Labels::Numbers(labels) = labels else { anyhow::bail!("the embedded labels are numbers") };
        let rows = decrypted.iter().zip(&clear).zip(&labels).enumerate();
        let rows = rows.map(|(index, ((decrypted, clear), label))| {
            let (encrypted_label, encrypted) = answer(decrypted)?;
            let (clear_label, clear) = answer(clear)?;
            Ok(Compared { row: index + 1, encrypted_label, encrypted, clear_label, clear, label: *label })
        });
        let rows = rows.collect::<Result<Vec<_>>>()?;
        let share = |hits: usize| hits as f64 / rows.len() as f64;
        Ok(Report {
            stages: self.stages.clone(),
            agreement: share(rows.iter().filter(|row| row.encrypted_label == row.clear_label).count()),
            largest_difference: rows.iter().map(|row| (row.encrypted - row.clear).abs()).fold(0.0, f64::max),
            accuracy: share(rows.iter().filter(|row| row.encrypted_label == row.label).count()),
            rows,
        })
    }
}

/// The label and the probability of class 1.
fn answer(row: &Row) -> Result<(f64, f64)> {
    let number =
        |place: usize, element: usize| row.get(place)?.as_numbers().ok()?.iter().nth(element).copied();
    number(0, 0).zip(number(1, 1)).context("the embedded model gives a label and two probabilities")
}

#[derive(Serialize)]
struct Report {
    stages: Vec<Stage>,
    rows: Vec<Compared>,
    /// The share of rows with the same label as the clear model's.
    agreement: f64,
    /// The largest difference of a probability from the clear model's.
    largest_difference: f64,
    /// The share of rows with the true label.
    accuracy: f64,
}

#[derive(Serialize)]
struct Compared {
    row: usize,
    encrypted_label: f64,
    encrypted: f64,
    clear_label: f64,
    clear: f64,
    label: f64,
}

impl Report {
    fn human(&self) -> String {
        let heading = ["row", "encrypted", "probability", "clear", "probability", "truth"].map(str::to_owned);
        let line = |row: &Compared| {
            vec![
                row.row.to_string(),
                name(row.encrypted_label),
                format!("{:.6}", row.encrypted),
                name(row.clear_label),
                format!("{:.6}", row.clear),
                name(row.label),
            ]
        };
        let lines = std::iter::once(heading.to_vec()).chain(self.rows.iter().take(SHOWN).map(line));
        format!(
            "{}\n{} rows that were not calibrated on: {:.1} % as the clear model says, largest difference of a \
             probability {:.1e}, accuracy {:.1} %",
            Table(lines.collect()),
            self.rows.len(),
            100.0 * self.agreement,
            self.largest_difference,
            100.0 * self.accuracy
        )
    }
}

fn name(label: f64) -> String {
    if label == 0.0 { "malignant".to_owned() } else { "benign".to_owned() }
}
