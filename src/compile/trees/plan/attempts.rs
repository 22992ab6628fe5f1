//! What every way to evaluate a forest takes, by formula.
//!
//! All are tried on the same trees with votes of one width: in fractions of the torus, noise depends on the
//! width of messages by the level that is read alone. Then messages are made as wide as noise allows.

use anyhow::Result;

use super::{Plan, lowered};
use crate::circuit::{Diagrams, Encoding, NoiseCount, Schedule};
use crate::compile::cost::Demand;
use crate::compile::trees::binning::Feature;
use crate::compile::trees::candidates::{Candidate, GUARD_BITS};
use crate::compile::trees::column::Reached;
use crate::compile::trees::digits::Digits;
use crate::compile::trees::forest::Forest;
use crate::compile::trees::lower::Lowered;
use crate::compile::trees::votes::{IntegerVotes, Rounding};
use crate::compile::{Settings, Work};

/// The widest messages that plans are compared with, and the most bits of all digits of a score together: the last
/// one must hold something.
const TRIAL_BITS: u32 = 20;
const TRIAL_SCORE_BITS: u32 = 48;
/// The widest messages.
const MAX_BITS: u32 = 30;
/// How much larger an evaluation key is once it computes.
const EXPANDED_KEY: usize = 4;

/// All plans that leave results of any width.
pub fn all(forest: &Forest, reached: &Reached, settings: &Settings) -> Result<Vec<Plan>> {
    let bins: Vec<u32> = forest.features.iter().map(Feature::bins).collect();
    let ways = Digits::of_features(&bins, &forest.tests());
    let mut plans = Vec::new();
    for score in ScoreDigits::all(forest, reached)? {
        for radices in &ways {
            let Lowered { diagrams, .. } = lowered(forest, radices, &score.votes, settings.binning)?;
            let candidates = Candidate::all(settings, diagrams.parts().bits)?;
            if let Some(Ok(trial)) = candidates.first().map(|first| Trial::new(&diagrams, first)) {
                let attempts = candidates.iter();
                plans.extend(attempts.filter_map(|it| attempt(it, &trial, radices, &score, settings)));
            }
        }
    }
    Ok(plans)
}

/// A way to round votes.
struct ScoreDigits {
    rounding: Rounding,
    /// The bits of messages with which rounding is as good as wanted.
    wanted_bits: u32,
    /// Votes to try plans with, and the bits of their messages.
    votes: IntegerVotes,
    trial_bits: u32,
}

impl ScoreDigits {
    /// All ways that let messages be narrower than simpler ones do.
    fn all(forest: &Forest, reached: &Reached) -> Result<Vec<Self>> {
        let nowhere = Reached::new(forest, &[]);
        let mut all: Vec<Self> = Vec::new();
        for rounding in Rounding::ALL {
            let wanted_bits = rounding.message_bits(forest, reached, MAX_BITS);
            if all.last().is_none_or(|last| wanted_bits < last.wanted_bits) {
                let trial_bits = (TRIAL_SCORE_BITS / rounding.digits as u32).min(TRIAL_BITS);
                let votes = IntegerVotes::new(forest, trial_bits, rounding, &nowhere)?;
                all.push(Self { rounding, wanted_bits, votes, trial_bits });
            }
        }
        Ok(all)
    }
}

/// What one candidate takes for these diagrams; `None` if they do not fit it.
fn attempt(
    candidate: &Candidate,
    trial: &Trial,
    radices: &[Vec<u32>],
    score: &ScoreDigits,
    settings: &Settings,
) -> Option<Plan> {
    let is_exact = |message_bits: &u32| {
        let Ok(encoding) = candidate.encoding(trial.shape, *message_bits, GUARD_BITS) else { return false };
        let (variance, reads) = trial.noise.variance(&encoding);
        let coarser = f64::from(score.trial_bits) - f64::from(*message_bits);
        let variance = variance - reads + reads * (-2.0 * coarser).exp2();
        encoding.messages().log2_failure(variance) <= settings.log2_exact_p_error()
    };
    let message_bits = (2..=MAX_BITS).rev().find(is_exact)?;
    let encoding = candidate.encoding(trial.shape, message_bits, GUARD_BITS).ok()?;
    let work = Work::new(&trial.demand, &encoding);
    Some(Plan {
        radices: radices.to_vec(),
        candidate: candidate.clone(),
        rounding: score.rounding,
        message_bits,
        wanted_bits: score.wanted_bits,
        work,
        memory: work.memory(&encoding)
            + trial.demand.memory(&encoding)
            + EXPANDED_KEY * candidate.key_bytes(),
        upload: Encoding::Bits(encoding).input_block_bytes(1),
    })
}

/// What there is to know of diagrams to try candidates with.
struct Trial {
    /// Bits and outputs.
    shape: (usize, usize),
    demand: Demand,
    noise: NoiseCount,
}

impl Trial {
    /// The worst ways are those in the encoding of this candidate.
    fn new(diagrams: &Diagrams, candidate: &Candidate) -> Result<Self> {
        let shape = (diagrams.parts().bits, diagrams.outputs());
        let encoding = candidate.encoding(shape, 2, GUARD_BITS)?;
        let demand = Demand::new(diagrams, &Schedule::new(diagrams));
        Ok(Self { shape, demand, noise: diagrams.noise_count(&encoding) })
    }
}
