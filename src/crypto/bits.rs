//! Integers of a given bit width, packed without gaps, lowest bits first.

/// The number of bytes that [`pack`] makes of `count` values of `bits` bits.
pub fn packed_bytes(count: usize, bits: u32) -> usize {
    (count * bits as usize).div_ceil(8)
}

/// Packs values below 2^bits (1 to 64 bits), in order.
pub fn pack(values: &[u64], bits: u32) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(packed_bytes(values.len(), bits));
    let mut pending = 0_u128;
    let mut pending_bits = 0;
    for value in values {
        pending |= u128::from(*value) << pending_bits;
        pending_bits += bits;
        if pending_bits >= 64 {
            bytes.extend((pending as u64).to_le_bytes());
            pending >>= 64;
            pending_bits -= 64;
        }
    }
    bytes.extend(pending.to_le_bytes().iter().take(pending_bits.div_ceil(8) as usize));
    bytes
}

/// The `count` values of `bits` bits (1 to 64) that [`pack`] made these bytes of, or `None` if the
/// number of bytes is not [`packed_bytes`] or the bits left over are not zero.
pub fn unpack(bytes: &[u8], count: usize, bits: u32) -> Option<Vec<u64>> {
    if bytes.len() != packed_bytes(count, bits) {
        return None;
    }
    let mask = u128::from(u64::MAX >> (64 - bits));
    let (words, tail) = bytes.as_chunks();
    let last = tail.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
    let mut words = words.iter().map(|word| u64::from_le_bytes(*word)).chain([last]);
    let mut pending = 0_u128;
    let mut pending_bits = 0;
    let mut values = Vec::with_capacity(count);
    for _ in 0..count {
        if pending_bits < bits {
            pending |= u128::from(words.next()?) << pending_bits;
            pending_bits += 64;
        }
        values.push((pending & mask) as u64);
        pending >>= bits;
        pending_bits -= bits;
    }
    (pending == 0 && words.all(|word| word == 0)).then_some(values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn packing_loses_nothing(values in prop::collection::vec(any::<u64>(), 0..100), bits in 1_u32..=64) {
            let values: Vec<u64> = values.iter().map(|value| value >> (64 - bits)).collect();
            let bytes = pack(&values, bits);
            prop_assert_eq!(bytes.len(), packed_bytes(values.len(), bits));
            prop_assert_eq!(unpack(&bytes, values.len(), bits), Some(values));
        }
    }

    #[test]
    fn wrong_lengths_and_stray_bits_are_refused() {
        assert_eq!(unpack(&[0, 0], 1, 8), None);
        assert_eq!(unpack(&[0x1f], 1, 4), None);
    }
}
