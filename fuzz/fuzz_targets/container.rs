//! Any bytes as an artifact: the header, the checksum, the last block.
#![no_main]

use fhe_ml::artifact::Reader;
use fhe_ml::progress::Silent;
use fhe_ml_fuzz::with_file;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    with_file("fhe", bytes, |path| {
        let Ok(mut reader) = Reader::open(path) else { return };
        assert_eq!(reader.file_len(), bytes.len() as u64);
        if let Some(size) = reader.header().blocks {
            let _ = reader.last_block(size);
        }
        let _ = reader.verify(&Silent);
        let _ = reader.decode::<Vec<u64>>();
    });
});
