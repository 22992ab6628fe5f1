//! Several parameter sets under one big key: a circuit looks up with small parameters where those will do.
//!
//! Rings of k polynomials of size N with the same k·N share their secret bits, so ciphertexts of one set are looked
//! up with any other; a small key and gadgets are each set's own. Shared bits of keys of several shapes are those of
//! Bergerat, Chillotti, Ligier, Orfila, Roux-Langlois, Tap, *New Secret Keys for Enhanced Performance in (T)FHE*
//! (CCS 2024).

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{LookupParameters, LookupSecretKey, SeededLookupKey};
use crate::crypto::packed_bytes;

/// More sets than any circuit has use for.
const MOST_SETS: usize = 16;

/// Parameter sets, at least one, whose rings have equally many bits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Vec<LookupParameters>", into = "Vec<LookupParameters>")]
pub struct LookupSets {
    sets: Vec<LookupParameters>,
}

impl LookupSets {
    /// These sets; values are encrypted as the first says.
    ///
    /// # Errors
    /// If there is none, there are too many, or rings differ in their number of bits.
    pub fn new(sets: Vec<LookupParameters>) -> Result<Self> {
        ensure!(
            (1..=MOST_SETS).contains(&sets.len()),
            "{} parameter sets: 1 to {MOST_SETS} are possible",
            sets.len()
        );
        let big = |set: &LookupParameters| set.big_dimension();
        let first = sets.first().map(big);
        if let Some(other) = sets.iter().map(big).find(|other| Some(*other) != first) {
            bail!(
                "ring keys of {} and of {other} bits in one circuit: they must have equally many",
                first.unwrap_or_default()
            );
        }
        Ok(Self { sets })
    }

    /// The set that values are encrypted with.
    pub fn first(&self) -> &LookupParameters {
        &self.sets[0] // there is one
    }

    /// All sets in order.
    pub fn iter(&self) -> std::slice::Iter<'_, LookupParameters> {
        self.sets.iter()
    }

    /// A set by its place.
    pub fn get(&self, place: usize) -> Option<&LookupParameters> {
        self.sets.get(place)
    }

    /// The bytes of an evaluation key: those of each set's own, one after the other.
    pub fn key_bytes(&self) -> usize {
        self.sets.iter().map(LookupParameters::key_bytes).sum()
    }
}

impl From<LookupParameters> for LookupSets {
    fn from(set: LookupParameters) -> Self {
        Self { sets: vec![set] }
    }
}

impl TryFrom<Vec<LookupParameters>> for LookupSets {
    type Error = anyhow::Error;

    fn try_from(sets: Vec<LookupParameters>) -> Result<Self> {
        Self::new(sets)
    }
}

impl From<LookupSets> for Vec<LookupParameters> {
    fn from(sets: LookupSets) -> Self {
        sets.sets
    }
}

/// The secret keys of several sets: one big key and a small key for each.
pub struct LookupSecrets {
    keys: Vec<LookupSecretKey>,
}

impl LookupSecrets {
    /// Fresh uniform keys.
    pub fn generate(sets: &LookupSets) -> Self {
        let first = LookupSecretKey::generate(*sets.first());
        let others: Vec<_> = sets.iter().skip(1).map(|set| first.sharing_ring(*set)).collect();
        Self { keys: [first].into_iter().chain(others).collect() }
    }

    /// The key that encrypts and decrypts.
    pub fn first(&self) -> &LookupSecretKey {
        &self.keys[0] // there is one for each set
    }

    /// The parameter sets they belong to.
    pub fn sets(&self) -> LookupSets {
        LookupSets { sets: self.keys.iter().map(LookupSecretKey::parameters).collect() }
    }

    /// A fresh evaluation key for each set.
    pub fn evaluation_keys(&self) -> Vec<SeededLookupKey> {
        self.keys.iter().map(SeededLookupKey::generate).collect()
    }

    /// The bits of each set's keys, one set after the other.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(self.keys.iter().flat_map(|key| key.to_bytes().to_vec()).collect())
    }

    /// The keys that [`LookupSecrets::to_bytes`] wrote.
    ///
    /// # Errors
    /// If the number of bytes does not fit the sets, or big keys differ.
    pub fn from_bytes(sets: &LookupSets, mut bytes: &[u8]) -> Result<Self> {
        let mut keys: Vec<LookupSecretKey> = Vec::new();
        for (place, set) in sets.iter().enumerate() {
            let due = match place + 1 == sets.sets.len() {
                true => bytes.len(),
                false => packed_bytes(set.big_dimension() + set.lwe_dimension(), 1),
            };
            let own = bytes.split_off(..due).context("a secret key that is cut short")?;
            keys.push(LookupSecretKey::from_bytes(*set, own)?);
        }
        let secrets = Self { keys };
        let differs = secrets.keys.iter().any(|key| !key.shares_ring(secrets.first()));
        ensure!(!differs, "the big keys of the parameter sets of a secret key differ");
        Ok(secrets)
    }
}

impl From<LookupSecretKey> for LookupSecrets {
    fn from(key: LookupSecretKey) -> Self {
        Self { keys: vec![key] }
    }
}

/// The evaluation keys that follow each other in these bytes.
///
/// # Errors
/// If their number does not fit the sets.
pub fn read_lookup_keys(sets: &LookupSets, mut bytes: &[u8]) -> Result<Vec<SeededLookupKey>> {
    ensure!(
        bytes.len() == sets.key_bytes(),
        "an evaluation key of {} bytes, where {} are due",
        bytes.len(),
        sets.key_bytes()
    );
    let read = |set: &LookupParameters| {
        let own = bytes.split_off(..set.key_bytes()).context("an evaluation key that is cut short")?;
        SeededLookupKey::from_bytes(*set, own)
    };
    sets.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::lookup::trial::{fast, phase, set};
    use crate::crypto::{LookupTable, LookupWorkspace, LweCiphertext, switch_modulus};

    /// Two shapes of a ring key of 2,048 bits.
    fn sets() -> LookupSets {
        let (wide, fine) = (set((4, 512), 700, (17, 1), (3, 5)), set((2, 1024), 760, (23, 1), (4, 3)));
        LookupSets::new(vec![wide, fine]).unwrap()
    }

    #[test]
    fn rings_of_different_bits_are_refused() {
        let message = LookupSets::new(vec![fast(), *sets().first()]).unwrap_err().to_string();
        assert!(message.contains("1280 and of 2048 bits"), "{message}");
        assert!(LookupSets::new(Vec::new()).is_err());
    }

    #[test]
    fn what_one_set_looked_up_another_looks_up_again() {
        let secrets = LookupSecrets::generate(&sets());
        let bytes: Vec<u8> = secrets.evaluation_keys().iter().flat_map(SeededLookupKey::to_bytes).collect();
        let keys = read_lookup_keys(&sets(), &bytes).unwrap();
        let packed = secrets.first().encrypt(&[1 << 61, 3 << 61], 40);
        let mut values = LweCiphertext::expand(sets().first(), &packed, 40).unwrap();
        // Twice the sum of one half less: 1/8 -> 3/8 -> 1/8 with either set, in any order.
        for place in [0, 1, 1, 0] {
            let key = keys[place].expand();
            let workspace = &mut LookupWorkspace::new(&key.parameters());
            let swapped = [3_u64 << 61, 1 << 61];
            let table = LookupTable::odd(&key.parameters(), &swapped).unwrap();
            values = key.apply(&values, &[&table; 2], workspace);
        }
        let opened: Vec<u64> =
            values.iter().map(|value| switch_modulus(phase(secrets.first(), value), 3)).collect();
        assert_eq!(opened, [1, 3]);
    }

    #[test]
    fn keys_survive_a_file_and_damage_is_noticed() {
        let secrets = LookupSecrets::generate(&sets());
        let bytes = secrets.to_bytes();
        let again = LookupSecrets::from_bytes(&sets(), &bytes).unwrap();
        assert_eq!((again.sets(), again.to_bytes()), (sets(), bytes.clone()));
        assert!(LookupSecrets::from_bytes(&sets(), &bytes[1..]).is_err());
        let mut other = bytes.to_vec();
        other[0] ^= 1;
        let message = LookupSecrets::from_bytes(&sets(), &other).err().unwrap().to_string();
        assert!(message.contains("differ"), "{message}");
    }
}
