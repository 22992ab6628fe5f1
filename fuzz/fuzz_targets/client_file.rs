//! Any bytes as the payload of a client file; one that is accepted decodes results without panic.
#![no_main]

use fhe_ml::artifact::from_bytes;
use fhe_ml::circuit::ClientSpec;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(spec) = from_bytes::<ClientSpec>(bytes) else { return };
    if spec.check().is_ok() {
        let _ = spec.decode(&vec![0; spec.encoding.outputs()]);
    }
});
