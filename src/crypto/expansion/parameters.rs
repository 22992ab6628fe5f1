//! Parameters of expansion, and the place of each item in the packed polynomial.

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

use crate::crypto::switching_key::SeededSwitchingKey;
use crate::crypto::{Gadget, RingParameters, noise};

/// The noise of a key for the square of the secret key may add this part to that of a mask row.
const SQUARE_SHARE: f64 = 0.2;

/// The ring, the gadget of each step of the expansion and that of the scheme switch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Literal")]
pub struct ExpansionParameters {
    ring: RingParameters,
    steps: Vec<Gadget>,
    square: Gadget,
}

/// What a file says; not yet believed.
#[derive(Deserialize)]
struct Literal {
    ring: RingParameters,
    steps: Vec<Gadget>,
    square: Gadget,
}

impl ExpansionParameters {
    /// Expansion by `steps`, the first step first, and scheme switch by `square`.
    ///
    /// The first steps run seldom, and their noise is doubled by each later step: fine gadgets cost
    /// little there.
    ///
    /// # Errors
    /// If there are no steps or more than the ring has room for.
    pub fn new(ring: RingParameters, steps: Vec<Gadget>, square: Gadget) -> Result<Self> {
        let most = ring.polynomial_size().ilog2() as usize;
        if steps.is_empty() || steps.len() > most {
            bail!("an expansion of {} steps, where 1 to {most} are possible", steps.len());
        }
        Ok(Self { ring, steps, square })
    }

    /// Expansion by so many steps into items of a noise whose standard deviation is about 2^`log2_noise` of
    /// 2^64: every step gets the coarsest gadget that keeps its share.
    ///
    /// # Errors
    /// If no gadgets do, or there are no steps or more than the ring has room for.
    pub fn balanced(ring: RingParameters, steps: u32, log2_noise: f64) -> Result<Self> {
        let variance = (2.0 * (log2_noise - 64.0)).exp2();
        // The noise of a step is doubled by each step after it.
        let share = |later: u32| variance / f64::from(steps + 1) / f64::from(later).exp2();
        let gadget =
            |later: u32| Gadget::coarsest(|gadget| noise::automorphism(&ring, gadget) <= share(later));
        let gadgets = (0..steps).rev().map(gadget).collect::<Option<Vec<_>>>();
        let mask_row = ring.polynomial_size() as f64 / 2.0 * variance;
        let square = Gadget::coarsest(|gadget| noise::square(&ring, gadget) <= SQUARE_SHARE * mask_row);
        match (gadgets, square) {
            (Some(gadgets), Some(square)) => Self::new(ring, gadgets, square),
            (None, _) | (_, None) => bail!("no gadgets expand with a noise of 2^{log2_noise} or less"),
        }
    }

    /// The ring of packed and expanded ciphertexts.
    pub fn ring(&self) -> &RingParameters {
        &self.ring
    }

    /// The gadget of each step, the first step first.
    pub fn steps(&self) -> &[Gadget] {
        &self.steps
    }

    /// The gadget of the scheme switch.
    pub fn square(&self) -> Gadget {
        self.square
    }

    /// The most items that one packed ciphertext holds: the factor by which expansion multiplies them.
    pub fn capacity(&self) -> usize {
        1 << self.steps.len()
    }

    /// The number of automorphisms of each step, the first step first, that expansion into these items takes
    /// (in rising order).
    pub fn automorphisms(&self, items: &[usize]) -> Vec<usize> {
        let blocks = |step: usize| {
            let block = |item: &usize| item >> (self.steps.len() - step);
            items.chunk_by(|a, b| block(a) == block(b)).count()
        };
        (0..self.steps.len()).map(blocks).collect()
    }

    /// The number of bytes of an evaluation key: for each automorphism and the square, a seed of 16 bytes
    /// and 8 bytes for each coefficient of each level.
    pub fn key_bytes(&self) -> usize {
        let gadgets = self.steps.iter().chain([&self.square]);
        gadgets.map(|gadget| SeededSwitchingKey::byte_count(&self.ring, *gadget)).sum()
    }

    /// Puts a value into a polynomial to encrypt so that expansion gives it as an item: at the item's place,
    /// divided by [`ExpansionParameters::capacity`].
    ///
    /// # Panics
    /// If the item is beyond the capacity.
    pub fn place(&self, polynomial: &mut [u64], item: usize, value: u64) {
        assert!(item < self.capacity(), "item {item} of {}", self.capacity());
        // A place below the capacity, which is no larger than the polynomial.
        polynomial[self.coefficient(item)] = value >> self.steps.len();
    }

    /// The place of an item in the packed polynomial: its number with the bits reversed, so that neighbours
    /// are expanded together and what is not used costs nothing.
    pub fn coefficient(&self, item: usize) -> usize {
        item.reverse_bits() >> (usize::BITS as usize - self.steps.len())
    }

    /// The power g of the automorphism X → X^g of a step.
    pub(super) fn power(&self, step: usize) -> usize {
        (self.ring.polynomial_size() >> step) + 1
    }
}

impl TryFrom<Literal> for ExpansionParameters {
    type Error = anyhow::Error;

    fn try_from(literal: Literal) -> Result<Self> {
        Self::new(literal.ring, literal.steps, literal.square)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(steps: usize) -> Result<ExpansionParameters> {
        let gadget = Gadget::new(8, 4).unwrap();
        ExpansionParameters::new(RingParameters::secure(2048).unwrap(), vec![gadget; steps], gadget)
    }

    #[test]
    fn items_lie_in_reversed_order_and_are_divided() {
        let parameters = parameters(3).unwrap();
        let mut polynomial = vec![0; 2048];
        for item in [0, 1, 4] {
            parameters.place(&mut polynomial, item, 8 << item);
        }
        let set: Vec<(usize, u64)> =
            polynomial.into_iter().enumerate().filter(|(_, value)| *value > 0).collect();
        assert_eq!(set, [(0, 1), (1, 16), (4, 2)]);
    }

    #[test]
    fn impossible_expansions_are_refused() {
        assert!(parameters(0).is_err());
        assert!(parameters(12).is_err());
        assert!(ExpansionParameters::balanced(RingParameters::secure(4096).unwrap(), 12, 10.0).is_err());
    }

    #[test]
    fn balanced_gadgets_keep_the_noise() {
        let ring = RingParameters::secure(4096).unwrap();
        for log2_noise in [18.5, 19.0, 20.0] {
            let parameters = ExpansionParameters::balanced(ring, 12, log2_noise).unwrap();
            let noise = noise::expansion(&parameters, noise::encryption(&ring)).sqrt().log2() + 64.0;
            assert!((log2_noise - 0.6..log2_noise).contains(&noise), "{noise} for {log2_noise}");
            assert!(parameters.key_bytes() < 8 << 20);
        }
    }

    #[test]
    fn unused_items_cost_no_automorphisms() {
        let parameters = parameters(9).unwrap();
        let count = |items: &[usize]| parameters.automorphisms(items).iter().sum::<usize>();
        assert_eq!(count(&(0..512).collect::<Vec<_>>()), 511);
        assert_eq!(count(&(0..360).collect::<Vec<_>>()), 362);
        assert_eq!(count(&[7]), 9);
        assert_eq!(parameters.automorphisms(&[0, 511]), [1, 2, 2, 2, 2, 2, 2, 2, 2]);
    }
}
