//! Federated learning: three hospitals train one logistic regression, and nobody sees an update of another.

use std::path::Path;

use anyhow::{Result, ensure};
use fhe_ml::artifact::OutputFile;
use fhe_ml::circuit::files::{CLIENT_FILE, SERVER_FILE};
use fhe_ml::client::keys::{PUBLIC_KEY, SECRET_KEY};
use fhe_ml::federated::{self, Aggregation, Decryption, Encryption, Limits, PartyWeight, Scale, Wishes};
use fhe_ml::tensor::{
    ArrayFile, ArrayFormat, ArrayWriter, DType, Field, Labels, Row, Source, read_column, read_rows,
};
use serde::Serialize;

use super::example::{Example, INPUT, LABELS};
use crate::cli::console::Console;
use crate::cli::exit::ExitCode;
use crate::cli::table::seconds;

const FEATURES: usize = 30;
/// Names and numbers of rows of the parties; the rows after theirs are for the test.
const PARTIES: [(&str, usize); 3] = [("north", 20), ("south", 30), ("west", 50)];
const ROUNDS: usize = 5;
const LOCAL_STEPS: usize = 4;
const LEARNING_RATE: f64 = 0.05;

#[derive(Serialize)]
struct Report {
    parties: [(&'static str, usize); 3],
    rounds: Vec<Round>,
    /// The largest difference of a weight from plain averaging.
    largest_difference: f64,
}

#[derive(Serialize)]
struct Round {
    round: usize,
    encrypted_accuracy: f64,
    clear_accuracy: f64,
    aggregate_seconds: f64,
    update_bytes: u64,
}

struct Sample {
    /// Standardised.
    features: Vec<f64>,
    benign: bool,
}

/// Trains with encrypted and with plain averaging side by side.
pub fn run(folder: &Path, console: &Console) -> Result<ExitCode> {
    console.say("Three hospitals, one model: logistic regression on breast cancer data, updates encrypted.");
    let samples = samples(folder)?;
    let known: usize = PARTIES.iter().map(|(_, rows)| rows).sum();
    ensure!(samples.len() > known, "the embedded data has {} rows", samples.len());
    let (training, test) = samples.split_at(known);
    prepare(folder)?;
    let mut encrypted = vec![0.0; FEATURES + 1];
    let mut clear = encrypted.clone();
    let mut rounds = Vec::new();
    for round in 1..=ROUNDS {
        let average = clear_average(&updates(&clear, training));
        add(&mut clear, &average);
        let mut told = encrypted_round(folder, round, &mut encrypted, training, console)?;
        told.encrypted_accuracy = accuracy(&encrypted, test);
        told.clear_accuracy = accuracy(&clear, test);
        console.say(format_args!(
            "  round {round}   accuracy {:.3}, plain {:.3}   3 updates of {} bytes added up in {}",
            told.encrypted_accuracy,
            told.clear_accuracy,
            told.update_bytes,
            seconds(told.aggregate_seconds)
        ));
        rounds.push(told);
    }
    let differences = encrypted.iter().zip(&clear).map(|(a, b)| (a - b).abs());
    let largest_difference = differences.fold(0.0, f64::max);
    let text =
        format!("weights differ from plain averaging by {largest_difference:.1e} at most, from rounding");
    console.report(&Report { parties: PARTIES, rounds, largest_difference }, text)?;
    Ok(ExitCode::Done)
}

/// The embedded rows, each feature with mean 0 and variance 1.
fn samples(folder: &Path) -> Result<Vec<Sample>> {
    Example::Linear.write(folder)?;
    let field = Field { name: "x".to_owned(), dtype: DType::F32, shape: vec![FEATURES], columns: None };
    let rows = read_rows(&Source::File(folder.join(INPUT)), &[field])?;
    let mut rows = rows.map(|row| values(&row?)).collect::<Result<Vec<_>>>()?;
    for feature in 0..FEATURES {
        let column = || rows.iter().filter_map(|row| row.get(feature));
        let count = rows.len() as f64;
        let mean = column().sum::<f64>() / count;
        let std = (column().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt();
        rows.iter_mut()
            .filter_map(|row| row.get_mut(feature))
            .for_each(|value| *value = (*value - mean) / std);
    }
    let labels = read_column(&Source::File(folder.join(LABELS)))?.for_rows(rows.len())?;
    let Labels::Numbers(labels) = labels else { anyhow::bail!("the embedded labels are numbers") };
    let sample = |(features, label): (Vec<f64>, &f64)| Sample { features, benign: *label == 1.0 };
    Ok(rows.into_iter().zip(&labels).map(sample).collect())
}

fn values(row: &Row) -> Result<Vec<f64>> {
    let mut values = Vec::with_capacity(FEATURES);
    for tensor in row {
        values.extend(tensor.as_numbers()?);
    }
    Ok(values)
}

/// The arrays of an update.
fn arrays() -> Vec<Field> {
    let array = |(name, shape): (&str, &[usize])| Field {
        name: name.to_owned(),
        dtype: DType::F64,
        shape: shape.to_vec(),
        columns: None,
    };
    [("weights", &[FEATURES][..]), ("bias", &[])].map(array).to_vec()
}

/// The plan and the keys, once for all rounds.
fn prepare(folder: &Path) -> Result<()> {
    let plan = federated::plan(Wishes {
        arrays: arrays(),
        limits: Limits { parties: PARTIES.len() as u32, total_weight: 1000 },
        scale: Scale::new(4.0, 16)?,
        clip_norm: None,
    })?;
    federated::save(folder, &plan)?;
    federated::key_set(&folder.join(CLIENT_FILE), true)?.save(folder, None)?;
    Ok(())
}

/// A round as it goes: files from party to server, and from there to the holder of the key.
fn encrypted_round(
    folder: &Path,
    round: usize,
    model: &mut [f64],
    training: &[Sample],
    console: &Console,
) -> Result<Round> {
    let client = folder.join(CLIENT_FILE);
    let mut files = Vec::new();
    let mut update_bytes = 0;
    for ((party, _), update) in PARTIES.iter().zip(updates(model, training)) {
        let input = folder.join(format!("{party}.{round}.npz"));
        let mut writer = ArrayWriter::new(ArrayFormat::Npz, OutputFile::create(&input)?, &arrays())?;
        writer.write(&update)?;
        writer.finish()?.finish()?;
        let output = input.with_extension("ct");
        let public_key = &folder.join(PUBLIC_KEY);
        let request =
            Encryption { client: &client, public_key, input: &input, party, dp_sigma: None, output: &output };
        update_bytes = federated::encrypt(&request, console)?.bytes;
        files.push(output);
    }
    let weights = PARTIES.map(|(_, rows)| PartyWeight { party: None, weight: rows as u64 });
    let sum = folder.join(format!("sum.{round}.ct"));
    let server = &folder.join(SERVER_FILE);
    let request = Aggregation { server, updates: &files, weights: &weights, output: &sum };
    let aggregate_seconds = federated::aggregate(&request, console)?.seconds;
    let average = folder.join(format!("average.{round}.npz"));
    let key = &folder.join(SECRET_KEY);
    let request = Decryption { client: &client, key, passphrase: None, input: &sum, output: &average };
    federated::decrypt(&request, console)?;
    let mut values = Vec::new();
    let mut file = ArrayFile::open(&average)?;
    for array in arrays() {
        file.read(&array.name, &mut |piece| {
            values.extend_from_slice(piece);
            Ok(())
        })?;
    }
    add(model, &values);
    Ok(Round { round, encrypted_accuracy: 0.0, clear_accuracy: 0.0, aggregate_seconds, update_bytes })
}

/// What each party adds to the model by gradient descent on its own rows.
fn updates(model: &[f64], training: &[Sample]) -> Vec<Vec<f64>> {
    let mut rest = training;
    let mut update = |(_, rows): &(&str, usize)| {
        let (own, others) = rest.split_at((*rows).min(rest.len()));
        rest = others;
        let mut trained = model.to_vec();
        (0..LOCAL_STEPS).for_each(|_| descend(&mut trained, own));
        trained.iter().zip(model).map(|(new, old)| new - old).collect()
    };
    PARTIES.iter().map(&mut update).collect()
}

fn descend(model: &mut [f64], samples: &[Sample]) {
    let mut gradient = vec![0.0; model.len()];
    for sample in samples {
        let target = f64::from(u8::from(sample.benign));
        let error = 1.0 / (1.0 + (-score(model, &sample.features)).exp()) - target;
        let inputs = sample.features.iter().chain([&1.0]);
        gradient.iter_mut().zip(inputs).for_each(|(sum, input)| *sum += error * input);
    }
    let step = LEARNING_RATE / samples.len() as f64;
    model.iter_mut().zip(&gradient).for_each(|(weight, slope)| *weight -= step * slope);
}

/// The last weight is the bias.
fn score(model: &[f64], features: &[f64]) -> f64 {
    features.iter().chain([&1.0]).zip(model).map(|(input, weight)| input * weight).sum()
}

fn clear_average(updates: &[Vec<f64>]) -> Vec<f64> {
    let total: usize = PARTIES.iter().map(|(_, rows)| rows).sum();
    let mut average = vec![0.0; FEATURES + 1];
    for (update, (_, rows)) in updates.iter().zip(PARTIES) {
        let share = rows as f64 / total as f64;
        average.iter_mut().zip(update).for_each(|(sum, value)| *sum += share * value);
    }
    average
}

fn add(model: &mut [f64], update: &[f64]) {
    model.iter_mut().zip(update).for_each(|(weight, change)| *weight += change);
}

fn accuracy(model: &[f64], test: &[Sample]) -> f64 {
    let right = test.iter().filter(|sample| (score(model, &sample.features) > 0.0) == sample.benign);
    right.count() as f64 / test.len() as f64
}
