//! Large blocks of numbers, in huge pages where the system has them: keys and ciphertexts of many megabytes are read
//! over and over, from end to end, and looking pages up takes a third of that time.

use std::ops::{Deref, DerefMut};

use memmap2::MmapMut;
use tfhe::core_crypto::fft_impl::fft64::ABox;

use super::ring_ciphertext::zeros;

/// The bytes of a huge page; smaller blocks have no use for one.
const HUGE_PAGE: usize = 2 << 20;

/// Numbers, aligned for the widest registers.
pub struct Block {
    length: usize,
    memory: Memory,
}

enum Memory {
    Mapped(MmapMut),
    Allocated(ABox<[f64]>),
}

impl Block {
    /// So many zeros.
    pub fn zeros(length: usize) -> Self {
        let bytes = length * size_of::<f64>();
        let mapped = if bytes < HUGE_PAGE { None } else { MmapMut::map_anon(bytes).ok() };
        let memory = match mapped {
            Some(map) => {
                // A system without huge pages has small ones.
                #[cfg(target_os = "linux")]
                let _ = map.advise(memmap2::Advice::HugePage);
                Memory::Mapped(map)
            }
            None => Memory::Allocated(zeros(length)),
        };
        Self { length, memory }
    }
}

impl Deref for Block {
    type Target = [f64];

    fn deref(&self) -> &[f64] {
        match &self.memory {
            // Pages are aligned for any number, and there are as many bytes as numbers take.
            Memory::Mapped(map) => &bytemuck::cast_slice(map)[..self.length],
            Memory::Allocated(numbers) => numbers,
        }
    }
}

impl DerefMut for Block {
    fn deref_mut(&mut self) -> &mut [f64] {
        match &mut self.memory {
            // As above.
            Memory::Mapped(map) => &mut bytemuck::cast_slice_mut(map)[..self.length],
            Memory::Allocated(numbers) => numbers,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_any_size_are_zero_and_keep_what_is_written() {
        for length in [0, 1, 1000, HUGE_PAGE / 8 - 1, HUGE_PAGE / 8, 1_000_001] {
            let mut block = Block::zeros(length);
            assert_eq!(block.len(), length);
            assert!(block.iter().all(|number| *number == 0.0));
            block.iter_mut().enumerate().for_each(|(place, number)| *number = place as f64);
            assert!(block.iter().enumerate().all(|(place, number)| *number == place as f64));
        }
    }
}
