//! An ONNX file as its protobuf message; files of other kinds are told by their first bytes.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, bail};
use prost::Message;
use tract_onnx::pb::ModelProto;

/// The largest file that is read: protobuf itself allows no more.
const MAX_FILE_BYTES: u64 = 2 << 30;

const EXPORT_TORCH: &str = "PyTorch checkpoints must be exported with torch.onnx.export";
const EXPORT_SKLEARN: &str = "export scikit-learn models with skl2onnx.to_onnx";
const EXPORT_TENSORFLOW: &str = "convert TensorFlow and Keras models with tf2onnx";

/// What a file that is not ONNX starts with, what it is, and what to do.
const FOREIGN: [(&[u8], &str, &str); 19] = [
    (b"PK\x03\x04", "a zip archive", EXPORT_TORCH),
    (b"\x80\x02", "a Python pickle", EXPORT_SKLEARN),
    (b"\x80\x03", "a Python pickle", EXPORT_SKLEARN),
    (b"\x80\x04", "a Python pickle", EXPORT_SKLEARN),
    (b"\x80\x05", "a Python pickle", EXPORT_SKLEARN),
    (b"\x89HDF", "an HDF5 file", EXPORT_TENSORFLOW),
    (b"\x89FHEML", "a file of fhe-ml", "give the ONNX model it was compiled from"),
    (b"\x89PNG", "a PNG image", ""),
    (b"\xff\xd8\xff", "a JPEG image", ""),
    (b"\x93NUMPY", "a numpy array", ""),
    (b"\x1f\x8b", "a gzip archive", "unpack it first"),
    (b"%PDF", "a PDF document", ""),
    (b"\x7fELF", "a program", ""),
    (b"GGUF", "a GGUF model", "export the original model to ONNX"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself", "fetch it with git lfs pull"),
    (b"{", "JSON", ""),
    (b"[", "JSON", ""),
    (b"<", "HTML or XML", ""),
    (b"tree\n", "a LightGBM text model", "convert it with onnxmltools.convert_lightgbm"),
];

/// The same for files whose mark stands at byte 4.
const FOREIGN_AT_4: [(&[u8], &str, &str); 2] = [
    (b"TFL3", "a TensorFlow Lite model", EXPORT_TENSORFLOW),
    (b"ORTM", "a model in onnxruntime's own format", "give the ONNX file it was made from"),
];

/// Reads and decodes a model file.
///
/// # Errors
/// If the file cannot be read, is too large, or is not ONNX.
pub(super) fn open(path: &Path) -> Result<ModelProto> {
    let mut file = File::open(path).context("cannot open the file")?;
    let metadata = file.metadata().context("cannot open the file")?;
    if metadata.is_dir() {
        bail!("it is a folder, not an ONNX file");
    }
    if metadata.len() > MAX_FILE_BYTES {
        bail!("the file has {} bytes, the limit is {MAX_FILE_BYTES}", metadata.len());
    }
    let mut bytes = Vec::new();
    file.by_ref().take(MAX_FILE_BYTES).read_to_end(&mut bytes).context("cannot read the file")?;
    decode(&bytes)
}

/// Decodes a model.
///
/// # Errors
/// If the bytes are not ONNX.
pub(super) fn decode(bytes: &[u8]) -> Result<ModelProto> {
    if bytes.is_empty() {
        bail!("it is empty, not an ONNX file");
    }
    if let Some((kind, hint)) = foreign(bytes) {
        let hint = if hint.is_empty() { String::new() } else { format!("\nhint: {hint}") };
        bail!("it is not an ONNX file but looks like {kind}{hint}");
    }
    let proto = match ModelProto::decode(bytes) {
        Ok(proto) => proto,
        Err(error) => bail!("it is not an ONNX file, or only a part of one ({error})"),
    };
    if proto.graph.is_none() {
        bail!("it is not an ONNX file, or only a part of one: it holds no graph");
    }
    Ok(proto)
}

fn foreign(bytes: &[u8]) -> Option<(&'static str, &'static str)> {
    let at = |start: usize, marks: &[(&[u8], &'static str, &'static str)]| {
        let bytes = bytes.get(start..)?;
        marks.iter().find(|(mark, _, _)| bytes.starts_with(mark)).map(|&(_, kind, hint)| (kind, hint))
    };
    at(0, &FOREIGN).or_else(|| at(4, &FOREIGN_AT_4))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(bytes: &[u8]) -> String {
        decode(bytes).unwrap_err().to_string()
    }

    #[test]
    fn foreign_files_are_called_by_their_names() {
        assert!(refusal(b"").contains("it is empty"));
        assert!(refusal(b"\x89PNG\r\n\x1a\n").contains("a PNG image"));
        assert!(refusal(b"PK\x03\x04data.pkl").contains("hint: PyTorch checkpoints"));
        assert!(refusal(b"\x80\x04\x95").contains("hint: export scikit-learn"));
        assert!(refusal(b"{\"a\": 1}").contains("JSON"));
        assert!(refusal(b"\x1c\x00\x00\x00TFL3").contains("TensorFlow Lite"));
    }

    #[test]
    fn truncated_and_empty_messages_are_refused() {
        assert!(refusal(b"\x3a\xff\x01abc").contains("only a part"));
        assert!(refusal(b"\x08\x07").contains("no graph"));
    }
}
