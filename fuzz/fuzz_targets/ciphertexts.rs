//! Any bytes as a block of encrypted rows or results; one that is accepted is written back the same.
#![no_main]

use fhe_ml::circuit::{
    Encoding, InputBlock, Messages, OutputBlock, PackedBits, PackedBitsParts, PackedRows, Transport,
};
use fhe_ml::crypto::{Gadget, RingParameters};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let parameters = RingParameters::secure(2048).expect("a size of the curve");
    let messages = Messages::new(4).expect("a width");
    let rows = PackedRows::new(parameters, (700, 3), messages, 5, 4).expect("an encoding");
    let bits = PackedBits::new(PackedBitsParts {
        transport: Transport::Sent(parameters),
        gadget: Gadget::new(2, 2).expect("a gadget"),
        bits: 1,
        outputs: 3,
        rows_per_block: 1,
        messages,
        body_bits: 5,
        output_bits: 4,
    });
    for encoding in [Encoding::Rows(rows), Encoding::Bits(bits.expect("an encoding"))] {
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
    }
});
