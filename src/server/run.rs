//! The encrypted run over files: blocks stream through, finished ones are kept.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, bail};
use rayon::prelude::*;
use serde::Serialize;

use super::{EvaluationKey, Evaluator};
use crate::artifact::{Header, Kind, Reader, ResumableWriter};
use crate::circuit::files::{Opened, circuit_of, open_server, summary};
use crate::circuit::{Blocks, Circuit, Encoding, InputBlock};
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
}

/// What a run did.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Summary {
    /// Rows in the output.
    pub rows: u64,
    /// Rows that an interrupted run had finished before.
    pub resumed_rows: u64,
    /// Bytes of the output file.
    pub bytes: u64,
    /// Seconds spent computing, without reading, writing and checking.
    pub compute_seconds: f64,
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
    let mut writer = open_writer(request, &server, &input, count.rows)?;
    let full_bytes = Blocks::of_outputs(encoding.clone()).full_bytes() as u64;
    let done = writer.existing() / full_bytes;
    let resumed_rows = (done * encoding.rows_per_block() as u64).min(count.rows);
    progress.begin("run", Some(count.rows));
    progress.advance(resumed_rows);
    let compute_seconds =
        Running { evaluator, encoding, blocks }.run(&mut input, &mut writer, done, progress)?;
    progress.end();
    Ok(Summary { rows: count.rows, resumed_rows, bytes: writer.finish()?, compute_seconds })
}

/// Refuses files that do not belong together, before any work.
fn check_files(request: &Request<'_>, server: &Opened<Circuit>, input: &Reader) -> Result<()> {
    let evaluation_key = Reader::open(request.key)?;
    evaluation_key.expect(Kind::EvaluationKey)?;
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
    input.expect(Kind::EncryptedInput)?;
    input.expect_circuit(server.circuit, request.server)?;
    let key = evaluation_key.header().key.context("the evaluation key has no id")?;
    input.expect_key(key, request.key)?;
    evaluation_key.verify(&Silent)
}

fn open_writer(
    request: &Request<'_>,
    server: &Opened<Circuit>,
    input: &Reader,
    rows: u64,
) -> Result<ResumableWriter> {
    let mut header = Header::new(Kind::EncryptedOutput);
    header.circuit = Some(circuit_of(input)?);
    header.key = input.header().key;
    header.parameters = input.header().parameters.clone();
    let encoding = server.value.encoding();
    header.add_fact("results a row", encoding.outputs());
    header.add_fact("bits of a result", encoding.output_bits());
    let blocks = Blocks::of_outputs(encoding.clone());
    header.blocks = Some(blocks.size());
    let block_bytes = blocks.full_bytes();
    let whole_blocks = rows / encoding.rows_per_block() as u64;
    ResumableWriter::open(request.output, &header, input.checksum()?, block_bytes, whole_blocks)
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
}

impl Running<'_> {
    /// Evaluates all blocks after the first `done`; the seconds spent computing.
    fn run(
        &self,
        input: &mut Reader,
        writer: &mut ResumableWriter,
        done: u64,
        progress: &dyn Progress,
    ) -> Result<f64> {
        let mut payload = input.payload_from(done * self.blocks.full_bytes() as u64)?;
        let mut compute_seconds = 0.0;
        loop {
            let batch = self.blocks.batch(&mut payload, self.evaluator.blocks_at_once())?;
            if batch.is_empty() {
                return Ok(compute_seconds);
            }
            let start = std::time::Instant::now();
            let results: Vec<(usize, Vec<u8>)> =
                batch.par_iter().map(|bytes| self.evaluate(bytes)).collect::<Result<_>>()?;
            compute_seconds += start.elapsed().as_secs_f64();
            for (rows, bytes) in results {
                writer.write_all(&bytes)?;
                progress.advance(rows as u64);
            }
        }
    }

    /// The rows of a block and the bytes of its results.
    fn evaluate(&self, bytes: &[u8]) -> Result<(usize, Vec<u8>)> {
        let block = InputBlock::read(&self.encoding, bytes)?;
        let mut bytes = Vec::with_capacity(self.encoding.output_block_bytes(block.rows));
        self.evaluator.evaluate(&block)?.write(&self.encoding, &mut bytes);
        Ok((block.rows, bytes))
    }
}
