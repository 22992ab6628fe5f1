//! The encrypted descent over files: rows of several parties stream in, the weights come out.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;

use super::files::{open_server, summary};
use super::rows::{read_ring, ring_bytes, write_ring};
use super::weights::write_weights;
use super::{EncryptedBlock, ExpandedRow, Packing, Place, Plan, SeededTrainingKey, Trainer, order};
use crate::artifact::{Access, Checkpoint, Checksum, Header, Kind, Reader, Writer};
use crate::circuit::files::Opened;
use crate::crypto::{CoefficientBits, RingCiphertext};
use crate::progress::{Progress, Silent};

/// Weights at rest lose nothing.
const EXACT: CoefficientBits = CoefficientBits { mask: 64, body: 64 };

/// The files of a run.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The plan's server file.
    pub server: &'a Path,
    /// The evaluation key.
    pub key: &'a Path,
    /// The encrypted rows of each party.
    pub data: &'a [PathBuf],
    /// Where the encrypted weights go.
    pub output: &'a Path,
    /// After so much computing the weights are kept.
    pub keep_every: Duration,
}

/// What a run did.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Summary {
    /// Parties whose rows were used.
    pub parties: usize,
    /// Rows of all of them.
    pub rows: u64,
    /// Steps of the descent.
    pub steps: u64,
    /// Steps that an interrupted run had done before.
    pub resumed_steps: u64,
    /// Bytes of the output file.
    pub bytes: u64,
    /// Seconds spent computing.
    pub compute_seconds: f64,
    /// Seconds of computing for each row of a step.
    pub seconds_per_row: f64,
    /// The predicted standard deviation of a weight's noise.
    pub weight_noise: f64,
}

/// A party's file.
struct Party {
    reader: Reader,
    rows: u64,
}

/// Trains on the rows of all parties.
///
/// # Errors
/// If the files do not belong together or are damaged, there are too many rows, or the output exists or cannot be
/// written.
pub fn run(request: &Request<'_>, progress: &dyn Progress) -> Result<Summary> {
    let server = open_server(request.server)?;
    let plan = &server.value;
    let (key, key_header) = read_key(request, plan)?;
    let mut parties = open_parties(request, &server, &key_header)?;
    let rows = check_rows(request, plan, &parties)?;
    let key = key.expand();
    let header = output_header(&server, &key_header, rows);
    let source =
        Checksum::of_all(&parties.iter().map(|party| party.reader.checksum()).collect::<Result<Vec<_>>>()?);
    // A file that is in the way is told before the work.
    let mut writer = Writer::create(request.output, &header, Access::Public)?;
    let checkpoint = Checkpoint::of(request.output, &header, source);
    let kept = checkpoint.kept(0).and_then(|bytes| read_kept(plan, &bytes).ok());
    let mut trainer = Trainer::new(plan, &key, rows, kept)?;
    let counts: Vec<u64> = parties.iter().map(|party| party.rows).collect();
    let order = order(&counts);
    let resumed_steps = trainer.step();
    let seconds =
        descend(&mut trainer, plan, &order, &mut parties, (&checkpoint, request.keep_every), progress)?;
    writer.write_all(&write_weights(plan, trainer.weights()))?;
    let bytes = writer.finish()?;
    checkpoint.remove();
    let steps = trainer.step();
    let uses = (rows * u64::from(plan.settings().literal().epochs)).max(1) as f64;
    let share = (steps - resumed_steps) as f64 / steps.max(1) as f64;
    Ok(Summary {
        parties: counts.len(),
        rows,
        steps,
        resumed_steps,
        bytes,
        compute_seconds: seconds,
        seconds_per_row: if share > 0.0 { seconds / (uses * share) } else { 0.0 },
        weight_noise: plan.weight_noise(rows),
    })
}

/// Takes all steps that are left; gives the seconds that they took.
fn descend(
    trainer: &mut Trainer<'_>,
    plan: &Plan,
    order: &[Place],
    parties: &mut [Party],
    (checkpoint, keep_every): (&Checkpoint, Duration),
    progress: &dyn Progress,
) -> Result<f64> {
    let batch = plan.settings().literal().batch;
    let rows = order.len() as u64;
    let epochs = u64::from(plan.settings().literal().epochs);
    let steps_of_epoch = plan.settings().steps_of_epoch(rows);
    progress.begin("train", Some(rows * epochs));
    let first = trainer.step();
    progress.skip(first / steps_of_epoch * rows + (first % steps_of_epoch * batch as u64).min(rows));
    let (start, mut kept) = (Instant::now(), Instant::now());
    while trainer.step() < steps_of_epoch * epochs {
        let from = (trainer.step() % steps_of_epoch) as usize * batch;
        let places = order.get(from..(from + batch).min(order.len())).context("a step without rows")?;
        let rows = read_rows(trainer, &plan.packing(), places, parties)?;
        trainer.advance(&rows)?;
        progress.advance(rows.len() as u64);
        if kept.elapsed() >= keep_every {
            checkpoint.keep(0, &write_kept(trainer))?;
            kept = Instant::now();
        }
    }
    progress.end();
    Ok(start.elapsed().as_secs_f64())
}

/// The rows of a step: of each party one run of neighbours, parted from their blocks.
fn read_rows(
    trainer: &Trainer<'_>,
    packing: &Packing,
    places: &[Place],
    parties: &mut [Party],
) -> Result<Vec<ExpandedRow>> {
    let stride = packing.stride() as u64;
    let mut sorted = places.to_vec();
    sorted.sort_by_key(|place| (place.party, place.row));
    let mut rows = Vec::with_capacity(places.len());
    for run in sorted.chunk_by(|a, b| a.party == b.party && a.row / stride == b.row / stride) {
        let [first, .., last] = run else {
            // A run of one row is its first and last.
            let [only] = run else { continue };
            rows.extend(expand(trainer, packing, parties, *only, only.row)?);
            continue;
        };
        rows.extend(expand(trainer, packing, parties, *first, last.row)?);
    }
    Ok(rows)
}

/// Neighbouring rows of one block, up to the row `last`.
fn expand(
    trainer: &Trainer<'_>,
    packing: &Packing,
    parties: &mut [Party],
    first: Place,
    last: u64,
) -> Result<Vec<ExpandedRow>> {
    let party = parties.get_mut(first.party).context("a row of no party")?;
    let (stride, bytes) = (packing.stride() as u64, packing.block_bytes());
    let block = first.row / stride;
    let name = party.reader.path().display().to_string();
    let about = || format!("cannot read block {} of '{name}'", block + 1);
    let found = party.reader.read_at(block * bytes as u64, bytes)?;
    let encrypted = EncryptedBlock::read(packing, &found).with_context(about)?;
    trainer
        .expand(&encrypted, (first.row % stride) as usize..(last % stride) as usize + 1)
        .with_context(about)
}

fn read_key(request: &Request<'_>, plan: &Plan) -> Result<(SeededTrainingKey, Header)> {
    let mut reader = Reader::open(request.key)?;
    reader.require(Kind::EvaluationKey)?;
    let parameters = summary(plan.parameters());
    ensure!(
        reader.header().parameters.as_ref() == Some(&parameters),
        "'{}' was made for other parameters than '{}' needs: {}\nhint: run `fhe-ml keygen` with this plan's client file",
        request.key.display(),
        request.server.display(),
        parameters.description
    );
    let (found, due) = (reader.payload_len(), plan.parameters().key_bytes() as u64);
    ensure!(
        found == due,
        "'{}' holds {found} bytes of keys, the plan needs {due}\nhint: run `fhe-ml keygen` with this plan's client file",
        request.key.display()
    );
    reader.verify(&Silent)?;
    let bytes = reader.read_at(0, plan.parameters().key_bytes())?;
    Ok((SeededTrainingKey::from_bytes(plan.parameters(), &bytes)?, reader.header().clone()))
}

fn open_parties(request: &Request<'_>, server: &Opened<Plan>, key: &Header) -> Result<Vec<Party>> {
    let id = key.key.context("the evaluation key has no id")?;
    let packing = server.value.packing();
    let mut parties: Vec<Party> = Vec::new();
    for path in request.data {
        let mut reader = Reader::open(path)?;
        reader.require(Kind::EncryptedInput)?;
        reader.require_circuit(server.circuit, request.server)?;
        reader.require_key(id, request.key)?;
        reader.verify(&Silent)?;
        let checksum = reader.checksum()?;
        for other in &parties {
            if other.reader.checksum()? == checksum {
                bail!("'{}' and '{}' are the same file", other.reader.path().display(), path.display());
            }
        }
        let rows =
            count_rows(&mut reader, &packing).with_context(|| format!("cannot use '{}'", path.display()))?;
        parties.push(Party { reader, rows });
    }
    Ok(parties)
}

/// The rows of a file: full blocks, but for the last.
fn count_rows(reader: &mut Reader, packing: &Packing) -> Result<u64> {
    let (bytes, payload) = (packing.block_bytes() as u64, reader.payload_len());
    ensure!(payload > 0 && payload % bytes == 0, "{payload} bytes of rows are not whole blocks of {bytes}");
    let (blocks, most) = (payload / bytes, packing.stride() as u64);
    let mut rows = 0;
    for block in 0..blocks {
        let count = reader.read_at(block * bytes, 4)?;
        let count = u64::from(u32::from_le_bytes(count.try_into().unwrap_or_default()));
        ensure!(
            count == most || (block + 1 == blocks && (1..most).contains(&count)),
            "block {} says that it has {count} rows, where {most} are due",
            block + 1
        );
        rows += count;
    }
    Ok(rows)
}

fn check_rows(request: &Request<'_>, plan: &Plan, parties: &[Party]) -> Result<u64> {
    let (rows, most) = (parties.iter().map(|party| party.rows).sum::<u64>(), plan.settings().literal().rows);
    ensure!(
        (1..=most).contains(&rows),
        "{rows} rows in {} files, where '{}' allows {most}\nhint: noise would grow beyond what was planned; plan with more \
         --rows",
        parties.len(),
        request.server.display()
    );
    Ok(rows)
}

fn output_header(server: &Opened<Plan>, key: &Header, rows: u64) -> Header {
    let mut header = Header::new(Kind::EncryptedOutput);
    header.circuit = Some(server.circuit);
    header.key = key.key;
    header.parameters = Some(summary(server.value.parameters()));
    header.add_fact("rows trained on", rows);
    header.add_fact("predicted noise of a weight", format!("{:.4}", server.value.weight_noise(rows)));
    header
}

/// The step, then the weights of each target.
fn write_kept(trainer: &Trainer<'_>) -> Vec<u8> {
    let weights = trainer.weights().iter().flat_map(|weights| write_ring(weights, EXACT));
    trainer.step().to_le_bytes().into_iter().chain(weights).collect()
}

fn read_kept(plan: &Plan, bytes: &[u8]) -> Result<(u64, Vec<RingCiphertext>)> {
    let (step, weights) = bytes.split_first_chunk::<8>().context("kept weights that end early")?;
    let weights =
        weights.chunks(ring_bytes(EXACT)).map(|ring| read_ring(ring, EXACT)).collect::<Result<Vec<_>>>()?;
    ensure!(weights.len() == plan.settings().targets(), "kept weights of another plan");
    Ok((u64::from_le_bytes(*step), weights))
}
