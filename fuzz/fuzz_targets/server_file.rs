//! Any bytes as the payload of a server file; one that is accepted knows where its rows lie and can be evaluated in the clear.
#![no_main]

use fhe_ml::artifact::from_bytes;
use fhe_ml::circuit::{Circuit, Schedule};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(circuit) = from_bytes::<Circuit>(bytes) else { return };
    let encoding = circuit.encoding();
    let rows = encoding.rows_per_block();
    assert!(encoding.input_block_bytes(rows) > 0 && encoding.output_block_bytes(rows) > 0);
    if let Circuit::Diagrams(circuit) = &circuit {
        assert!(
            Schedule::new(circuit.diagrams()).factors.len() <= circuit.diagrams().parts().selectors.len()
        );
        assert!(circuit.noise_variance() >= 0.0);
    }
    assert_eq!(circuit.evaluate(&vec![0; encoding.features()]).len(), encoding.outputs());
});
