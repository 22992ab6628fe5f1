//! Any bytes as a block of encrypted rows or results; one that is accepted is written back the same.
#![no_main]

use fhe_ml::circuit::{InputBlock, OutputBlock, PackedRows};
use fhe_ml::crypto::RingParameters;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let parameters = RingParameters::secure(2048).expect("a size of the curve");
    let encoding = PackedRows::new(parameters, (700, 3), 4, 5, 4).expect("an encoding");
    let mut written = Vec::new();
    if let Ok(block) = InputBlock::read(&encoding, bytes) {
        block.write(&encoding, &mut written);
        assert_eq!(written, bytes);
    }
    written.clear();
    if let Ok(block) = OutputBlock::read(&encoding, bytes) {
        block.write(&encoding, &mut written);
        assert_eq!(written, bytes);
    }
});
