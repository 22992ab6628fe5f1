//! A party's update: read, clipped, rounded, encrypted and written piece by piece.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use rayon::prelude::*;
use serde::Serialize;

use super::files::{open_client, summary};
use super::noise::Gaussian;
use super::{Plan, Scale, party};
use crate::artifact::{Access, Header, Kind, Writer};
use crate::circuit::Messages;
use crate::client::keys::open_public_key;
use crate::crypto::PublicEncryptor;
use crate::progress::Progress;
use crate::tensor::{ArrayFile, Field};

/// The files of an encryption.
#[derive(Clone, Copy, Debug)]
pub struct Encryption<'a> {
    /// The parties' half of the plan.
    pub client: &'a Path,
    /// The public key.
    pub public_key: &'a Path,
    /// The update: a file of named arrays.
    pub input: &'a Path,
    /// Who contributes it.
    pub party: &'a str,
    /// The standard deviation of noise that is added to each value.
    pub dp_sigma: Option<f64>,
    /// Where the ciphertexts go.
    pub output: &'a Path,
}

/// What was encrypted.
#[derive(Clone, Debug, Serialize)]
pub struct Encrypted {
    /// Who contributes it.
    pub party: String,
    /// The number of values.
    pub values: u64,
    /// Values that were clipped to the plan's range, noise included.
    pub clipped_values: u64,
    /// The 2-norm of the update, if the plan limits it.
    pub norm: Option<f64>,
    /// The plan's limit of the 2-norm.
    pub clip_norm: Option<f64>,
    /// Bytes of the output file.
    pub bytes: u64,
}

/// Encrypts an update.
///
/// # Errors
/// If the files do not belong together, the update does not fit the plan, or the output exists or cannot be
/// written.
pub fn encrypt(request: &Encryption<'_>, progress: &dyn Progress) -> Result<Encrypted> {
    party::check(request.party)?;
    let client = open_client(request.client)?;
    let plan = &client.value;
    let key = open_public_key(request.public_key)?;
    let parameters = plan.round().packing().parameters();
    if (key.public.ring(), key.public.secrets()) != (parameters.ring(), parameters.secrets()) {
        bail!(
            "'{}' is for {} secrets of polynomial size {}, '{}' for {} of {}\n\
             hint: run `fhe-ml keygen --public` with this client file",
            request.public_key.display(),
            key.public.secrets(),
            key.public.ring().polynomial_size(),
            request.client.display(),
            parameters.secrets(),
            parameters.ring().polynomial_size()
        );
    }
    let mut file = ArrayFile::open(request.input)?;
    check_arrays(plan.arrays(), file.fields(), request)?;
    let norm = plan.clip_norm().map(|_| norm(plan, &mut file, request.input)).transpose()?;
    let factor = match (plan.clip_norm(), norm) {
        (Some(most), Some(norm)) if norm > most => most / norm,
        _ => 1.0,
    };

    let mut header = Header::new(Kind::EncryptedUpdate);
    header.circuit = Some(client.circuit);
    header.key = Some(key.id);
    header.parameters = Some(summary(plan.round().packing()));
    header.party = Some(request.party.to_owned());
    header.add_fact("values", plan.round().packing().values());
    let writer = Writer::create(request.output, &header, Access::Public)?;
    let mut update = Update {
        plan,
        scale: *plan.scale(),
        messages: plan.round().messages()?,
        factor,
        noise: request.dp_sigma.map(Gaussian::new),
        encryptor: PublicEncryptor::new(&key.public)?,
        writer,
        waiting: Vec::new(),
        clipped: 0,
        progress,
    };
    progress.begin("encrypt", Some(plan.round().packing().values()));
    for array in plan.arrays() {
        each_value(&mut file, array, request.input, &mut |values| update.add(values))?;
    }
    update.flush()?;
    progress.end();
    Ok(Encrypted {
        party: request.party.to_owned(),
        values: plan.round().packing().values(),
        clipped_values: update.clipped,
        norm,
        clip_norm: plan.clip_norm(),
        bytes: update.writer.finish()?,
    })
}

/// An update under way.
struct Update<'a> {
    plan: &'a Plan,
    scale: Scale,
    messages: Messages,
    factor: f64,
    noise: Option<Gaussian>,
    encryptor: PublicEncryptor,
    writer: Writer,
    /// Encoded values that do not fill the blocks of a batch yet.
    waiting: Vec<u64>,
    clipped: u64,
    progress: &'a dyn Progress,
}

impl Update<'_> {
    fn add(&mut self, values: &[f64]) -> Result<()> {
        let batch = self.plan.round().packing().block_values() * rayon::current_num_threads().max(1);
        for value in values {
            let noise = self.noise.as_mut().map_or(Ok(0.0), Gaussian::draw)?;
            let (integer, clipped) = self.scale.quantize(value * self.factor + noise);
            self.clipped += u64::from(clipped);
            self.waiting.push(self.messages.encode(integer));
            if self.waiting.len() == batch {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// Encrypts and writes what waits: full blocks, or the last ones.
    fn flush(&mut self) -> Result<()> {
        let packing = self.plan.round().packing();
        let size = packing.parameters().ring().polynomial_size();
        let encrypt = |block: &[u64]| {
            let polynomials: Vec<&[u64]> = block.chunks(size).collect();
            Ok(self.encryptor.encrypt(&polynomials)?.to_bytes(packing.bits()))
        };
        let blocks = self.waiting.par_chunks(packing.block_values()).map(encrypt);
        for bytes in blocks.collect::<Result<Vec<_>>>()? {
            self.writer.write_all(&bytes)?;
        }
        self.progress.advance(self.waiting.len() as u64);
        self.waiting.clear();
        Ok(())
    }
}

/// Refuses arrays that are not those of the plan, in any order.
fn check_arrays(planned: &[Field], found: &[Field], request: &Encryption<'_>) -> Result<()> {
    let (input, plan) = (request.input.display(), request.client.display());
    for array in planned {
        let name = &array.name;
        let Some(own) = found.iter().find(|own| own.name == *name) else {
            bail!("'{input}' has no array '{name}', which the plan '{plan}' asks for")
        };
        ensure!(
            own.shape == array.shape,
            "'{input}', array '{name}' has shape {:?}, the plan '{plan}' has {:?}",
            own.shape,
            array.shape
        );
        ensure!(
            own.dtype == array.dtype,
            "'{input}', array '{name}' holds {}, the plan '{plan}' {}",
            own.dtype,
            array.dtype
        );
    }
    match found.iter().find(|own| !planned.iter().any(|array| array.name == own.name)) {
        Some(own) => bail!("'{input}' has an array '{}', which is not in the plan '{plan}'", own.name),
        None if found.len() > planned.len() => bail!("'{input}' has an array twice"),
        None => Ok(()),
    }
}

fn norm(plan: &Plan, file: &mut ArrayFile, input: &Path) -> Result<f64> {
    let mut squares = 0.0;
    for array in plan.arrays() {
        each_value(file, array, input, &mut |values| {
            squares += values.iter().map(|value| value * value).sum::<f64>();
            Ok(())
        })?;
    }
    ensure!(f64::is_finite(squares), "'{}' has a 2-norm that is no number", input.display());
    Ok(squares.sqrt())
}

/// Gives the values of an array, all of them finite.
fn each_value(
    file: &mut ArrayFile,
    array: &Field,
    input: &Path,
    take: &mut dyn FnMut(&[f64]) -> Result<()>,
) -> Result<()> {
    let mut before = 0;
    file.read(&array.name, &mut |values| {
        if let Some(place) = values.iter().position(|value| !value.is_finite()) {
            // `position` gives a place inside.
            let (value, number) = (values[place], before + place + 1);
            bail!("value {number} of array '{}' is {value}, not a finite number", array.name);
        }
        before += values.len();
        take(values)
    })
    .with_context(|| format!("cannot encrypt '{}'", input.display()))
}
