//! The key that computes, and batches of lookups with it.

use tfhe::core_crypto::fft_impl::fft64::ABox;
use tfhe::core_crypto::fft_impl::fft64::crypto::bootstrap::batch_blind_rotate_assign_scratch;
use tfhe::core_crypto::prelude::*;

use super::key_switch::{KeySwitch, KeySwitchMemory};
use super::{LookupParameters, LookupTable, LweCiphertext};
use crate::crypto::ring_ciphertext::zeros;
use crate::crypto::workspace::transform;

/// An evaluation key that computes: key-switching rows in order, the bootstrapping key transformed.
pub struct LookupKey {
    parameters: LookupParameters,
    key_switch: KeySwitch,
    bootstrap: FourierLweBootstrapKeyOwned,
}

/// What one thread needs to look up. Make one for each thread and keep it.
pub struct LookupWorkspace {
    fft: Fft,
    buffers: ComputationBuffers,
    key_switch: KeySwitchMemory,
    /// The ring ciphertexts that are rotated: the batch's tables to begin with.
    rotated: ABox<[u64]>,
}

impl LookupKey {
    pub(super) fn new(
        parameters: LookupParameters,
        bootstrap: &LweBootstrapKeyOwned<u64>,
        key_switch: &LweKeyswitchKeyOwned<u32>,
    ) -> Self {
        let mut fourier = FourierLweBootstrapKeyOwned::new(
            bootstrap.input_lwe_dimension(),
            bootstrap.glwe_size(),
            bootstrap.polynomial_size(),
            bootstrap.decomposition_base_log(),
            bootstrap.decomposition_level_count(),
        );
        let fft = transform(parameters.polynomial_size());
        fourier.as_mut_view().par_fill_with_forward_fourier(bootstrap.as_view(), fft.as_view());
        Self { parameters, key_switch: KeySwitch::new(parameters, key_switch), bootstrap: fourier }
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
        self.apply_at(inputs, tables, &[0], workspace).into_iter().flatten().collect()
    }

    /// Looks up each input in its table in several places at the price of one: a result for each of `offsets`,
    /// that of the input plus offset / 2N. Offsets are below N.
    ///
    /// Results of one input share the noise of its key and modulus switch.
    ///
    /// # Panics
    /// If there are not as many tables as inputs, or anything belongs to other parameters.
    pub fn apply_at(
        &self,
        inputs: &[LweCiphertext],
        tables: &[&LookupTable],
        offsets: &[usize],
        workspace: &mut LookupWorkspace,
    ) -> Vec<Vec<LweCiphertext>> {
        assert_eq!(inputs.len(), tables.len(), "as many tables as inputs");
        let switched = self.key_switch.switch(inputs, &mut workspace.key_switch);
        self.rotate(&switched, tables, workspace);
        let size = self.parameters.polynomial_size();
        let ring = size + self.parameters.big_dimension();
        let rotated = workspace.rotated.chunks_exact(ring).take(inputs.len());
        let results = rotated
            .map(|ring| offsets.iter().map(|offset| LweCiphertext::extract(ring, size, *offset)).collect());
        results.collect()
    }

    /// Rotates the tables by what the small ciphertexts encrypt.
    fn rotate(&self, switched: &[u32], tables: &[&LookupTable], workspace: &mut LookupWorkspace) {
        let parameters = &self.parameters;
        let size = parameters.polynomial_size();
        let ring = size + parameters.big_dimension();
        workspace.reserve(parameters, tables.len());
        let (rotated, _) = workspace.rotated.split_at_mut(ring * tables.len());
        for (place, table) in rotated.chunks_exact_mut(ring).zip(tables) {
            let (mask, body) = place.split_at_mut(parameters.big_dimension());
            mask.fill(0);
            body.copy_from_slice(table.polynomial());
        }
        let rotations: Vec<_> = switched
            .chunks_exact(parameters.lwe_dimension() + 1)
            .map(|small| {
                let small = tfhe::core_crypto::prelude::LweCiphertext::from_container(
                    small,
                    CiphertextModulus::new_native(),
                );
                let modulus = PolynomialSize(size).to_blind_rotation_input_modulus_log();
                lwe_ciphertext_centered_binary_modulus_switch::<_, usize, _>(small, modulus)
            })
            .collect();
        self.bootstrap.as_view().batch_blind_rotate_assign(
            GlweCiphertextList::from_container(
                rotated,
                GlweSize(parameters.glwe_dimension() + 1),
                PolynomialSize(size),
                CiphertextModulus::new_native(),
            ),
            &rotations,
            workspace.fft.as_view(),
            workspace.buffers.stack(),
        );
    }
}

impl LookupWorkspace {
    /// A workspace for lookups with these parameters.
    pub fn new(parameters: &LookupParameters) -> Self {
        Self {
            fft: transform(parameters.polynomial_size()),
            buffers: ComputationBuffers::new(),
            key_switch: KeySwitchMemory::default(),
            rotated: zeros(0),
        }
    }

    /// Makes room for a batch.
    fn reserve(&mut self, parameters: &LookupParameters, batch: usize) {
        let count = (parameters.polynomial_size() + parameters.big_dimension()) * batch;
        if self.rotated.len() >= count {
            return;
        }
        self.rotated = zeros(count);
        let scratch = batch_blind_rotate_assign_scratch::<u64>(
            GlweSize(parameters.glwe_dimension() + 1),
            PolynomialSize(parameters.polynomial_size()),
            CiphertextCount(batch),
            self.fft.as_view(),
        );
        self.buffers.resize(scratch.unaligned_bytes_required());
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
        let square: Vec<u64> = (0..8_u64).map(|m| (m * m) << 57).collect();
        let sign = LookupTable::odd(&parameters, &[5 << 57]).unwrap();
        let square = LookupTable::padded(&parameters, &square).unwrap();
        for batch in [1, 16, 5] {
            let values: Vec<u64> = (0..batch).map(|m| (m % 8) << 60).collect();
            let inputs = LweCiphertext::expand(&parameters, &secret.encrypt(&values, 40), 40).unwrap();
            let tables: Vec<_> = values.iter().map(|_| &square).collect();
            for (value, output) in values.iter().zip(key.apply(&inputs, &tables, workspace)) {
                assert_eq!(switch_modulus(phase(&secret, &output), 7), (value >> 60).pow(2));
            }
        }
        let values = [1 << 61, 7 << 61];
        let inputs = LweCiphertext::expand(&parameters, &secret.encrypt(&values, 40), 40).unwrap();
        let outputs = key.apply(&inputs, &[&sign, &sign], workspace);
        let opened: Vec<u64> =
            outputs.iter().map(|output| switch_modulus(phase(&secret, output), 7) % 128).collect();
        assert_eq!(opened, [5, 128 - 5]);
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
        let outputs = key.apply_at(&inputs, &[&sign; 4], &[64, 64 + 128, 64 + 256], workspace);
        for (x, outputs) in outputs.iter().enumerate() {
            for (t, output) in outputs.iter().enumerate() {
                assert_eq!(phase(&secret, output) >> 63 == 1, x + t >= 4, "{x} {t}");
            }
        }
    }
}
