//! Encryption over files: raw rows stream in, encrypted blocks stream out.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, bail};
use rayon::prelude::*;
use serde::Serialize;

use super::Encryptor;
use super::keys::{OpenedKey, open_secret_key};
use crate::artifact::{Access, Header, Kind, Writer};
use crate::circuit::files::{Opened, open_client, summary};
use crate::circuit::{Blocks, ClientSpec};
use crate::progress::Progress;
use crate::tensor::{Row, Source, read_rows};

/// The files of an encryption.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The client file.
    pub client: &'a Path,
    /// The secret key.
    pub key: &'a Path,
    /// Opens a sealed key.
    pub passphrase: Option<&'a str>,
    /// The raw rows.
    pub input: &'a Source,
    /// Where the ciphertexts go.
    pub output: &'a Path,
}

/// What was encrypted.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// Rows in the output.
    pub rows: u64,
    /// Bytes of the output file.
    pub bytes: u64,
    /// Values outside the calibrated range, which were clamped.
    pub clamped_values: u64,
    /// Rows with at least one of them.
    pub clamped_rows: u64,
    /// How often each input was clamped, for those that were.
    pub clamped_inputs: BTreeMap<String, u64>,
}

/// Encrypts every row of the input.
///
/// # Errors
/// If the files do not belong together, a row does not fit the model, or the output exists or cannot
/// be written.
pub fn encrypt(request: &Request<'_>, progress: &dyn Progress) -> Result<Summary> {
    let client = open_client(request.client)?;
    let key = open_secret_key(request.key, request.passphrase)?;
    let encryptor = Encryptor::new(&key.secret, client.value.encoding.clone()).with_context(|| {
        format!("'{}' does not fit '{}'", request.key.display(), request.client.display())
    })?;
    let rows = read_rows(request.input, client.value.prologue.inputs())?;
    let mut writer = Writer::create(request.output, &header(&client, &key), Access::Public)?;
    progress.begin("encrypt", rows.len_hint());
    let mut encryption = Encryption { client: &client.value, encryptor, summary: Summary::empty() };
    let mut rows = rows.into_iter();
    while encryption.batch(&mut rows, &mut writer, &request.input.name(), progress)? {}
    progress.end();
    let mut summary = encryption.summary;
    if summary.rows == 0 {
        bail!("'{}' holds no rows", request.input.name());
    }
    summary.bytes = writer.finish()?;
    Ok(summary)
}

struct Encryption<'a> {
    client: &'a ClientSpec,
    encryptor: Encryptor<'a>,
    summary: Summary,
}

impl Encryption<'_> {
    /// Encrypts some blocks of rows; whether there may be more.
    fn batch(
        &mut self,
        rows: &mut impl Iterator<Item = Result<Row>>,
        writer: &mut Writer,
        input: &str,
        progress: &dyn Progress,
    ) -> Result<bool> {
        let per_block = self.client.encoding.rows_per_block();
        let most = per_block * rayon::current_num_threads().max(1);
        let rows = rows.take(most).collect::<Result<Vec<_>>>()?;
        let first = self.summary.rows;
        let encoded = rows
            .par_iter()
            .enumerate()
            .map(|(index, row)| {
                let number = first + index as u64 + 1;
                self.client.encode(row).with_context(|| format!("cannot encrypt row {number} of '{input}'"))
            })
            .collect::<Result<Vec<_>>>()?;
        encoded.iter().for_each(|row| self.summary.count(self.client, &row.clamped));
        let integers: Vec<Vec<i64>> = encoded.into_iter().map(|row| row.integers).collect();
        let blocks = integers.par_chunks(per_block).map(|rows| {
            let mut bytes = Vec::new();
            self.encryptor.encrypt(rows)?.write(&self.client.encoding, &mut bytes);
            Ok(bytes)
        });
        for block in blocks.collect::<Result<Vec<_>>>()? {
            writer.write_all(&block)?;
        }
        self.summary.rows += rows.len() as u64;
        progress.advance(rows.len() as u64);
        Ok(rows.len() == most)
    }
}

impl Summary {
    fn empty() -> Self {
        Self { rows: 0, bytes: 0, clamped_values: 0, clamped_rows: 0, clamped_inputs: BTreeMap::new() }
    }

    fn count(&mut self, client: &ClientSpec, clamped: &[usize]) {
        self.clamped_values += clamped.len() as u64;
        self.clamped_rows += u64::from(!clamped.is_empty());
        for term in clamped {
            *self.clamped_inputs.entry(client.term_name(*term)).or_default() += 1;
        }
    }
}

fn header(client: &Opened<ClientSpec>, key: &OpenedKey) -> Header {
    let encoding = &client.value.encoding;
    let mut header = Header::new(Kind::EncryptedInput);
    header.circuit = Some(client.circuit);
    header.key = Some(key.id);
    header.parameters = Some(summary(encoding));
    header.add_fact("encrypted integers a row", encoding.features());
    header.blocks = Some(Blocks::of_inputs(encoding.clone()).size());
    header
}
