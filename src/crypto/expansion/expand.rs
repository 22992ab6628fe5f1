//! Oblivious expansion and scheme switch.

use std::ops::{DerefMut, Range};

use anyhow::{Result, bail};

use super::parameters::ExpansionParameters;
use crate::crypto::switching_key::SwitchingKey;
use crate::crypto::{Ggsw, Pool, RingCiphertext, RingWorkspace};

/// Blocks of at least so many items are expanded by several threads.
const PARALLEL_ITEMS: usize = 8;

/// An evaluation key that computes: split, transformed, in memory aligned for the widest registers.
pub struct Expander {
    parameters: ExpansionParameters,
    automorphisms: Vec<Automorphism>,
    /// For the square of the secret key.
    square: SwitchingKey,
    scratch: Pool<Scratch>,
}

/// X → X^g on ciphertexts.
pub(super) struct Automorphism {
    /// For each coefficient of the image, where it comes from: the coefficient's place times two, plus one
    /// if its sign changes.
    sources: Vec<u32>,
    key: SwitchingKey,
}

impl Expander {
    pub(super) fn new(
        parameters: ExpansionParameters,
        automorphisms: Vec<Automorphism>,
        square: SwitchingKey,
    ) -> Self {
        Self { parameters, automorphisms, square, scratch: Pool::default() }
    }

    /// The parameters of the key.
    pub fn parameters(&self) -> &ExpansionParameters {
        &self.parameters
    }

    /// Expands a ciphertext by some of the steps and gives these items (in rising order), each as the constant
    /// coefficient of a ciphertext of its own, times 2^(number of steps). After all steps these are what
    /// [`ExpansionParameters::place`] placed; after fewer, an item packs the items of the other steps.
    ///
    /// # Errors
    /// If the ciphertext belongs to another ring, there are no such steps, or items are missing, not in order
    /// or beyond the 2^(number of steps) that there are.
    pub fn expand(
        &self,
        packed: RingCiphertext,
        steps: Range<usize>,
        items: &[usize],
    ) -> Result<Vec<RingCiphertext>> {
        let size = self.parameters.ring().polynomial_size();
        if packed.polynomial_size() != size {
            bail!("a packed ciphertext of {} coefficients, where {size} are due", packed.polynomial_size());
        }
        let Some(automorphisms) = self.automorphisms.get(steps.clone()) else {
            bail!("steps {steps:?} of an expansion of {}", self.automorphisms.len());
        };
        let capacity = 1 << steps.len();
        if !items.is_sorted_by(|a, b| a < b) || items.last().is_none_or(|last| *last >= capacity) {
            bail!("items to expand must be some of {capacity}, in rising order");
        }
        let mut expanded = vec![RingCiphertext::zero(size); items.len()];
        if let Some(first) = expanded.first_mut() {
            *first = packed;
        }
        self.expand_block(&mut expanded, Block { automorphisms, step: steps.start, items });
        Ok(expanded)
    }

    /// Adds images under the automorphisms of some steps, one step after the other: coefficients at multiples of
    /// 2^(first step) become zero, but those at multiples of 2^(end), which are multiplied by 2^(number of steps).
    /// All others hold anything. After the last step of the ring the constant coefficient alone is left, with the
    /// noise [`noise::trace`](crate::crypto::noise::trace) added to its multiple.
    ///
    /// # Errors
    /// If there are no such steps.
    pub fn trace(
        &self,
        ciphertext: &mut RingCiphertext,
        steps: Range<usize>,
        workspace: &mut RingWorkspace,
    ) -> Result<()> {
        let Some(automorphisms) = self.automorphisms.get(steps.clone()) else {
            bail!("steps {steps:?} of an expansion of {}", self.automorphisms.len());
        };
        let mut image = std::mem::replace(&mut workspace.row, RingCiphertext::zero(0));
        for automorphism in automorphisms {
            automorphism.apply(ciphertext, &mut image, workspace);
            ciphertext.add_assign(&image);
        }
        workspace.row = image;
        Ok(())
    }

    /// Makes a GGSW ciphertext of a bit or polynomial of small integers m, from ring ciphertexts of m·q/B^j for each
    /// level j of its gadget, the first level first: (a, b) becomes the mask row (b, 0) + Σ_i digit_i(a)·(key row i), an
    /// encryption of -b·s + a·s² = -s·(b - a·s).
    pub fn switch_scheme<V: DerefMut<Target = [f64]>>(
        &self,
        levels: &[RingCiphertext],
        ggsw: &mut Ggsw<V>,
        workspace: &mut RingWorkspace,
    ) {
        let mut mask_row = std::mem::replace(&mut workspace.row, RingCiphertext::zero(0));
        for (level, body_row) in levels.iter().rev().enumerate() {
            self.set_mask_row(&mut mask_row, body_row, workspace);
            ggsw.set_level(level, &mask_row, body_row, workspace);
        }
        workspace.row = mask_row;
    }

    fn set_mask_row(
        &self,
        mask_row: &mut RingCiphertext,
        body_row: &RingCiphertext,
        workspace: &mut RingWorkspace,
    ) {
        let (mask, body) = mask_row.parts_mut();
        mask.copy_from_slice(body_row.body());
        body.fill(0);
        workspace.mask.copy_from_slice(body_row.mask());
        self.square.add_switched(mask_row, workspace);
    }

    /// Expands the first ciphertext of a block into all of them.
    ///
    /// At step t the polynomial has nonzero coefficients at multiples of 2^t only, and X → X^(N/2^t + 1)
    /// changes the sign of the odd multiples: sum and difference with the image separate even from odd.
    fn expand_block(&self, ciphertexts: &mut [RingCiphertext], block: Block<'_>) {
        let Some((automorphism, automorphisms)) = block.automorphisms.split_first() else { return };
        let half = 1 << automorphisms.len();
        let evens = block.items.partition_point(|item| item % (2 * half) < half);
        let (even_items, odd_items) = block.items.split_at(evens);
        let (even, odd) = ciphertexts.split_at_mut(evens);
        let new = || Scratch::new(&self.parameters);
        self.scratch.lend(new, |Scratch { workspace, image, difference }| {
            match (even.first_mut(), odd.first_mut()) {
                (Some(even), Some(odd)) => {
                    automorphism.apply(even, image, workspace);
                    odd.copy_difference_rotated(even, image, block.step);
                    even.add_assign(image);
                }
                (Some(even), None) => {
                    automorphism.apply(even, image, workspace);
                    even.add_assign(image);
                }
                (None, Some(odd)) => {
                    automorphism.apply(odd, image, workspace);
                    difference.copy_from(odd);
                    odd.copy_difference_rotated(difference, image, block.step);
                }
                (None, None) => {}
            }
        });
        let next = |items| Block { automorphisms, step: block.step + 1, items };
        let both = !even_items.is_empty() && !odd_items.is_empty();
        if both && even_items.len() + odd_items.len() >= PARALLEL_ITEMS {
            rayon::join(
                || self.expand_block(even, next(even_items)),
                || self.expand_block(odd, next(odd_items)),
            );
        } else {
            self.expand_block(even, next(even_items));
            self.expand_block(odd, next(odd_items));
        }
    }
}

/// Items that are expanded from one ciphertext.
#[derive(Clone, Copy)]
struct Block<'a> {
    /// Those of the steps to come.
    automorphisms: &'a [Automorphism],
    /// The number of steps before.
    step: usize,
    /// In rising order; which of the halves an item belongs to is told by its bits, those of the last steps
    /// lowest.
    items: &'a [usize],
}

/// What one thread needs to expand.
struct Scratch {
    workspace: RingWorkspace,
    image: RingCiphertext,
    difference: RingCiphertext,
}

impl Scratch {
    fn new(parameters: &ExpansionParameters) -> Self {
        let size = parameters.ring().polynomial_size();
        Self {
            workspace: RingWorkspace::new(parameters.ring()),
            image: RingCiphertext::zero(size),
            difference: RingCiphertext::zero(size),
        }
    }
}

impl Automorphism {
    /// The automorphism X → X^`power` (odd), with the key for -s(X^`power`).
    pub fn new(polynomial_size: usize, power: usize, key: SwitchingKey) -> Self {
        let places: Vec<u64> = (0..polynomial_size as u64).map(|place| place + 1).collect();
        let mut image = vec![0; polynomial_size];
        map_powers(&places, power, &mut image);
        let source = |value: &u64| {
            let place = (*value as i64).unsigned_abs() as u32 - 1;
            2 * place + u32::from((*value as i64) < 0)
        };
        Self { sources: image.iter().map(source).collect(), key }
    }

    /// Sets `image` to an encryption of m(X^g), from an encryption of m(X). It adds the noise
    /// [`noise::automorphism`](crate::crypto::noise::automorphism).
    pub fn apply(&self, source: &RingCiphertext, image: &mut RingCiphertext, workspace: &mut RingWorkspace) {
        self.map(source.mask(), &mut workspace.mask);
        let (mask, body) = image.parts_mut();
        mask.fill(0);
        self.map(source.body(), body);
        self.key.add_switched(image, workspace);
    }

    fn map(&self, polynomial: &[u64], image: &mut [u64]) {
        let places = polynomial.len() - 1;
        for (value, source) in image.iter_mut().zip(&self.sources) {
            let sign = u64::from(source & 1);
            // Sizes are powers of two, so this is an index within the polynomial.
            let source = polynomial[(source >> 1) as usize & places];
            *value = (source ^ sign.wrapping_neg()).wrapping_add(sign);
        }
    }
}

/// Sets `image` to `polynomial`(X^`power`) modulo X^N + 1.
pub(super) fn map_powers(polynomial: &[u64], power: usize, image: &mut [u64]) {
    let size = polynomial.len();
    for (exponent, value) in polynomial.iter().enumerate() {
        let mapped = exponent * power % (2 * size);
        // The remainder modulo N is an index within the image.
        image[mapped % size] = if mapped < size { *value } else { value.wrapping_neg() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::trial::{assert_close, errors, variance};
    use crate::crypto::{ExpansionKey, Gadget, RingParameters, SecretKey, noise};

    /// The gadgets of the last step back to the first, as (log2 of the base, levels).
    const STEPS: [(u32, u32); 9] =
        [(11, 5), (9, 6), (8, 7), (7, 8), (6, 9), (5, 11), (4, 14), (3, 19), (2, 29)];

    fn gadget((log2_base, levels): (u32, u32)) -> Gadget {
        Gadget::new(log2_base, levels).unwrap()
    }

    fn parameters(size: usize, steps: usize) -> ExpansionParameters {
        let steps = STEPS.into_iter().take(steps).rev().map(gadget).collect();
        ExpansionParameters::new(RingParameters::secure(size).unwrap(), steps, gadget((14, 4))).unwrap()
    }

    fn keys(parameters: &ExpansionParameters) -> (SecretKey, Expander) {
        let secret = SecretKey::generate(*parameters.ring());
        let key = ExpansionKey::generate(&secret, parameters).unwrap();
        (secret, key.expand())
    }

    fn fresh(secret: &SecretKey, message: &[u64]) -> RingCiphertext {
        RingCiphertext::from_seeded(&secret.parameters(), &secret.encrypt(message, 64), 64)
    }

    #[test]
    fn automorphism_noise_fits_the_exact_formula() {
        // Where the rounded mask dominates, it meets a key of mean one half: few independent samples in a
        // ciphertext, so many ciphertexts and a wide tolerance.
        for (size, step, keys_tried, tolerance) in [
            (4096, (10, 5), 20, 0.09),
            (2048, (10, 5), 20, 0.09),
            (4096, (2, 30), 4, 0.03),
            (4096, (6, 9), 10, 0.09),
        ] {
            let ring = RingParameters::secure(size).unwrap();
            let parameters = ExpansionParameters::new(ring, vec![gadget(step)], gadget((20, 1))).unwrap();
            let message: Vec<u64> = (0..size as u64).map(|place| place << 48).collect();
            let mut expected = vec![0; size];
            map_powers(&message, parameters.power(0), &mut expected);
            let mut all = Vec::new();
            for _ in 0..keys_tried {
                let (secret, expander) = keys(&parameters);
                let workspace = &mut RingWorkspace::new(&ring);
                let mut image = RingCiphertext::zero(size);
                for _ in 0..20 {
                    expander.automorphisms[0].apply(&fresh(&secret, &message), &mut image, workspace);
                    all.extend(errors(&secret.phase(&image), &expected));
                }
            }
            let predicted = noise::encryption(&ring) + noise::automorphism(&ring, gadget(step));
            assert_close(variance(&all), predicted, tolerance);
        }
    }

    #[test]
    fn scheme_switch_noise_fits_the_formula() {
        let parameters = parameters(4096, 1);
        let mut all = Vec::new();
        for _ in 0..40 {
            let (secret, expander) = keys(&parameters);
            let workspace = &mut RingWorkspace::new(parameters.ring());
            for _ in 0..10 {
                let mut row = RingCiphertext::zero(4096);
                expander.set_mask_row(&mut row, &fresh(&secret, &[0; 4096]), workspace);
                all.extend(errors(&secret.phase(&row), &[0; 4096]));
            }
        }
        let predicted = noise::scheme_switch(&parameters, noise::encryption(parameters.ring()));
        // The weight of a key enters squared: 40 keys leave some per cent.
        assert_close(variance(&all), predicted, 0.2);
    }

    #[test]
    fn expansion_gives_every_item_with_the_noise_of_the_formula() {
        let parameters = parameters(4096, 6);
        let (secret, expander) = keys(&parameters);
        let mut packed = vec![0; 4096];
        (0..64).for_each(|item| parameters.place(&mut packed, item, (item as u64) << 44));
        let packed = fresh(&secret, &packed);
        let mut all = Vec::new();
        let scattered = [0, 1, 2, 7, 31, 33, 62];
        let some = expander.expand(packed.clone(), 0..6, &scattered).unwrap();
        // In two goes: the first four steps, then the last two of the thirteenth of 16 parts.
        let parts = expander.expand(packed.clone(), 0..4, &[3, 12]).unwrap();
        let rest = expander.expand(parts[1].clone(), 4..6, &[1, 2]).unwrap();
        let every: Vec<usize> = (0..64).collect();
        let all_items = expander.expand(packed, 0..6, &every).unwrap();
        let items = scattered.iter().chain(&[49, 50]).chain(&every);
        for (item, ciphertext) in items.zip(some.iter().chain(&rest).chain(&all_items)) {
            let mut expected = vec![0; 4096];
            expected[0] = (*item as u64) << 44;
            all.extend(errors(&secret.phase(ciphertext), &expected));
        }
        let predicted = noise::expansion(&parameters, noise::encryption(parameters.ring()));
        assert_close(variance(&all), predicted, 0.1);
    }

    #[test]
    fn mask_rows_of_expanded_items_have_the_noise_of_the_formula() {
        let parameters = parameters(4096, 9);
        let mut all = Vec::new();
        for _ in 0..12 {
            let (secret, expander) = keys(&parameters);
            let workspace = &mut RingWorkspace::new(parameters.ring());
            let items: Vec<usize> = (0..20).collect();
            for body_row in expander.expand(fresh(&secret, &[0; 4096]), 0..9, &items).unwrap() {
                let mut row = RingCiphertext::zero(4096);
                expander.set_mask_row(&mut row, &body_row, workspace);
                all.extend(errors(&secret.phase(&row), &[0; 4096]));
            }
        }
        let body_row = noise::expansion(&parameters, noise::encryption(parameters.ring()));
        // Items of one query share noise: few independent samples.
        assert_close(variance(&all), noise::scheme_switch(&parameters, body_row), 0.6);
    }

    #[test]
    fn strangers_are_refused() {
        let (_, expander) = keys(&parameters(2048, 2));
        assert!(expander.expand(RingCiphertext::zero(4096), 0..2, &[0]).is_err());
        let zero = || RingCiphertext::zero(2048);
        for (steps, items) in [(0..2, &[4][..]), (0..2, &[]), (0..2, &[1, 0]), (1..3, &[0]), (1..2, &[2])] {
            assert!(expander.expand(zero(), steps.clone(), items).is_err(), "{steps:?} {items:?}");
        }
    }
}
