//! Powers of X, transformed without a transform: each is a power of the root that its place stands for.

use super::{Transform, point};
use crate::crypto::lanes::{Complex, Lanes};

/// The roots of a ring's places: in lane l of column i it is the first root of order 2N to the power of
/// 1 + 4·l + 4·(lanes)·(place of i).
pub struct Roots {
    /// All roots of order 2N.
    all: Vec<[f64; 2]>,
    /// Those that differ between columns: their order is the number of columns.
    columns: Vec<[f64; 2]>,
    /// Which of them each column has.
    places: Vec<u32>,
}

impl Roots {
    /// The roots of a transform: `rings` are what its columns are split into, as parts of a full turn.
    pub fn new(polynomial_size: usize, lanes: usize, rings: &[Vec<f64>]) -> Self {
        let all_of = |order: usize| (0..order).map(|power| point(power as f64 / order as f64)).collect();
        let count = rings.len() as f64;
        let place = |ring: &Vec<f64>| (ring[0] * count - 0.25 / lanes as f64).round() as u32;
        Self {
            all: all_of(2 * polynomial_size),
            columns: all_of(rings.len()),
            places: rings.iter().map(place).collect(),
        }
    }
}

/// A power of X.
pub struct Monomial<'a, const L: usize, F: Lanes<L>> {
    roots: &'a Roots,
    power: usize,
    /// What the columns have in common.
    lanes: Complex<L, F>,
}

impl<'a, const L: usize, F: Lanes<L>> Monomial<'a, L, F> {
    /// X^`power`.
    #[inline(always)]
    pub fn new(lanes: F, transform: &'a Transform, power: usize) -> Self {
        let roots = &transform.tables.roots;
        let (mut re, mut im) = ([0.0; L], [0.0; L]);
        for (lane, (re, im)) in re.iter_mut().zip(&mut im).enumerate() {
            // Below the order of all roots, a power of two.
            [*re, *im] = roots.all[(power * (1 + 4 * lane)) & (roots.all.len() - 1)];
        }
        Self { roots, power, lanes: Complex::load(lanes, &[re, im]) }
    }

    /// Its values in a column.
    #[inline(always)]
    pub fn column(&self, lanes: F, index: usize) -> Complex<L, F> {
        let Roots { columns, places, .. } = self.roots;
        // There is a place for every column, and their number is a power of two.
        let [re, im] = columns[(self.power * places[index] as usize) & (columns.len() - 1)];
        self.lanes.mul(lanes, Complex::load(lanes, &[[re; L], [im; L]]))
    }
}
