//! What the targets share: bytes as a file, rows of data files, and ONNX files of trees.
#![forbid(unsafe_code)]

pub mod onnx;
pub mod trees;

use std::io::Write;
use std::path::Path;

use fhe_ml::tensor::{DType, Field, Source, read_column, read_rows};

/// Gives `read` a file that holds the bytes.
pub fn with_file(extension: &str, bytes: &[u8], read: impl FnOnce(&Path)) {
    let suffix = format!(".{extension}");
    let mut file = tempfile::Builder::new().suffix(&suffix).tempfile().expect("a temporary file");
    file.write_all(bytes).expect("room for a temporary file");
    read(file.path());
}

/// Reads data of one format as rows of numbers, as rows of numbers and text, and as labels.
pub fn read_data(extension: &str, bytes: &[u8]) {
    let field = |name: &str, dtype, width: usize| {
        let shape = if width == 1 { Vec::new() } else { vec![width] };
        Field { name: name.to_owned(), dtype, shape, columns: None }
    };
    let numbers = [field("x", DType::F32, 3)];
    let mixed = [field("age", DType::F64, 1), field("kids", DType::I64, 1), field("city", DType::Text, 1)];
    with_file(extension, bytes, |path| {
        let source = Source::parse(path);
        for fields in [&numbers[..], &mixed[..]] {
            if let Ok(rows) = read_rows(&source, fields) {
                // Every row fits its fields or is an error.
                for row in rows.flatten() {
                    assert!(row.iter().zip(fields).all(|(tensor, field)| tensor.len() == field.len()));
                }
            }
        }
        if let Ok(column) = read_column(&source) {
            let _ = column.for_rows(3);
        }
    });
}
