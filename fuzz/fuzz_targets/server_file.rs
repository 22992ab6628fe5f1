//! Any bytes as the payload of a server file; one that is accepted knows where its rows lie.
#![no_main]

use fhe_ml::artifact::from_bytes;
use fhe_ml::circuit::Circuit;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(circuit) = from_bytes::<Circuit>(bytes) else { return };
    let encoding = circuit.encoding();
    let layout = encoding.layout(encoding.rows_per_block());
    assert!(layout.body_len() <= encoding.parameters().polynomial_size());
});
