//! Encryption of a party's rows and labels under the public key.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use rayon::prelude::*;
use serde::Serialize;

use super::data::Data;
use super::files::{open_client, summary};
use super::{ClientPlan, EncryptedBlock, Quantized};
use crate::artifact::{Access, BlockSize, Header, Kind, Writer};
use crate::client::keys::open_public_key;
use crate::crypto::PublicEncryptor;
use crate::progress::Progress;
use crate::tensor::Source;

/// The files of an encryption.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The plan's client file.
    pub client: &'a Path,
    /// The public key.
    pub public_key: &'a Path,
    /// The rows.
    pub input: &'a Source,
    /// Their labels.
    pub labels: &'a Source,
    /// Who encrypts, for the server's messages.
    pub party: &'a str,
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
    /// Values beyond the public bounds, which were clamped.
    pub clamped_values: u64,
    /// Rows with at least one of them.
    pub clamped_rows: u64,
    /// The features that were clamped, by number from 1, and how often each.
    pub clamped_features: Vec<(usize, u64)>,
}

/// Encrypts the rows of a party.
///
/// # Errors
/// If the files do not belong together, a row or label does not fit the plan, or the output cannot be written.
pub fn encrypt(request: &Request<'_>, progress: &dyn Progress) -> Result<Summary> {
    let opened = open_client(request.client)?;
    let client = opened.value;
    let public = open_public_key(request.public_key)?;
    let (own, due) = (public.public.ring(), client.plan.parameters().expansion().ring());
    ensure!(
        own == due,
        "'{}' is for polynomials of size {}, '{}' for those of size {}\nhint: run `fhe-ml keygen` with this plan's client \
         file",
        request.public_key.display(),
        own.polynomial_size(),
        request.client.display(),
        due.polynomial_size()
    );
    let data = Data::read(&client, request.input, request.labels)?;
    let about = || format!("cannot encrypt '{}' with '{}'", request.input.name(), request.labels.name());
    let Prepared { rows, clamped_rows, clamped_features } = prepare(&client, &data).with_context(about)?;
    let packing = client.plan.packing();
    let mut header = Header::new(Kind::EncryptedInput);
    header.circuit = Some(opened.circuit);
    header.key = Some(public.id);
    header.parameters = Some(summary(client.plan.parameters()));
    header.add_fact("party", request.party);
    header.add_fact("rows", rows.len());
    header.blocks = Some(BlockSize { rows: packing.stride() as u64, bytes: packing.block_bytes() as u64 });
    let mut writer = Writer::create(request.output, &header, Access::Public)?;
    let encryptor = PublicEncryptor::new(&public.public)?;
    progress.begin("encrypt", Some(rows.len() as u64));
    for blocks in rows.chunks(packing.stride() * rayon::current_num_threads().max(1)) {
        let blocks = blocks.par_chunks(packing.stride()).map(|rows| {
            let mut ciphertexts = Vec::new();
            for polynomial in packing.polynomials(rows) {
                ciphertexts
                    .push(encryptor.encrypt(&[&polynomial])?.ring(0).context("a ciphertext without a body")?);
            }
            let mut bytes = Vec::with_capacity(packing.block_bytes());
            EncryptedBlock { rows: rows.len(), ciphertexts }.write(&mut bytes);
            progress.advance(rows.len() as u64);
            Ok(bytes)
        });
        for block in blocks.collect::<Result<Vec<_>>>()? {
            writer.write_all(&block)?;
        }
    }
    progress.end();
    Ok(Summary {
        rows: rows.len() as u64,
        bytes: writer.finish()?,
        clamped_values: clamped_features.iter().map(|(_, count)| count).sum(),
        clamped_rows,
        clamped_features,
    })
}

/// A party's rows as they are encrypted, in that order.
struct Prepared {
    /// Integers of each row, and torus values of its label.
    rows: Vec<(Quantized, Vec<u64>)>,
    clamped_rows: u64,
    /// How often each feature was clamped, by number from 1.
    clamped_features: Vec<(usize, u64)>,
}

fn prepare(client: &ClientPlan, data: &Data) -> Result<Prepared> {
    let program = client.plan.program();
    let targets = data.targets(client)?;
    let mut rows = Vec::with_capacity(targets.len());
    let (mut clamped_rows, mut counts) = (0, vec![0; client.features.scales().len()]);
    for (row, (numbers, targets)) in data.rows.iter().zip(&targets).enumerate() {
        let quantized = client.features.quantize(numbers).with_context(|| format!("row {}", row + 1))?;
        clamped_rows += u64::from(!quantized.clamped.is_empty());
        // Places of features.
        quantized.clamped.iter().for_each(|feature| counts[*feature] += 1);
        rows.push((quantized, targets.iter().map(|target| program.label(*target)).collect::<Vec<u64>>()));
    }
    let order = super::spread(rows.len());
    // An order of as many rows as there are.
    let rows = order.iter().map(|row| rows[*row].clone()).collect();
    let counts = counts.into_iter().enumerate().filter(|(_, count)| *count > 0);
    let clamped_features = counts.map(|(feature, count)| (feature + 1, count)).collect();
    Ok(Prepared { rows, clamped_rows, clamped_features })
}
