//! Any bytes as npy data.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| fhe_ml_fuzz::read_data("npy", bytes));
