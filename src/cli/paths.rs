//! The paths that need not be typed.

use std::path::{Path, PathBuf};

/// Where `keygen` puts keys and the others look for them.
pub const KEYS: &str = "keys";

/// The file that is meant: a folder stands for the file of that name in it.
pub fn file_or_in(path: &Path, name: &str) -> PathBuf {
    if path.is_dir() { path.join(name) } else { path.to_owned() }
}

/// The folder for a compiled model: 'iris' for 'models/iris.onnx'.
pub fn folder_for_model(model: &Path) -> PathBuf {
    match model.file_stem() {
        Some(stem) if Path::new(stem) != model => PathBuf::from(stem),
        Some(_) | None => PathBuf::from("model"),
    }
}

/// The encrypted rows of 'rows.csv': 'rows.ct' beside it.
pub fn encrypted(data: &Path) -> PathBuf {
    data.with_extension("ct")
}

/// The encrypted results for 'rows.ct': 'rows.out.ct' beside it.
pub fn results(input: &Path) -> PathBuf {
    input.with_extension("out.ct")
}

/// The results in 'rows.out.ct': 'rows.out.csv' beside it.
pub fn decrypted(output: &Path) -> PathBuf {
    output.with_extension("csv")
}

/// The average of the sum in 'sum.ct': 'sum.npz' beside it.
pub fn average(sum: &Path) -> PathBuf {
    sum.with_extension("npz")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pipeline_names_its_files() {
        assert_eq!(folder_for_model(Path::new("models/iris.onnx")), Path::new("iris"));
        assert_eq!(folder_for_model(Path::new("iris")), Path::new("model"));
        assert_eq!(encrypted(Path::new("in/rows.csv")), Path::new("in/rows.ct"));
        assert_eq!(results(Path::new("in/rows.ct")), Path::new("in/rows.out.ct"));
        assert_eq!(average(Path::new("in/sum.ct")), Path::new("in/sum.npz"));
        assert_eq!(decrypted(Path::new("in/rows.out.ct")), Path::new("in/rows.out.csv"));
    }

    #[test]
    fn a_folder_stands_for_the_file_in_it() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(file_or_in(folder.path(), "client.fhe"), folder.path().join("client.fhe"));
        assert_eq!(file_or_in(Path::new("no/such.fhe"), "client.fhe"), Path::new("no/such.fhe"));
    }
}
