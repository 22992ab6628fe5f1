//! Cryptographic parameters of a descent: the fastest whose noise is small enough.

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};

use super::{Program, Variances};
use crate::crypto::{CoefficientBits, ExpansionParameters, Gadget, LookupLiteral, LookupParameters, RingParameters, noise};

/// The number of coefficients of ring ciphertexts, and the dimension of looked-up values.
pub const RING: usize = 2048;
/// The bits of a coefficient of an encrypted row.
pub const ROW_BITS: CoefficientBits = CoefficientBits { mask: 50, body: 46 };
/// The largest standard deviation of what is read, as a fraction of the torus.
const READING: f64 = 0.006;
/// The largest standard deviation of a weight at the end, a weight of 1 being 1.
const WEIGHTS: f64 = 0.05;
/// Evaluation keys are no larger than this.
const MAX_KEY_BYTES: usize = 90_000_000;
/// Rings of lookups: k polynomials of size N.
const LOOKUP_RINGS: [(usize, usize); 4] = [(8, 256), (4, 512), (2, 1024), (1, 2048)];
/// Logarithms of standard deviations of expanded rows to choose from, in units of 2^-64.
const EXPANDED: [f64; 4] = [26.0, 25.0, 24.0, 23.0];

/// All that keys and ciphertexts of a descent are made with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Literal", into = "Literal")]
pub struct TrainingParameters {
    literal: Literal,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Literal {
    lookup: LookupParameters,
    expansion: ExpansionParameters,
    product: Gadget,
    reversal: Gadget,
}

impl TrainingParameters {
    /// The fastest parameters with which the weights are good enough in the end.
    ///
    /// # Errors
    /// If there are none; the error tells how many rows fit.
    pub fn fastest(program: &Program) -> Result<Self> {
        let rows = program.settings().literal().rows;
        let budget = (WEIGHTS * program.weight_unit()).powi(2);
        let mut nearest = f64::INFINITY;
        let mut lookups: Vec<LookupParameters> = lookups().collect();
        lookups.sort_by(|a, b| a.seconds().total_cmp(&b.seconds()));
        for lookup in lookups {
            if noise::lookup_input(&lookup, 0.0) > (0.9 * READING).powi(2) {
                continue;
            }
            for levels in 2..=5 {
                let Some(parameters) = Self::with_levels(program, lookup, levels) else { continue };
                let variances = Variances::of(program, &parameters);
                let weights = variances.of_weights(program, rows);
                let fits = parameters.key_bytes() <= MAX_KEY_BYTES && variances.reading <= READING.powi(2);
                if fits && weights <= budget {
                    return Ok(parameters);
                }
                if fits {
                    nearest = nearest.min(weights);
                }
            }
        }
        let epochs = program.settings().literal().epochs;
        let fitting = (rows as f64 * budget / nearest).floor();
        bail!(
            "noise would swamp the weights: after {epochs} epochs of {rows} rows its standard deviation is {:.2}, where \
             {WEIGHTS} is allowed\nhint: {fitting} rows fit, or fewer epochs, a larger --learning-rate or a smaller --range",
            nearest.sqrt() / program.weight_unit()
        )
    }

    /// The parameters with so many levels of products that leave weights the least noise.
    fn with_levels(program: &Program, lookup: LookupParameters, levels: u32) -> Option<Self> {
        let unpacking = unpacking_steps(program.weights())?;
        let product_bases = (5..=16).filter_map(|log2_base| Gadget::new(log2_base, levels).ok());
        let sets = product_bases.flat_map(|product| {
            EXPANDED.iter().filter_map(move |expanded| Self::with(lookup, product, unpacking, *expanded).ok())
        });
        let weights = |set: &Self| Variances::of(program, set).of_row();
        sets.min_by(|a, b| weights(a).total_cmp(&weights(b)))
    }

    /// Parameters whose expanded rows have noise of about 2^`expanded`, and whose traces add little to lookups.
    fn with(lookup: LookupParameters, product: Gadget, unpacking: u32, expanded: f64) -> Result<Self> {
        let ring = RingParameters::secure(RING)?;
        let rows = ExpansionParameters::balanced(ring, unpacking, expanded)?;
        let tracing = RING.ilog2() - unpacking;
        let share = noise::lookup_output(&lookup) / 4.0 / f64::from(tracing);
        let trace = |later: u32| {
            Gadget::coarsest(|gadget| noise::automorphism(&ring, gadget) <= share / f64::from(2 * later).exp2())
        };
        let traces = (0..tracing).rev().map(trace).collect::<Option<Vec<_>>>().context("no gadgets trace so well")?;
        let steps = rows.steps().iter().copied().chain(traces).collect();
        let reading = noise::lookup_input(&lookup, 0.0);
        let reversal = Gadget::coarsest(|gadget| noise::automorphism(&ring, gadget) * RING as f64 * 64.0 <= reading / 20.0)
            .context("no gadgets reverse so well")?;
        let expansion = ExpansionParameters::new(ring, steps, rows.square())?;
        Ok(Self { literal: Literal { lookup, expansion, product, reversal } })
    }

    /// Those of lookups.
    pub fn lookup(&self) -> &LookupParameters {
        &self.literal.lookup
    }

    /// Those of expansion (the first steps), of traces (the others) and of the scheme switch.
    pub fn expansion(&self) -> &ExpansionParameters {
        &self.literal.expansion
    }

    /// The gadget of encrypted rows.
    pub fn product(&self) -> Gadget {
        self.literal.product
    }

    /// The gadget of the reversal.
    pub fn reversal(&self) -> Gadget {
        self.literal.reversal
    }

    /// The variance of a row's coefficient as it comes.
    pub fn fresh(&self) -> f64 {
        let ring = self.expansion().ring();
        noise::public_encryption(ring) + noise::stored(ring, ROW_BITS)
    }

    /// The bytes of an evaluation key.
    pub fn key_bytes(&self) -> usize {
        let expansion = self.expansion();
        let reversal = crate::crypto::ReversalKey::byte_count(expansion.ring(), self.reversal());
        self.lookup().key_bytes() + expansion.key_bytes() + reversal
    }
}

/// The steps of the expansion that part the rows of a ciphertext: what so many weights leave.
pub fn unpacking_steps(weights: usize) -> Option<u32> {
    RING.ilog2().checked_sub(weights.next_power_of_two().ilog2()).filter(|steps| *steps > 0)
}

/// Every lookup of the ring's dimension, with the bases that leave the least noise.
fn lookups() -> impl Iterator<Item = LookupParameters> {
    let rings = LOOKUP_RINGS.into_iter().flat_map(|ring| (1..=4).map(move |levels| (ring, levels)));
    let rings = rings.filter_map(|((glwe_dimension, polynomial_size), levels)| {
        let sets = (4..=30 / levels).filter_map(|log2_base| {
            let literal = LookupLiteral {
                glwe_dimension,
                polynomial_size,
                lwe_dimension: 800,
                bootstrap: Gadget::new(log2_base, levels).ok()?,
                key_switch: Gadget::new(2, 1).ok()?,
            };
            LookupParameters::new(literal).ok()
        });
        sets.min_by(|a, b| noise::lookup_output(a).total_cmp(&noise::lookup_output(b)))
    });
    rings.flat_map(|ring| {
        let small = (600..=900).step_by(12);
        small.flat_map(move |lwe_dimension| {
            (2..=8).filter_map(move |levels| {
                let sets = (2..=(31 / levels).min(8)).filter_map(|log2_base| {
                    let key_switch = Gadget::new(log2_base, levels).ok()?;
                    LookupParameters::new(LookupLiteral { lwe_dimension, key_switch, ..ring.into() }).ok()
                });
                sets.min_by(|a, b| noise::key_switch(a).total_cmp(&noise::key_switch(b)))
            })
        })
    })
}

impl TryFrom<Literal> for TrainingParameters {
    type Error = anyhow::Error;

    fn try_from(literal: Literal) -> Result<Self> {
        let (big, ring) = (literal.lookup.big_dimension(), literal.expansion.ring().polynomial_size());
        ensure!(big == ring && ring == RING, "lookups of dimension {big} in a ring of size {ring}, where {RING} is due");
        let steps = literal.expansion.steps().len();
        ensure!(steps == RING.ilog2() as usize, "{steps} automorphisms, where {} are due", RING.ilog2());
        ensure!((2..=8).contains(&literal.product.levels()), "rows of {} levels", literal.product.levels());
        Ok(Self { literal })
    }
}

impl From<TrainingParameters> for Literal {
    fn from(parameters: TrainingParameters) -> Self {
        parameters.literal
    }
}
