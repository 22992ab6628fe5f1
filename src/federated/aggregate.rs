//! The server's work: encrypted updates times clear weights, added up block by block.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use rayon::prelude::*;
use serde::Serialize;

use super::files::{expect_length, open_server, summary};
use super::{Round, party};
use crate::artifact::{Access, Header, Kind, Reader, Writer};
use crate::circuit::files::Opened;
use crate::crypto::SharedMask;
use crate::progress::{Progress, Silent};

/// The most parties that a sum names.
const MOST_NAMED: usize = 50;

/// The files of an aggregation.
#[derive(Clone, Copy, Debug)]
pub struct Aggregation<'a> {
    /// The server's half of the plan.
    pub server: &'a Path,
    /// The encrypted updates.
    pub updates: &'a [PathBuf],
    /// Their weights: in their order, or by party, or none if all weigh the same.
    pub weights: &'a [PartyWeight],
    /// Where the encrypted sum goes.
    pub output: &'a Path,
}

/// A weight, and whose it is if that is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartyWeight {
    /// The party.
    pub party: Option<String>,
    /// Its weight, above 0.
    pub weight: u64,
}

/// What was added up.
#[derive(Clone, Debug, Serialize)]
pub struct Aggregated {
    /// Each party with its weight, divided by what all weights have in common.
    pub parties: Vec<(String, u64)>,
    /// The sum of those weights.
    pub total_weight: u64,
    /// The number of values.
    pub values: u64,
    /// The time for checking, reading, adding up and writing.
    pub seconds: f64,
    /// Bytes of the output file.
    pub bytes: u64,
}

/// A party's open update.
struct Update {
    party: String,
    weight: u64,
    reader: Reader,
}

/// Adds updates up.
///
/// # Errors
/// If the files do not belong together or are damaged, a party is missing, there twice, or one too many, weights
/// do not fit, or the output exists or cannot be written.
pub fn aggregate(request: &Aggregation<'_>, progress: &dyn Progress) -> Result<Aggregated> {
    let start = Instant::now();
    let server = open_server(request.server)?;
    let round = &server.value;
    let mut updates = open_updates(request, &server)?;
    set_weights(&mut updates, request.weights)?;
    let total_weight = check_limits(&updates, &server)?;
    verify(&mut updates, progress)?;

    let parties: Vec<(String, u64)> =
        updates.iter().map(|update| (update.party.clone(), update.weight)).collect();
    let mut header = Header::new(Kind::EncryptedSum);
    header.circuit = Some(server.circuit);
    header.key = updates.first().and_then(|update| update.reader.header().key);
    header.parameters = Some(summary(round.packing()));
    header.add_fact("values", round.packing().values());
    header.add_fact("sum of weights", total_weight);
    header.add_fact("parties", named(&parties));
    let mut writer = Writer::create(request.output, &header, Access::Public)?;
    writer.write_all(&total_weight.to_le_bytes())?;
    add_up(round, &mut updates, &mut writer, progress)?;
    let bytes = writer.finish()?;
    let seconds = start.elapsed().as_secs_f64();
    Ok(Aggregated { parties, total_weight, values: round.packing().values(), seconds, bytes })
}

/// Opens all updates: of this plan, under one key, each of another party.
fn open_updates(request: &Aggregation<'_>, server: &Opened<Round>) -> Result<Vec<Update>> {
    let mut updates: Vec<Update> = Vec::with_capacity(request.updates.len());
    let mut paths: BTreeMap<String, &Path> = BTreeMap::new();
    for path in request.updates {
        let reader = Reader::open(path)?;
        reader.require(Kind::EncryptedUpdate)?;
        reader.require_circuit(server.circuit, &server.path)?;
        let key = reader.header().key.with_context(|| format!("'{}' has no key id", path.display()))?;
        if let Some(first) = updates.first() {
            let other = first.reader.header().key.unwrap_or(key);
            reader.require_key(other, first.reader.path())?;
        }
        let party = reader.header().party.clone();
        let party = party.with_context(|| format!("'{}' does not name its party", path.display()))?;
        party::check(&party).with_context(|| format!("cannot use '{}'", path.display()))?;
        if let Some(earlier) = paths.insert(party.clone(), path) {
            bail!("'{}' and '{}' are both from party '{party}'", earlier.display(), path.display());
        }
        expect_length(&reader, server.value.packing(), 0)?;
        updates.push(Update { party, weight: 1, reader });
    }
    ensure!(!updates.is_empty(), "there is no update to add up");
    Ok(updates)
}

/// Gives each update its weight, all divided by their greatest common divisor.
fn set_weights(updates: &mut [Update], weights: &[PartyWeight]) -> Result<()> {
    if let Some(zero) = weights.iter().position(|weight| weight.weight == 0) {
        bail!(
            "weight {} is 0, weights are above 0\nhint: leave out the update of a party that weighs nothing",
            zero + 1
        );
    }
    let by_name: BTreeMap<&str, u64> =
        weights.iter().filter_map(|weight| Some((weight.party.as_deref()?, weight.weight))).collect();
    if weights.is_empty() {
        return Ok(());
    }
    let (given, present) = (weights.len(), updates.len());
    if by_name.is_empty() {
        ensure!(given == present, "{given} weights for {present} updates");
        updates.iter_mut().zip(weights).for_each(|(update, weight)| update.weight = weight.weight);
    } else {
        ensure!(by_name.len() == given, "weights name each party once, or none of them");
        for update in &mut *updates {
            let weight = by_name.get(update.party.as_str());
            update.weight = *weight.with_context(|| format!("party '{}' has no weight", update.party))?;
        }
        if let Some(missing) =
            by_name.keys().find(|name| !updates.iter().any(|update| update.party == **name))
        {
            bail!("there is a weight for party '{missing}', but no update from it");
        }
    }
    let common = updates.iter().fold(0, |common, update| greatest_common_divisor(common, update.weight));
    updates.iter_mut().for_each(|update| update.weight /= common.max(1));
    Ok(())
}

fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

/// The sum of all weights.
fn check_limits(updates: &[Update], server: &Opened<Round>) -> Result<u64> {
    let limits = server.value.limits();
    let plan = server.path.display();
    ensure!(
        updates.len() as u64 <= u64::from(limits.parties),
        "there are updates of {} parties, '{plan}' is for {} at most\nhint: plan again with more --parties",
        updates.len(),
        limits.parties
    );
    let total: u128 = updates.iter().map(|update| u128::from(update.weight)).sum();
    ensure!(
        total <= u128::from(limits.total_weight),
        "the weights add up to {total}, '{plan}' has room for {}\n\
         hint: divide the weights and round them, or plan again with a larger --total-weight",
        limits.total_weight
    );
    Ok(total as u64)
}

fn verify(updates: &mut [Update], progress: &dyn Progress) -> Result<()> {
    progress.begin("check updates", Some(updates.len() as u64));
    updates.par_iter_mut().try_for_each(|update| {
        update.reader.verify(&Silent)?;
        progress.advance(1);
        anyhow::Ok(())
    })?;
    progress.end();
    Ok(())
}

/// Writes the sum, some blocks at a time.
fn add_up(round: &Round, updates: &mut [Update], writer: &mut Writer, progress: &dyn Progress) -> Result<()> {
    let packing = round.packing();
    let full = packing.block_bytes(packing.block_values());
    let batch = rayon::current_num_threads().max(1) as u64;
    progress.begin("add up", Some(packing.blocks()));
    for first in (0..packing.blocks()).step_by(batch as usize) {
        let blocks: Vec<u64> = (first..packing.blocks().min(first + batch)).collect();
        let lengths: Vec<usize> = blocks.iter().map(|block| packing.values_of(*block)).collect();
        let bytes = lengths.iter().map(|values| packing.block_bytes(*values)).sum();
        let size = packing.parameters().ring().polynomial_size();
        let mut sums: Vec<SharedMask> =
            lengths.iter().map(|values| SharedMask::zero(size, &packing.lengths(*values))).collect();
        for update in &mut *updates {
            let read = update.reader.read_at(first * full as u64, bytes)?;
            let terms = sums.par_iter_mut().zip(read.par_chunks(full)).zip(&lengths);
            terms
                .try_for_each(|((sum, bytes), values)| {
                    sum.add_multiple(&packing.read(bytes, *values)?, update.weight);
                    anyhow::Ok(())
                })
                .with_context(|| format!("cannot read '{}'", update.reader.path().display()))?;
        }
        let packed: Vec<Vec<u8>> = sums.par_iter().map(|sum| sum.to_bytes(packing.bits())).collect();
        packed.iter().try_for_each(|bytes| writer.write_all(bytes))?;
        progress.advance(blocks.len() as u64);
    }
    progress.end();
    Ok(())
}

/// The parties and their weights in a line.
fn named(parties: &[(String, u64)]) -> String {
    let names: Vec<String> =
        parties.iter().take(MOST_NAMED).map(|(name, weight)| format!("{name} ({weight})")).collect();
    let more = parties.len() - names.len();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", names.join(", "))
}
