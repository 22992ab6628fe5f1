//! The encrypted run over files: blocks stream through, finished ones are kept.

use std::io::{Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rayon::prelude::*;
use serde::Serialize;

use super::{EvaluationKey, Evaluator, Work};
use crate::artifact::{Checkpoint, Checksum, Header, Kind, Reader, ResumableWriter};
use crate::circuit::files::{Opened, circuit_of, open_server, summary};
use crate::circuit::{Blocks, Circuit, Encoding, InputBlock, OutputBlock};
use crate::progress::{Progress, Silent};

/// The files of a run.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The server file.
    pub server: &'a Path,
    /// The evaluation key.
    pub key: &'a Path,
    /// The encrypted rows.
    pub input: &'a Path,
    /// Where the encrypted results go.
    pub output: &'a Path,
    /// After so much computing the live wires of the rows at work are kept, at the end of a layer.
    pub keep_every: Duration,
}

/// What a run did.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Summary {
    /// Rows in the output.
    pub rows: u64,
    /// Rows that an interrupted run had finished before.
    pub resumed_rows: u64,
    /// Layers of the rows after them that an interrupted run had finished before.
    pub resumed_layers: usize,
    /// Bytes of the output file.
    pub bytes: u64,
    /// Seconds spent computing, without reading, writing and checking.
    pub compute_seconds: f64,
    /// Seconds of computing for each row that was not finished before.
    pub seconds_per_row: f64,
    /// Seconds of computing after which rows that are evaluated together have their results.
    pub latency_seconds: f64,
}

/// Evaluates the circuit on every row of the input.
///
/// # Errors
/// If the files do not belong together or are damaged, or the output exists or cannot be written.
pub fn run(request: &Request<'_>, progress: &dyn Progress) -> Result<Summary> {
    let server = open_server(request.server)?;
    let mut input = Reader::open(request.input)?;
    check_files(request, &server, &input)?;
    input.verify(progress)?;
    let encoding = server.value.encoding();
    let evaluator = Evaluator::new(&server.value, &read_key(request.key, &encoding)?)?;
    let blocks = Blocks::of_inputs(encoding.clone());
    let count = blocks.count(&mut input)?;
    let (header, source) = (output_header(&server, &input)?, input.checksum()?);
    let checkpoint = Checkpoint::of(request.output, &header, source);
    let mut writer = open_writer(request, &header, source, &encoding, count.rows)?;
    let full_bytes = Blocks::of_outputs(encoding.clone()).full_bytes() as u64;
    let done = writer.existing() / full_bytes;
    let resumed_rows = (done * encoding.rows_per_block() as u64).min(count.rows);
    progress.begin("run", Some(count.rows * evaluator.steps_of_row()));
    progress.skip(resumed_rows * evaluator.steps_of_row());
    let running =
        Running { evaluator, encoding, blocks, checkpoint, keep_every: request.keep_every, progress };
    let spent = running.run(&mut input, &mut writer, done, count.blocks)?;
    progress.end();
    let bytes = writer.finish()?;
    running.checkpoint.remove();
    let per = |count: u64| if count > 0 { spent.seconds / count as f64 } else { 0.0 };
    Ok(Summary {
        rows: count.rows,
        resumed_rows,
        resumed_layers: spent.resumed_layers,
        bytes,
        compute_seconds: spent.seconds,
        seconds_per_row: per(count.rows - resumed_rows),
        latency_seconds: per(spent.groups),
    })
}

/// Refuses files that do not belong together, before any work.
fn check_files(request: &Request<'_>, server: &Opened<Circuit>, input: &Reader) -> Result<()> {
    let evaluation_key = Reader::open(request.key)?;
    evaluation_key.require(Kind::EvaluationKey)?;
    let parameters = summary(&server.value.encoding());
    if evaluation_key.header().parameters.as_ref() != Some(&parameters) {
        bail!(
            "'{}' was made for other parameters than '{}' needs: {}\nhint: run `fhe-ml keygen` with this circuit's \
             client file",
            request.key.display(),
            request.server.display(),
            parameters.description
        );
    }
    input.require(Kind::EncryptedInput)?;
    input.require_circuit(server.circuit, request.server)?;
    let key = evaluation_key.header().key.context("the evaluation key has no id")?;
    input.require_key(key, request.key)?;
    evaluation_key.verify(&Silent)
}

fn output_header(server: &Opened<Circuit>, input: &Reader) -> Result<Header> {
    let mut header = Header::new(Kind::EncryptedOutput);
    header.circuit = Some(circuit_of(input)?);
    header.key = input.header().key;
    header.parameters = input.header().parameters.clone();
    let encoding = server.value.encoding();
    header.add_fact("results a row", encoding.outputs());
    header.add_fact("bits of a result", encoding.output_bits());
    header.blocks = Some(Blocks::of_outputs(encoding).size());
    Ok(header)
}

fn open_writer(
    request: &Request<'_>,
    header: &Header,
    source: Checksum,
    encoding: &Encoding,
    rows: u64,
) -> Result<ResumableWriter> {
    let block_bytes = Blocks::of_outputs(encoding.clone()).full_bytes();
    let whole_blocks = rows / encoding.rows_per_block() as u64;
    ResumableWriter::open(request.output, header, source, block_bytes, whole_blocks)
}

/// The key that the encoding asks for.
fn read_key(path: &Path, encoding: &Encoding) -> Result<EvaluationKey> {
    let mut reader = Reader::open(path)?;
    let parameters = encoding.evaluation();
    let (found, expected) = (reader.payload_len(), parameters.key_bytes() as u64);
    if found != expected {
        bail!(
            "'{}' holds {found} bytes of keys, the circuit needs {expected}\nhint: run `fhe-ml keygen` with this \
             circuit's client file",
            path.display()
        );
    }
    let bytes = reader.read_at(0, parameters.key_bytes())?;
    EvaluationKey::from_bytes(&parameters, &bytes)
}

/// A circuit at work on the blocks of a file.
struct Running<'a> {
    evaluator: Evaluator<'a>,
    encoding: Encoding,
    blocks: Blocks,
    checkpoint: Checkpoint,
    keep_every: Duration,
    progress: &'a dyn Progress,
}

/// What a run took.
#[derive(Default)]
struct Spent {
    seconds: f64,
    /// Groups of blocks that were evaluated together.
    groups: u64,
    resumed_layers: usize,
}

impl Running<'_> {
    /// Evaluates all blocks after the first `done` of so many.
    fn run(&self, input: &mut Reader, writer: &mut ResumableWriter, done: u64, blocks: u64) -> Result<Spent> {
        let mut payload = input.payload_from(done * self.blocks.full_bytes() as u64)?;
        let (mut spent, mut finished, mut kept) = (Spent::default(), done, self.kept(done, blocks));
        while finished < blocks {
            // Groups of equal size: a last one of a single row would take as long as many rows.
            let left = blocks - finished;
            let most = self.evaluator.blocks_at_once() as u64;
            let count = kept.as_ref().map_or(left.div_ceil(left.div_ceil(most)), |work| work.rows() as u64);
            let group = self.read(&mut payload, count as usize)?;
            let work = match kept.take() {
                Some(work) => work,
                None => self.evaluator.begin(&group)?,
            };
            spent.resumed_layers += work.layers();
            for result in self.evaluate(work, finished, &mut spent)? {
                writer.write_all(&result)?;
            }
            finished += count;
        }
        Ok(spent)
    }

    /// The work on the blocks after the first `done` that an interrupted run has kept.
    fn kept(&self, done: u64, blocks: u64) -> Option<Work<'static>> {
        let work = self.evaluator.restore(&self.checkpoint.kept(done)?).ok()?;
        (1..=blocks - done).contains(&(work.rows() as u64)).then_some(work)
    }

    fn read(&self, payload: &mut impl Read, count: usize) -> Result<Vec<InputBlock>> {
        let group = self.blocks.batch(payload, count)?;
        group.par_iter().map(|bytes| InputBlock::read(&self.encoding, bytes)).collect()
    }

    /// The bytes of the results of a group that comes after so many finished blocks.
    fn evaluate(&self, mut work: Work<'_>, finished: u64, spent: &mut Spent) -> Result<Vec<Vec<u8>>> {
        self.progress.skip(self.evaluator.steps_done(&work));
        let (mut start, mut kept) = (Instant::now(), Instant::now());
        while self.evaluator.step(&mut work, self.progress)? {
            if kept.elapsed() >= self.keep_every {
                spent.seconds += start.elapsed().as_secs_f64();
                self.checkpoint.keep(finished, &work.to_bytes())?;
                (start, kept) = (Instant::now(), Instant::now());
            }
        }
        let results = self.evaluator.finish(work, self.progress)?;
        spent.seconds += start.elapsed().as_secs_f64();
        spent.groups += 1;
        Ok(results.par_iter().map(|result| self.written(result)).collect())
    }

    fn written(&self, result: &OutputBlock) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.encoding.output_block_bytes(result.rows));
        result.write(&self.encoding, &mut bytes);
        bytes
    }
}
