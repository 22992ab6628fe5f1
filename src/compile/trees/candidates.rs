//! The encodings among which a plan chooses.

use anyhow::{Result, bail};

use crate::circuit::{Messages, PackedBits, PackedBitsParts, Transport};
use crate::compile::Settings;
use crate::crypto::{ExpansionParameters, Gadget, RingParameters, noise};

/// The polynomial size of packed bits, and of bits that are sent.
const PACKED_SIZE: usize = 4096;
const SENT_SIZE: usize = 2048;
/// The noise of expanded bits, as base-2 logarithms of standard deviations in units of 2^-64.
const LOG2_NOISES: [f64; 5] = [18.5, 19.0, 20.0, 21.0, 22.0];
/// Gadgets for packed bits: levels and base-2 logarithms of bases.
const PACKED_GADGETS: [(u32, u32); 10] =
    [(1, 18), (1, 19), (1, 20), (1, 21), (2, 12), (2, 13), (2, 14), (3, 9), (3, 10), (3, 11)];
/// Gadgets for bits that are sent: base-2 logarithms of bases, and levels.
const SENT_GADGETS: [(u32, u32); 7] = [(21, 1), (22, 1), (23, 1), (24, 1), (15, 2), (16, 2), (17, 2)];
/// The rounding of fresh bodies may add this part to the noise of bits.
const ROUNDING_SHARE: f64 = 0.05;
/// How many rows may share a ciphertext: each adds its noise to the results of all.
const SHARED_ROWS: [usize; 3] = [64, 16, 4];
/// Rows share a ciphertext, the more the better, unless fewer save so much work.
const FEWER_ROWS: f64 = 1.07;
/// Bits of a result beyond the message that are worth sending.
pub const GUARD_BITS: u32 = 12;

/// How bits come to the server, and how they multiply.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    transport: Transport,
    gadget: Gadget,
    /// The most rows of a block.
    most_rows: usize,
}

impl Candidate {
    /// The most numbers that a result of any of them holds.
    pub fn most_outputs(settings: &Settings) -> usize {
        if settings.lan { SENT_SIZE } else { PACKED_SIZE }
    }

    /// All that the settings allow for rows of so many bits.
    ///
    /// # Errors
    /// If given parameters have no evaluation key where one is needed.
    pub fn all(settings: &Settings, bits: usize) -> Result<Vec<Self>> {
        let mut all = Vec::new();
        if settings.lan {
            let transport = sent(settings)?;
            for (log2_base, levels) in SENT_GADGETS {
                let gadget = Gadget::new(log2_base, levels)?;
                all.push(Self { transport: transport.clone(), gadget, most_rows: 1 });
            }
            return Ok(all);
        }
        let shared = packed(settings, PACKED_SIZE.ilog2())?;
        for levels in [1_u32, 2, 3] {
            // A row by itself needs no more steps than it has items.
            let items = (bits * levels.next_power_of_two() as usize).next_power_of_two().max(2);
            let alone = packed(settings, items.ilog2().min(PACKED_SIZE.ilog2()))?;
            for (_, log2_base) in PACKED_GADGETS.iter().filter(|(own, _)| *own == levels) {
                let gadget = Gadget::new(*log2_base, levels)?;
                let shared = SHARED_ROWS.map(|rows| (&shared, rows));
                for (transports, most_rows) in shared.into_iter().chain([(&alone, 1)]) {
                    let candidate =
                        |transport: &Transport| Self { transport: transport.clone(), gadget, most_rows };
                    all.extend(transports.iter().map(candidate));
                }
            }
        }
        Ok(all)
    }

    /// The encoding of so many bits and outputs; results of all but `guard` bits beyond the message are dropped.
    ///
    /// # Errors
    /// If they do not fit.
    pub fn encoding(
        &self,
        (bits, outputs): (usize, usize),
        message_bits: u32,
        guard: u32,
    ) -> Result<PackedBits> {
        let Some(messages) = Messages::new(message_bits) else { bail!("results of {message_bits} bits") };
        let steps = self.steps();
        let parts = PackedBitsParts {
            transport: self.transport.clone(),
            gadget: self.gadget,
            bits,
            outputs,
            rows_per_block: 1,
            messages,
            body_bits: 64,
            output_bits: (message_bits + guard).min(64),
        };
        let exact = PackedBits::new(parts.clone())?.item_variance();
        let is_fine =
            |body_bits: &u32| noise::rounding(*body_bits) * f64::from(steps).exp2() <= ROUNDING_SHARE * exact;
        let body_bits = (self.gadget.bits() + steps..=64).find(is_fine).unwrap_or(64);
        Ok(PackedBits::new(PackedBitsParts { body_bits, ..parts })?.with_rows(self.most_rows))
    }

    /// What work counts for, as a factor: rows of small blocks take more bytes each.
    pub fn handicap(&self) -> f64 {
        let fewer = SHARED_ROWS.iter().filter(|rows| **rows > self.most_rows).count();
        FEWER_ROWS.powi(fewer as i32)
    }

    /// The bytes of the evaluation key.
    pub fn key_bytes(&self) -> usize {
        match &self.transport {
            Transport::Packed(expansion) => expansion.key_bytes(),
            Transport::Sent(_) => 0,
        }
    }

    fn steps(&self) -> u32 {
        match &self.transport {
            Transport::Packed(expansion) => expansion.steps().len() as u32,
            Transport::Sent(_) => 0,
        }
    }
}

fn packed(settings: &Settings, steps: u32) -> Result<Vec<Transport>> {
    match &settings.parameters {
        None => {
            let ring = RingParameters::secure(PACKED_SIZE)?;
            let expansion =
                |log2_noise| Ok(Transport::Packed(ExpansionParameters::balanced(ring, steps, log2_noise)?));
            LOG2_NOISES.into_iter().map(expansion).collect()
        }
        Some(parameters) => match &parameters.expansion {
            Some(expansion) => Ok(vec![Transport::Packed(expansion.clone())]),
            None => bail!(
                "trees need an evaluation key, and the keys to be shared (of polynomial size {}) have none\nhint: \
                 compile this model by itself, and the other one with the parameters of this one",
                parameters.ring.polynomial_size()
            ),
        },
    }
}

fn sent(settings: &Settings) -> Result<Transport> {
    Ok(Transport::Sent(match &settings.parameters {
        None => RingParameters::secure(SENT_SIZE)?,
        Some(parameters) => parameters.ring,
    }))
}
