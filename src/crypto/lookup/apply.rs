//! The key that computes, and batches of lookups with it.

use tfhe::core_crypto::prelude::{LweBootstrapKeyOwned, LweKeyswitchKeyOwned};

use super::key_switch::{KeySwitch, KeySwitchMemory};
use super::rotate::{BootstrapKey, RotationMemory};
use super::{LookupParameters, LookupTable, LweCiphertext};

/// An evaluation key that computes, in the order in which a batch reads it.
pub struct LookupKey {
    parameters: LookupParameters,
    key_switch: KeySwitch,
    bootstrap: BootstrapKey,
}

/// What one thread needs to look up. Make one for each thread and keep it.
pub struct LookupWorkspace {
    key_switch: KeySwitchMemory,
    rotation: RotationMemory,
}

impl LookupKey {
    pub(super) fn new(
        parameters: LookupParameters,
        bootstrap: &LweBootstrapKeyOwned<u64>,
        key_switch: &LweKeyswitchKeyOwned<u32>,
    ) -> Self {
        Self {
            parameters,
            key_switch: KeySwitch::new(parameters, key_switch),
            bootstrap: BootstrapKey::new(parameters, bootstrap),
        }
    }

    /// The parameters it was made for.
    pub fn parameters(&self) -> LookupParameters {
        self.parameters
    }

    /// Looks up each input in its table; a batch of 8 to 32 reads the key once and is fastest.
    ///
    /// The noise of every result is [`noise::lookup_output`](crate::crypto::noise::lookup_output). What is looked
    /// up is off by noise of [`noise::lookup_input`](crate::crypto::noise::lookup_input).
    ///
    /// # Panics
    /// If there are not as many tables as inputs, or anything belongs to other parameters.
    pub fn apply(
        &self,
        inputs: &[LweCiphertext],
        tables: &[&LookupTable],
        workspace: &mut LookupWorkspace,
    ) -> Vec<LweCiphertext> {
        let places: Vec<&[usize]> = vec![&[0]; inputs.len()];
        self.apply_at(inputs, tables, &places, workspace).into_iter().flatten().collect()
    }

    /// The first part of a lookup alone: ciphertexts under the small key modulo 2^32, mask and body each, with the
    /// noise [`noise::key_switch`](crate::crypto::noise::key_switch) added.
    pub fn key_switch(&self, inputs: &[LweCiphertext], workspace: &mut LookupWorkspace) -> Vec<u32> {
        self.key_switch.switch(inputs, &mut workspace.key_switch)
    }

    /// Looks up each input in its table in several places at the price of one: a result for each of its `offsets`,
    /// that of the input plus offset / 2N. Offsets are below N.
    ///
    /// Results of one input share the noise of its key and modulus switch.
    ///
    /// # Panics
    /// If there are not as many tables and lists of offsets as inputs, or anything belongs to other parameters.
    pub fn apply_at(
        &self,
        inputs: &[LweCiphertext],
        tables: &[&LookupTable],
        offsets: &[&[usize]],
        workspace: &mut LookupWorkspace,
    ) -> Vec<Vec<LweCiphertext>> {
        assert_eq!((inputs.len(), inputs.len()), (tables.len(), offsets.len()), "as many tables as inputs");
        let switched = self.key_switch(inputs, workspace);
        let size = self.parameters.polynomial_size();
        let rotated = self.bootstrap.rotate(&switched, tables, &mut workspace.rotation);
        let results = rotated.zip(offsets).map(|(ring, offsets)| {
            offsets.iter().map(|offset| LweCiphertext::extract(ring, size, *offset)).collect()
        });
        results.collect()
    }
}

impl LookupWorkspace {
    /// A workspace for lookups with these parameters.
    pub fn new(parameters: &LookupParameters) -> Self {
        Self { key_switch: KeySwitchMemory::default(), rotation: RotationMemory::new(parameters) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::lookup::trial::{keys, phase, set};
    use crate::crypto::switch_modulus;

    #[test]
    fn tables_are_looked_up() {
        let parameters = set((3, 512), 744, (17, 1), (4, 3));
        let (secret, key) = keys(parameters);
        let workspace = &mut LookupWorkspace::new(&parameters);
        // Results are read in steps as wide as those of the inputs: noise of lookups stays far below them.
        let triple: Vec<u64> = (0..8_u64).map(|m| (3 * m % 8) << 60).collect();
        let sign = LookupTable::odd(&parameters, &[1 << 61]).unwrap();
        let triple = LookupTable::padded(&parameters, &triple).unwrap();
        for batch in [1, 16, 5] {
            let values: Vec<u64> = (0..batch).map(|m| (m % 8) << 60).collect();
            let inputs = LweCiphertext::expand(&parameters, &secret.encrypt(&values, 40), 40).unwrap();
            let tables: Vec<_> = values.iter().map(|_| &triple).collect();
            for (value, output) in values.iter().zip(key.apply(&inputs, &tables, workspace)) {
                assert_eq!(switch_modulus(phase(&secret, &output), 4), 3 * (value >> 60) % 8);
            }
        }
        let values = [1 << 61, 7 << 61];
        let inputs = LweCiphertext::expand(&parameters, &secret.encrypt(&values, 40), 40).unwrap();
        let outputs = key.apply(&inputs, &[&sign, &sign], workspace);
        let opened: Vec<u64> =
            outputs.iter().map(|output| switch_modulus(phase(&secret, output), 3)).collect();
        assert_eq!(opened, [1, 7]);
    }

    #[test]
    fn one_rotation_compares_with_many_thresholds() {
        let parameters = set((3, 512), 744, (17, 1), (4, 3));
        let (secret, key) = keys(parameters);
        let workspace = &mut LookupWorkspace::new(&parameters);
        let sign = LookupTable::odd(&parameters, &[1 << 61]).unwrap();
        let values: Vec<u64> = (0..4).map(|x| x << 61).collect();
        let inputs = LweCiphertext::expand(&parameters, &secret.encrypt(&values, 64), 64).unwrap();
        // An eighth of the torus is 128 places. With half of that and t eighths more, x passes half the torus if
        // it is 4 - t or more.
        let places: &[usize] = &[64, 64 + 128, 64 + 256];
        let outputs = key.apply_at(&inputs, &[&sign; 4], &[places; 4], workspace);
        for (x, outputs) in outputs.iter().enumerate() {
            for (t, output) in outputs.iter().enumerate() {
                assert_eq!(phase(&secret, output) >> 63 == 1, x + t >= 4, "{x} {t}");
            }
        }
    }
}
