//! Any bytes as a file of named arrays.
#![no_main]

use fhe_ml::tensor::ArrayFile;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for extension in ["npz", "safetensors"] {
        fhe_ml_fuzz::with_file(extension, bytes, |path| {
            let Ok(mut file) = ArrayFile::open(path) else { return };
            for field in file.fields().to_vec() {
                let mut count = 0;
                let read = file.read(&field.name, &mut |values| {
                    count += values.len();
                    Ok(())
                });
                assert!(read.is_err() || count == field.len());
            }
        });
    }
});
