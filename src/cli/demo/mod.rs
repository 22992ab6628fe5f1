//! `fhe-ml demo`: the whole pipeline on an embedded model.

mod example;
mod federated;
mod report;
mod training;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::{ValueEnum, ValueHint};
use fhe_ml::artifact::{TemporaryFolder, create_folder};
use fhe_ml::circuit::files;
use fhe_ml::client::decrypt::Results;
use fhe_ml::client::{decrypt, encrypt, keys};
use fhe_ml::compile::{self, Settings};
use fhe_ml::model::Model;
use fhe_ml::onnx::{self, Options};
use fhe_ml::server;
use fhe_ml::tensor::{Labels, Row, Source, read_column, read_rows};

use super::console::Console;
use super::exit::ExitCode;
use super::table::{bytes, seconds};
use super::target::Target;
use example::{CALIBRATION, Example, INPUT, LABELS, MODEL};
use report::{Report, Stage};

/// The file of the rows that are encrypted.
const ROWS: &str = "rows.json";

/// Show the whole pipeline on an embedded model: breast cancer of 30 features, or images of digits
#[derive(clap::Args)]
pub struct Args {
    /// What is shown
    #[arg(long, value_enum, default_value_t = Show::Linear)]
    model: Show,
    /// Folder that keeps all files; without it they are removed at the end
    #[arg(long, short, value_name = "DIR", value_hint = ValueHint::DirPath)]
    output: Option<PathBuf>,
}

/// What can be shown.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Show {
    /// Logistic regression
    Linear,
    /// 50 boosted trees of depth 4
    Trees,
    /// A convolutional network
    Networks,
    /// Three parties who train a logistic regression, with encrypted updates
    Federated,
    /// Logistic regression trained on encrypted rows of three parties
    Training,
}

/// Shows it in a folder of its own.
pub fn run(args: Args, console: &Console) -> Result<ExitCode> {
    let temporary = if args.output.is_none() { Some(TemporaryFolder::create()?) } else { None };
    let folder = match (&args.output, &temporary) {
        (Some(folder), _) => folder.clone(),
        (None, Some(temporary)) => temporary.path().to_owned(),
        (None, None) => PathBuf::new(),
    };
    create_folder(&folder)?;
    match args.model {
        Show::Linear => pipeline(Example::Linear, folder, console),
        Show::Trees => pipeline(Example::Trees, folder, console),
        Show::Networks => pipeline(Example::Networks, folder, console),
        Show::Federated => federated::run(&folder, console),
        Show::Training => training::run(&folder, console),
    }
}

/// Compiles, makes keys, encrypts, runs and decrypts, and compares with the clear model.
fn pipeline(example: Example, folder: PathBuf, console: &Console) -> Result<ExitCode> {
    example.write(&folder)?;
    let mut demo = Demo { example, folder, console, stages: Vec::new() };
    console.say(example.describe());
    let model = demo.compile()?;
    demo.keygen()?;
    demo.choose_rows(&model)?;
    demo.encrypt()?;
    demo.run()?;
    let decrypted = demo.decrypt()?;
    let report = demo.compare(&model, &decrypted)?;
    console.report(&report, report.human())?;
    Ok(ExitCode::Done)
}

struct Demo<'a> {
    example: Example,
    folder: PathBuf,
    console: &'a Console,
    stages: Vec<Stage>,
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
            let keys = keys::KeySet::of_model(&folder.join(files::CLIENT_FILE))?.save(folder, None)?;
            Ok(((), keys.files))
        })
    }

    /// Writes the rows that will be encrypted.
    fn choose_rows(&self, model: &Model) -> Result<()> {
        let rows = read_rows(&Source::File(self.folder.join(INPUT)), model.inputs())?;
        let rows = rows.take(self.example.rows()).collect::<Result<Vec<Row>>>()?;
        let target = Target::of(self.folder.join(ROWS))?;
        let mut chosen = target.begin(model.inputs(), rows.len() as u64, None)?;
        rows.iter().try_for_each(|row| chosen.write(row))?;
        chosen.finish()
    }

    fn encrypt(&mut self) -> Result<()> {
        self.stage("encrypt", "the client", |folder, console| {
            let (client, key) = (folder.join(files::CLIENT_FILE), folder.join(keys::SECRET_KEY));
            let (input, output) = (Source::File(folder.join(ROWS)), folder.join("x.ct"));
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
                keep_every: Duration::MAX,
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
    fn compare(self, model: &Model, decrypted: &[Row]) -> Result<Report> {
        let input = Source::File(self.folder.join(INPUT));
        let clear = read_rows(&input, model.inputs())?
            .map(|row| model.evaluate(&row?))
            .collect::<Result<Vec<_>>>()?;
        let labels = read_column(&Source::File(self.folder.join(LABELS)))?.for_rows(clear.len())?;
        let Labels::Numbers(labels) = labels else { anyhow::bail!("the embedded labels are numbers") };
        Report::new(self.example, self.stages, decrypted, &clear, &labels)
    }
}
