//! The evaluation key of expansion: made under the secret key, stored as seeds and bodies.

use anyhow::{Result, bail};
use rayon::prelude::*;
use zeroize::Zeroizing;

use super::expand::{Automorphism, Expander, map_powers};
use super::parameters::ExpansionParameters;
use crate::crypto::switching_key::SeededSwitchingKey;
use crate::crypto::{Products, RingWorkspace, SecretKey};

/// A key for each automorphism of the expansion and one for the square of the secret key. It computes and
/// cannot read.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpansionKey {
    parameters: ExpansionParameters,
    steps: Vec<SeededSwitchingKey>,
    square: SeededSwitchingKey,
}

impl ExpansionKey {
    /// A fresh key for expansion under `secret`.
    ///
    /// # Errors
    /// If the secret key has other parameters.
    pub fn generate(secret: &SecretKey, parameters: &ExpansionParameters) -> Result<Self> {
        if secret.parameters() != *parameters.ring() {
            bail!(
                "a secret key with {:?} cannot make a key for {:?}",
                secret.parameters(),
                parameters.ring()
            );
        }
        let square_factor = square(secret)?;
        let (steps, square) = rayon::join(
            || {
                let steps = parameters.steps().par_iter().enumerate();
                let factor = |step| negated_image(secret, parameters.power(step));
                steps
                    .map(|(step, gadget)| SeededSwitchingKey::generate(secret, &factor(step), *gadget))
                    .collect()
            },
            || SeededSwitchingKey::generate(secret, &square_factor, parameters.square()),
        );
        Ok(Self { parameters: parameters.clone(), steps, square })
    }

    /// The parameters it was made for.
    pub fn parameters(&self) -> &ExpansionParameters {
        &self.parameters
    }

    /// The key's bytes: [`ExpansionParameters::key_bytes`] of them, for each step and the square its seed
    /// and its bodies, little endian.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.parameters.key_bytes());
        self.steps.iter().chain([&self.square]).for_each(|key| key.write(&mut bytes));
        bytes
    }

    /// The key that [`ExpansionKey::to_bytes`] wrote.
    ///
    /// # Errors
    /// If the number of bytes does not fit the parameters.
    pub fn from_bytes(parameters: &ExpansionParameters, mut bytes: &[u8]) -> Result<Self> {
        if bytes.len() != parameters.key_bytes() {
            bail!("an evaluation key of {} bytes, where {} are due", bytes.len(), parameters.key_bytes());
        }
        let mut read = |gadget| SeededSwitchingKey::read(&mut bytes, parameters.ring(), gadget);
        let steps: Option<_> = parameters.steps().iter().map(|gadget| read(*gadget)).collect();
        match (steps, read(parameters.square())) {
            (Some(steps), Some(square)) => Ok(Self { parameters: parameters.clone(), steps, square }),
            (None, _) | (_, None) => bail!("an evaluation key with bytes missing"),
        }
    }

    /// The key in the form that computes, four times as large.
    pub fn expand(&self) -> Expander {
        let parameters = &self.parameters;
        let ring = parameters.ring();
        let automorphisms = self
            .steps
            .par_iter()
            .zip(parameters.steps())
            .enumerate()
            .map_init(
                || RingWorkspace::new(ring),
                |workspace, (step, (key, gadget))| {
                    let key = key.expand(*gadget, workspace);
                    Automorphism::new(ring.polynomial_size(), parameters.power(step), key)
                },
            )
            .collect();
        let square = self.square.expand(parameters.square(), &mut RingWorkspace::new(ring));
        Expander::new(parameters.clone(), automorphisms, square)
    }
}

/// -s(X^`power`): what the image of a mask is to be multiplied with.
pub(super) fn negated_image(secret: &SecretKey, power: usize) -> Zeroizing<Vec<u64>> {
    let mut image = Zeroizing::new(vec![0; secret.coefficients().len()]);
    map_powers(secret.coefficients(), power, &mut image);
    image.iter_mut().for_each(|value| *value = value.wrapping_neg());
    image
}

/// s².
fn square(secret: &SecretKey) -> Result<Zeroizing<Vec<u64>>> {
    let size = secret.coefficients().len();
    let Some(products) = Products::new(size) else {
        bail!("no exact products of {size} coefficients");
    };
    let transformed = products.transform(secret.coefficients());
    Ok(Zeroizing::new(products.multiply(&transformed, &transformed)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{Gadget, RingParameters};

    fn parameters(size: usize) -> ExpansionParameters {
        let gadget = Gadget::new(10, 2).unwrap();
        let ring = RingParameters::secure(size).unwrap();
        ExpansionParameters::new(ring, vec![gadget; 2], Gadget::new(14, 3).unwrap()).unwrap()
    }

    #[test]
    fn bytes_and_back() {
        let parameters = parameters(2048);
        let secret = SecretKey::generate(*parameters.ring());
        let key = ExpansionKey::generate(&secret, &parameters).unwrap();
        let bytes = key.to_bytes();
        assert_eq!(bytes.len(), 3 * 16 + (2 + 2 + 3) * 2048 * 8);
        assert_eq!(bytes.len(), parameters.key_bytes());
        assert_eq!(ExpansionKey::from_bytes(&parameters, &bytes).unwrap(), key);
    }

    #[test]
    fn other_sizes_and_other_parameters_are_refused() {
        let parameters = parameters(2048);
        let bytes = vec![0; parameters.key_bytes() + 1];
        assert!(ExpansionKey::from_bytes(&parameters, &bytes).is_err());
        assert!(ExpansionKey::from_bytes(&parameters, &bytes[2..]).is_err());
        assert!(ExpansionKey::from_bytes(&parameters, &[]).is_err());
        let other = SecretKey::generate(RingParameters::secure(4096).unwrap());
        assert!(ExpansionKey::generate(&other, &parameters).is_err());
    }
}
