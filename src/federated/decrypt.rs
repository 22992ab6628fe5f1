//! The average: a decrypted sum, divided by the weights and written as the arrays of the plan.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use rayon::prelude::*;
use serde::Serialize;

use super::Plan;
use super::files::{expect_length, open_client};
use crate::artifact::{Kind, OutputFile, Reader};
use crate::client::keys::open_secret_key;
use crate::crypto::{Secret, SharedDecryptor};
use crate::progress::Progress;
use crate::tensor::{ArrayFormat, ArrayWriter};

/// The bytes before the ciphertexts, which tell the sum of the weights.
const WEIGHT_BYTES: u64 = 8;

/// The files of a decryption.
#[derive(Clone, Copy, Debug)]
pub struct Decryption<'a> {
    /// The parties' half of the plan.
    pub client: &'a Path,
    /// The secret key.
    pub key: &'a Path,
    /// Opens a sealed key.
    pub passphrase: Option<&'a str>,
    /// The encrypted sum.
    pub input: &'a Path,
    /// Where the average goes: npz or safetensors.
    pub output: &'a Path,
}

/// What was decrypted.
#[derive(Clone, Debug, Serialize)]
pub struct Decrypted {
    /// The number of values.
    pub values: u64,
    /// What the sum was divided by.
    pub total_weight: u64,
}

/// Decrypts a sum and writes the average.
///
/// # Errors
/// If the files do not belong together or are damaged, a sum is larger than clipped updates can give, or the output
/// exists or cannot be written.
pub fn decrypt(request: &Decryption<'_>, progress: &dyn Progress) -> Result<Decrypted> {
    let client = open_client(request.client)?;
    let plan = &client.value;
    let format = ArrayFormat::of(request.output)?;
    let mut reader = Reader::open(request.input)?;
    reader.require(Kind::EncryptedSum)?;
    reader.require_circuit(client.circuit, &client.path)?;
    let key = open_secret_key(request.key, request.passphrase)?;
    reader.require_key(key.id, request.key)?;
    let decryptor = match &key.secret {
        Secret::Shared(secret) if secret.parameters() == *plan.round().packing().parameters() => {
            SharedDecryptor::new(secret.parameters().ring(), secret.keys())?
        }
        other => bail!(
            "'{}' is for {}, not for '{}'\nhint: run `fhe-ml keygen --public` with this client file",
            request.key.display(),
            other.parameters().name(),
            request.client.display()
        ),
    };
    expect_length(&reader, plan.round().packing(), WEIGHT_BYTES)?;
    reader.verify(progress)?;
    let total_weight = total_weight(&mut reader, plan)?;
    let out = OutputFile::create(request.output)?;
    let mut writer = ArrayWriter::new(format, out, plan.arrays())?;
    let sum = Sum { plan, decryptor, total_weight };
    sum.write_average(&mut reader, &mut writer, progress)?;
    writer.finish()?.finish()?;
    Ok(Decrypted { values: plan.round().packing().values(), total_weight })
}

struct Sum<'a> {
    plan: &'a Plan,
    decryptor: SharedDecryptor,
    total_weight: u64,
}

impl Sum<'_> {
    fn write_average(
        &self,
        reader: &mut Reader,
        writer: &mut ArrayWriter<OutputFile>,
        progress: &dyn Progress,
    ) -> Result<()> {
        let packing = self.plan.round().packing();
        let name = reader.path().display().to_string();
        let full = packing.block_bytes(packing.block_values());
        let batch = rayon::current_num_threads().max(1) as u64;
        progress.begin("decrypt", Some(packing.blocks()));
        for first in (0..packing.blocks()).step_by(batch as usize) {
            let blocks = first..packing.blocks().min(first + batch);
            let lengths: Vec<usize> = blocks.map(|block| packing.values_of(block)).collect();
            let bytes = lengths.iter().map(|values| packing.block_bytes(*values)).sum();
            let read = reader.read_at(WEIGHT_BYTES + first * full as u64, bytes)?;
            let open = |(bytes, values): (&[u8], &usize)| self.average(bytes, *values);
            let averages = read.par_chunks(full).zip(&lengths).map(open).collect::<Result<Vec<_>>>();
            for average in averages.with_context(|| format!("cannot decrypt '{name}'"))? {
                writer.write(&average)?;
            }
            progress.advance(lengths.len() as u64);
        }
        progress.end();
        Ok(())
    }

    /// The averages in a block of so many values.
    fn average(&self, bytes: &[u8], values: usize) -> Result<Vec<f64>> {
        let (round, scale) = (self.plan.round(), self.plan.scale());
        let messages = round.messages()?;
        let most = scale.largest().saturating_mul(i64::try_from(self.total_weight).unwrap_or(i64::MAX));
        let torus = self.decryptor.decrypt(&round.packing().read(bytes, values)?);
        let average = |value: &u64| {
            let sum = messages.decode(*value);
            ensure!(
                sum.unsigned_abs() <= most.unsigned_abs(),
                "a sum is {sum}, clipped updates give {most} at most: a party did not keep to the plan"
            );
            Ok(scale.average(sum, self.total_weight))
        };
        torus.iter().flatten().map(average).collect()
    }
}

fn total_weight(reader: &mut Reader, plan: &Plan) -> Result<u64> {
    let name = reader.path().display().to_string();
    let bytes = reader.read_at(0, WEIGHT_BYTES as usize)?;
    let bytes: [u8; WEIGHT_BYTES as usize] = bytes.try_into().ok().context("a number has 8 bytes")?;
    let (weight, most) = (u64::from_le_bytes(bytes), plan.round().limits().total_weight);
    ensure!(
        (1..=most).contains(&weight),
        "'{name}' says that its weights add up to {weight}, the plan allows 1 to {most}"
    );
    Ok(weight)
}
