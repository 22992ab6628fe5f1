//! Cryptographic parameters of a descent: the fastest whose noise is small enough.

use anyhow::{Result, bail, ensure};
use serde::{Deserialize, Serialize};

use super::program::WEIGHT_NOISE;
use super::{Program, Variances, variances};
use crate::crypto::{
    CoefficientBits, ExpansionParameters, Gadget, LookupLiteral, LookupParameters, RingParameters, Unrolling,
    noise,
};

/// The number of coefficients of ring ciphertexts, and the dimension of looked-up values.
pub const RING: usize = 2048;
/// The bits of a coefficient of an encrypted row.
pub const ROW_BITS: CoefficientBits = CoefficientBits { mask: 50, body: 46 };
/// The largest standard deviation of what is read, as a fraction of the torus.
const READING: f64 = 0.005;
/// Evaluation keys are no larger than this.
const MAX_KEY_BYTES: usize = 90_000_000;
/// The most bits that a bootstrapping gadget decomposes.
const DECOMPOSED: u32 = 40;
/// Rings of lookups: k polynomials of size N.
const LOOKUP_RINGS: [(usize, usize); 4] = [(8, 256), (4, 512), (2, 1024), (1, 2048)];
/// The part of the noise of weights that products with rows may bring.
const PRODUCTS: f64 = 0.5;
/// Traces add this part of the noise of what they trace.
const TRACES: f64 = 0.25;
/// The most levels of a row.
const MOST_LEVELS: u32 = 8;
/// Logarithms of standard deviations of expanded rows to choose from, in units of 2^-64: the coarsest first.
const EXPANDED: [f64; 5] = [32.0, 31.0, 30.0, 29.0, 28.0];

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

/// How rows are sent and parted.
struct RowParameters {
    unpacking: ExpansionParameters,
    product: Gadget,
    /// The variance that a product with a row adds to each weight.
    variance: f64,
}

impl TrainingParameters {
    /// The fastest parameters with which the weights are good enough in the end.
    ///
    /// # Errors
    /// If there are none; the error tells how many rows fit.
    pub fn fastest(program: &Program) -> Result<Self> {
        let literal = program.settings().literal();
        if let Some(parameters) = Self::search(program, literal.rows) {
            return Ok(parameters);
        }
        let (mut fitting, mut too_many) = (0, literal.rows);
        while too_many - fitting > 1 {
            let middle = fitting + (too_many - fitting) / 2;
            match Self::search(program, middle) {
                Some(_) => fitting = middle,
                None => too_many = middle,
            }
        }
        bail!(
            "noise would swamp the weights: after {} epochs of {} rows it is more than {WEIGHT_NOISE} of a weight of \
             standardised features\nhint: {fitting} rows fit, or take fewer epochs or a smaller --range",
            literal.epochs,
            literal.rows
        )
    }

    /// The fastest parameters for so many rows.
    fn search(program: &Program, rows: u64) -> Option<Self> {
        let budget = program.noise_budget();
        let uses = rows as f64 * f64::from(program.settings().literal().epochs);
        let sent = RowParameters::fitting(program, budget * PRODUCTS / uses)?;
        let mut lookups: Vec<LookupParameters> =
            lookups().filter(|lookup| noise::lookup_input(lookup, 0.0) <= (0.9 * READING).powi(2)).collect();
        lookups.sort_by(|a, b| a.seconds().total_cmp(&b.seconds()));
        let mut parameters = lookups.into_iter().filter_map(|lookup| Self::with(program, lookup, &sent));
        parameters.find(|parameters| {
            let variances = Variances::of(program, parameters);
            parameters.key_bytes() <= MAX_KEY_BYTES
                && variances.reading <= READING.powi(2)
                && variances.of_weights(program, rows) <= budget
        })
    }

    /// Parameters whose traces add little to these lookups and rows.
    fn with(program: &Program, lookup: LookupParameters, rows: &RowParameters) -> Option<Self> {
        let (ring, unpacking) = (*rows.unpacking.ring(), rows.unpacking.steps());
        let tracing = RING.ilog2() - unpacking.len() as u32;
        let of_lookup = noise::lookup_output(&lookup) / f64::from(tracing);
        // All but the constant coefficient meet a row; their noise is twice that of the last step, at most.
        let of_row = rows.variance / variances::norm2(program) / 2.0;
        let share = TRACES * of_lookup.min(of_row);
        let trace = |later: u32| {
            Gadget::coarsest(|gadget| {
                noise::automorphism(&ring, gadget) <= share / f64::from(2 * later).exp2()
            })
        };
        let traces = (0..tracing).rev().map(trace).collect::<Option<Vec<_>>>()?;
        let steps = unpacking.iter().copied().chain(traces).collect();
        // Rows of the largest numbers meet it.
        let share = noise::lookup_input(&lookup, 0.0) / 20.0 / (RING as f64 * 64.0);
        let reversal = Gadget::coarsest(|gadget| noise::automorphism(&ring, gadget) <= share)?;
        let expansion = ExpansionParameters::new(ring, steps, rows.unpacking.square()).ok()?;
        Some(Self { literal: Literal { lookup, expansion, product: rows.product, reversal } })
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

    /// The bytes of an evaluation key.
    pub fn key_bytes(&self) -> usize {
        let expansion = self.expansion();
        let reversal = crate::crypto::ReversalKey::byte_count(expansion.ring(), self.reversal());
        self.lookup().key_bytes() + expansion.key_bytes() + reversal
    }
}

impl RowParameters {
    /// The shortest rows whose products add no more than `variance` to each weight, if there are any.
    fn fitting(program: &Program, variance: f64) -> Option<Self> {
        let ring = RingParameters::secure(RING).ok()?;
        // Settings allow half as many weights as the ring has coefficients.
        let steps = RING.ilog2() - program.window().ilog2();
        let expansions: Vec<ExpansionParameters> = EXPANDED
            .iter()
            .filter_map(|noise| ExpansionParameters::balanced(ring, steps, *noise).ok())
            .collect();
        let sizes = (2..=MOST_LEVELS).flat_map(|levels| expansions.iter().map(move |set| (levels, set)));
        let mut best = sizes.filter_map(|(levels, unpacking)| {
            let products = (2..=16).filter_map(|log2_base| Gadget::new(log2_base, levels).ok());
            let rows = products.map(|product| {
                let variance = variances::of_product(program, unpacking, product);
                Self { unpacking: unpacking.clone(), product, variance }
            });
            rows.min_by(|a, b| a.variance.total_cmp(&b.variance))
        });
        best.find(|rows| rows.variance <= variance)
    }
}

/// Every lookup of the ring's dimension, in each way of rotating, with the bases that leave the least noise.
fn lookups() -> impl Iterator<Item = LookupParameters> {
    let rings = LOOKUP_RINGS.into_iter().flat_map(|ring| (1..=4).map(move |levels| (ring, levels)));
    let unrolled = rings.flat_map(|ring| Unrolling::ALL.map(|unrolling| (ring, unrolling)));
    let rings = unrolled.filter_map(|(((glwe_dimension, polynomial_size), levels), unrolling)| {
        let sets = (4..=DECOMPOSED / levels).filter_map(|log2_base| {
            let literal = LookupLiteral {
                glwe_dimension,
                polynomial_size,
                lwe_dimension: 800,
                unrolling,
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
        ensure!(
            big == ring && ring == RING,
            "lookups of dimension {big} in a ring of size {ring}, where {RING} is due"
        );
        let steps = literal.expansion.steps().len();
        ensure!(steps == RING.ilog2() as usize, "{steps} automorphisms, where {} are due", RING.ilog2());
        ensure!(
            (1..=MOST_LEVELS as usize).contains(&literal.product.levels()),
            "rows of {} levels",
            literal.product.levels()
        );
        Ok(Self { literal })
    }
}

impl From<TrainingParameters> for Literal {
    fn from(parameters: TrainingParameters) -> Self {
        parameters.literal
    }
}
