//! Any bytes as an ONNX model; one that is read can be cut into its parts or is refused.
#![no_main]

use fhe_ml::compile;
use fhe_ml::onnx::{Options, read_bytes};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(model) = read_bytes(bytes, None, &Options::default()) {
        let _ = compile::parts(&model);
    }
});
