//! Parameters of expansion, and the place of each item in the packed polynomial.

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

use crate::crypto::switching_key::SeededSwitchingKey;
use crate::crypto::{Gadget, RingParameters};

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

    /// The number of automorphisms that expansion into `items` items takes, at most those of
    /// [`ExpansionParameters::capacity`].
    pub fn automorphisms(&self, items: usize) -> usize {
        (0..self.steps.len()).map(|step| items.div_ceil(self.capacity() >> step)).sum()
    }

    /// The number of bytes of an evaluation key: for each automorphism and the square, a seed of 16 bytes
    /// and 8 bytes for each coefficient of each level.
    pub fn key_bytes(&self) -> usize {
        let gadgets = self.steps.iter().chain([&self.square]);
        gadgets.map(|gadget| SeededSwitchingKey::byte_count(&self.ring, *gadget)).sum()
    }

    /// The polynomial to encrypt so that expansion and scheme switch give these bits for products with
    /// `gadget`: each bit takes as many items as the gadget has levels.
    ///
    /// # Errors
    /// If the bits do not fit, or the finest level is lost when it is divided by the expansion factor.
    pub fn pack_bits(&self, bits: &[bool], gadget: Gadget) -> Result<Vec<u64>> {
        let items = bits.len().saturating_mul(gadget.levels());
        let steps = self.steps.len() as u32;
        if items > self.capacity() {
            bail!("{items} items to pack, where {} fit", self.capacity());
        }
        if gadget.bits() + steps > 64 {
            bail!("a gadget of {} bits and {steps} steps of expansion need more than 64 bits", gadget.bits());
        }
        let mut polynomial = vec![0; self.ring.polynomial_size()];
        let values = bits.iter().flat_map(|bit| gadget.scales().map(move |scale| u64::from(*bit) * scale));
        for (item, value) in values.enumerate() {
            let place = polynomial.get_mut(self.coefficient(item));
            place.into_iter().for_each(|place| *place = value >> steps);
        }
        Ok(polynomial)
    }

    /// The place of an item in the packed polynomial: its number with the bits reversed, so that neighbours
    /// are expanded together and what is not used costs nothing.
    fn coefficient(&self, item: usize) -> usize {
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
    fn bits_lie_in_reversed_order_and_are_divided() {
        let parameters = parameters(3).unwrap();
        let polynomial = parameters.pack_bits(&[true, false, true], Gadget::new(10, 2).unwrap()).unwrap();
        let set: Vec<(usize, u64)> =
            polynomial.into_iter().enumerate().filter(|(_, value)| *value > 0).collect();
        // Items 0, 1, 4, 5: levels 1 and 2 of bits 0 and 2.
        assert_eq!(set, [(0, 1 << 51), (1, 1 << 51), (4, 1 << 41), (5, 1 << 41)]);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert!(parameters(0).is_err());
        assert!(parameters(12).is_err());
        let parameters = parameters(3).unwrap();
        assert!(parameters.pack_bits(&[true; 5], Gadget::new(10, 2).unwrap()).is_err());
        assert!(parameters.pack_bits(&[true], Gadget::new(31, 2).unwrap()).is_err());
    }

    #[test]
    fn unused_items_cost_no_automorphisms() {
        let parameters = parameters(9).unwrap();
        assert_eq!(parameters.automorphisms(512), 511);
        assert_eq!(parameters.automorphisms(360), 362);
        assert_eq!(parameters.automorphisms(1), 9);
    }
}
