//! The digits, gadget and expansion of the least predicted work that leave enough precision: [`attempts`] predicts
//! what each takes, one is chosen and carried out.

mod attempts;

use anyhow::{Error, Result, anyhow, bail};

use super::candidates::{Candidate, GUARD_BITS};
use super::column::Reached;
use super::forest::Forest;
use super::lower::Lowered;
use super::votes::{IntegerVotes, Rounding};
use crate::circuit::{Bins, DiagramCircuit, Diagrams, OutputValue, PackedBits, Schedule};
use crate::compile::cost::Demand;
use crate::compile::{Binning, Settings, Work};

/// The most bytes that one row takes on its way to the server.
const MAX_UPLOAD: usize = 64 << 10;
/// The most bytes that one row takes if its bits are sent ready to multiply, if that is possible.
const MAX_SENT: usize = 16 << 20;
/// The most bytes of an evaluation key.
const MAX_KEY: usize = 8 << 20;
/// The bytes of memory that are free for the selectors of a row, the steps of the trees and the key, if that is
/// possible: with what else a process takes, 200 MB.
const MEMORY: usize = 160_000_000;
/// Products that follow each other in the chains of several digits take so much longer than is counted.
const CHAINED: f64 = 1.15;
/// The most bits of messages that a plan has beyond those it needs, because the noise of others was underestimated.
const MAX_SPARE_BITS: u32 = 3;

/// A circuit, and what surrounds it.
pub struct Planned {
    /// The circuit.
    pub circuit: DiagramCircuit,
    /// The bins of each variable.
    pub code: Vec<Bins>,
    /// What scores are made of.
    pub scores: Vec<OutputValue>,
    /// How precise they are, in bits of their ranges.
    pub score_bits: f64,
    /// The work for a row.
    pub work: Work,
    /// The most digits of a bin.
    pub digits: usize,
}

/// One way to do it, and what that takes.
struct Plan {
    radices: Vec<Vec<u32>>,
    candidate: Candidate,
    rounding: Rounding,
    message_bits: u32,
    /// The bits of messages with which rounding is as good as wanted.
    wanted_bits: u32,
    work: Work,
    memory: usize,
    upload: usize,
}

/// Chooses a plan and carries it out.
///
/// # Errors
/// If no plan keeps within the limits.
pub fn plan(forest: &Forest, rows: &[Vec<f64>], settings: &Settings) -> Result<Planned> {
    let most = Candidate::most_outputs(settings);
    if forest.scores.len() > most {
        bail!(
            "the trees give {} numbers for a row, and a result holds {most}\nhint: split the outputs into several models",
            forest.scores.len()
        );
    }
    let reached = Reached::new(forest, rows);
    let plans = attempts::all(forest, &reached, settings)?;
    // The noise of trials is an estimate.
    let mut best: Option<Planned> = None;
    for spare_bits in 0..=MAX_SPARE_BITS {
        let Some(plan) = choose(&plans, spare_bits, settings) else { break };
        let Some((planned, message_bits)) = plan.widest(forest, &reached, settings)? else { continue };
        if message_bits >= plan.wanted_bits.min(plan.message_bits) {
            return Ok(planned);
        }
        if best.as_ref().is_none_or(|best| planned.score_bits > best.score_bits) {
            best = Some(planned);
        }
    }
    best.ok_or_else(|| too_much(settings))
}

fn lowered(forest: &Forest, radices: &[Vec<u32>], votes: &IntegerVotes, binning: Binning) -> Result<Lowered> {
    let lowered = Lowered::new(forest, radices, votes)?;
    // The order of bits says which of them multiply: that is for no client to know who has no thresholds.
    match binning == Binning::Exact && radices.iter().all(|radices| radices.len() == 1) {
        true => lowered.with_factors_first(forest),
        false => Ok(lowered),
    }
}

/// The plan of least work among those that keep within the limits as well as any, with spare bits of messages.
fn choose<'a>(plans: &'a [Plan], spare_bits: u32, settings: &Settings) -> Option<&'a Plan> {
    let smallest = plans.iter().map(|plan| plan.upload).min().unwrap_or(0);
    let most = if settings.lan { MAX_SENT.max(smallest) } else { MAX_UPLOAD };
    let is_small = |plan: &Plan| plan.upload <= most;
    let is_given = settings.parameters.is_some();
    let mut plans: Vec<&Plan> = plans
        .iter()
        .filter(|plan| is_small(plan) && (is_given || plan.candidate.key_bytes() <= MAX_KEY))
        .collect();
    let missing = |plan: &Plan| (plan.wanted_bits + spare_bits).saturating_sub(plan.message_bits);
    let least = plans.iter().map(|plan| missing(plan)).min().unwrap_or(0);
    plans.retain(|plan| missing(plan) == least);
    let least = plans.iter().map(|plan| plan.memory).min().unwrap_or(0);
    plans.retain(|plan| plan.memory <= MEMORY.max(least));
    let cost = |plan: &Plan| {
        let is_chained = plan.radices.iter().any(|radices| radices.len() > 1);
        plan.work.transforms * plan.candidate.handicap() * if is_chained { CHAINED } else { 1.0 }
    };
    plans.into_iter().min_by(|a, b| cost(a).total_cmp(&cost(b)))
}

fn too_much(settings: &Settings) -> Error {
    let hint = match (&settings.parameters, settings.binning) {
        (Some(_), _) => {
            "compile the model with the most bits a row first, and the others with its parameters"
        }
        (None, Binning::Exact) => "compile without --exact-thresholds, so that features have fewer bins",
        (None, Binning::Quantile) => "compile with fewer bins for each feature, for example --bits 4",
    };
    anyhow!(
        "no parameters fit: the bits of a row take more than {} KiB, or the trees leave no precision\nhint: {hint}",
        MAX_UPLOAD >> 10
    )
}

impl Plan {
    /// The circuit with the widest messages that noise allows, and their bits.
    fn widest(
        &self,
        forest: &Forest,
        reached: &Reached,
        settings: &Settings,
    ) -> Result<Option<(Planned, u32)>> {
        for message_bits in (2..=self.message_bits + 1).rev() {
            if let Some(planned) = self.carry_out(forest, message_bits, reached, settings)? {
                return Ok(Some((planned, message_bits)));
            }
        }
        Ok(None)
    }

    /// The circuit with messages of so many bits; `None` if noise does not allow them.
    fn carry_out(
        &self,
        forest: &Forest,
        message_bits: u32,
        reached: &Reached,
        settings: &Settings,
    ) -> Result<Option<Planned>> {
        let votes = IntegerVotes::new(forest, message_bits, self.rounding, reached)?;
        let Lowered { code, diagrams } = lowered(forest, &self.radices, &votes, settings.binning)?;
        let Some(encoding) = self.encoding(&diagrams, message_bits, settings)? else { return Ok(None) };
        let circuit = DiagramCircuit::new(encoding, diagrams)?;
        let demand = Demand::new(circuit.diagrams(), &Schedule::new(circuit.diagrams()));
        let work = Work::new(&demand, circuit.encoding());
        let digits = self.radices.iter().map(Vec::len).max().unwrap_or(0);
        Ok(Some(Planned { circuit, code, scores: votes.scores, score_bits: votes.score_bits, work, digits }))
    }

    /// The encoding that sends the fewest bits of results.
    fn encoding(
        &self,
        diagrams: &Diagrams,
        message_bits: u32,
        settings: &Settings,
    ) -> Result<Option<PackedBits>> {
        let shape = (diagrams.parts().bits, diagrams.outputs());
        let Ok(finest) = self.candidate.encoding(shape, message_bits, GUARD_BITS) else { return Ok(None) };
        let variance = diagrams.noise_variance(&finest) - finest.switch_variance();
        for guard in 0..=GUARD_BITS {
            let encoding = self.candidate.encoding(shape, message_bits, guard)?;
            if encoding.messages().log2_failure(variance + encoding.switch_variance())
                <= settings.log2_exact_p_error()
            {
                return Ok(Some(encoding));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::trees::bin_set::BinSet;
    use crate::compile::trees::binning::{Feature, Intervals};
    use crate::compile::trees::forest::{Node, Score};
    use crate::compile::trees::question::Question;
    use crate::model::op::Test;

    /// Full trees of depth 3 over two features of 21 bins, one with missing values before its numbers.
    fn forest(trees: u32) -> Forest {
        let tests = [Test::AtMost(9.0), Test::AtMost(10.0)];
        let questions = [
            Question { test: &tests[0], missing_passes: true },
            Question { test: &tests[1], missing_passes: false },
        ];
        let values: Vec<f64> = (0..20).map(f64::from).collect();
        let feature =
            |variable| Feature::new(variable, Intervals::at_quantiles(values.clone(), 20), &questions).0;
        let score = |ensemble| Score { votes: 0.0, divisor: 1.0, base: 1.0, ensemble };
        let mut forest = Forest {
            features: vec![feature(0), feature(1)],
            nodes: Vec::new(),
            roots: Vec::new(),
            scores: vec![score(0), score(1)],
            ..Forest::default()
        };
        for tree in 0..trees {
            let root = grow(&mut forest, 3, tree * 8 + 1);
            forest.roots.push(root);
        }
        forest
    }

    fn grow(forest: &mut Forest, depth: u32, place: u32) -> usize {
        let node = match depth {
            0 => {
                Node::Leaf(vec![(0, f64::from(place * 7 % 11) - 4.3), (1, f64::from(place * 5 % 13) * 0.37)])
            }
            _ => {
                let passed = grow(forest, depth - 1, 2 * place);
                let failed = grow(forest, depth - 1, 2 * place + 1);
                let (from, to) = (place % 9, place % 9 + 1 + place % 11);
                let passing =
                    BinSet::of((0..21).map(|bin| (from..to).contains(&bin) != place.is_multiple_of(3)));
                Node::Branch { feature: place as usize % 2, passing, passed, failed }
            }
        };
        forest.nodes.push(node);
        forest.nodes.len() - 1
    }

    fn integers(planned: &Planned, variables: &[f64]) -> Vec<i64> {
        let mut bits = Vec::new();
        for bins in &planned.code {
            let bin = bins.bin(variables[bins.parts().variable as usize]).unwrap();
            bins.encode(bin, &mut bits);
        }
        planned.circuit.diagrams().evaluate(&bits)
    }

    #[test]
    fn all_plans_give_the_votes_of_the_forest() {
        let forest = forest(5);
        assert!(forest.features.iter().all(|feature| feature.bins() == 21));
        let values = || (-1..21).map(|x| if x < 0 { f64::NAN } else { f64::from(x) });
        let rows: Vec<Vec<f64>> = values().flat_map(|x| values().map(move |y| vec![x, y])).collect();
        let reached = Reached::new(&forest, &rows);
        for (binning, lan) in [(Binning::Quantile, false), (Binning::Exact, false), (Binning::Quantile, true)]
        {
            let settings = Settings { binning, lan, ..Settings::default() };
            let plans = attempts::all(&forest, &reached, &settings).unwrap();
            assert!(plans.iter().any(|plan| plan.radices[0].len() == 3));
            for plan in plans.iter().filter(|plan| plan.message_bits >= 11) {
                let votes = IntegerVotes::new(&forest, 10, plan.rounding, &reached).unwrap();
                let planned = plan.carry_out(&forest, 10, &reached, &settings).unwrap().unwrap();
                for row in &rows {
                    let mut expected = votes.bias.clone();
                    for root in &forest.roots {
                        for (score, weight) in &votes.weights[forest.leaf(*root, &forest.bins(row))] {
                            expected[*score as usize] += weight;
                        }
                    }
                    assert_eq!(integers(&planned, row), expected, "{:?} {row:?}", plan.radices);
                }
            }
        }
    }

    #[test]
    fn plans_fit_the_noise_they_predict() {
        let forest = forest(20);
        for binning in [Binning::Quantile, Binning::Exact] {
            let settings = Settings { binning, ..Settings::default() };
            let planned = plan(&forest, &[vec![1.0, 2.0]], &settings).unwrap();
            let encoding = planned.circuit.encoding();
            let log2_failure = encoding.messages().log2_failure(planned.circuit.noise_variance());
            assert!(log2_failure <= settings.log2_exact_p_error(), "{log2_failure}");
            assert!(planned.work.memory(encoding) <= MEMORY);
            assert!(planned.score_bits >= 12.0, "{}", planned.score_bits);
        }
    }

    #[test]
    fn trees_that_split_no_bins_need_no_work() {
        let forest = Forest { nodes: Vec::new(), roots: Vec::new(), features: Vec::new(), ..forest(1) };
        let planned = plan(&forest, &[vec![0.0]], &Settings::default()).unwrap();
        assert_eq!(integers(&planned, &[f64::NAN]), [0, 0]);
        assert_eq!((planned.work.factors, planned.work.reads), (0, 0));
    }
}
