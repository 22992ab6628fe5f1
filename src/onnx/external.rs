//! Weights in files of their own, beside the model.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail};
use tract_onnx::pb::TensorProto;

/// The `length` bytes of a tensor that is kept outside the model file.
///
/// # Errors
/// If the place is outside the model's folder, or the file is too short.
pub(super) fn bytes(proto: &TensorProto, folder: Option<&Path>, length: usize) -> Result<Vec<u8>> {
    let Some(folder) = folder else {
        bail!("its data is in another file, which a model in memory cannot have");
    };
    let location = entry(proto, "location").context("its data is in another file that is not named")?;
    let offset = number(proto, "offset")?.unwrap_or(0);
    if let Some(stored) = number(proto, "length")?
        && stored != length as u64
    {
        bail!("its shape needs {length} bytes, '{location}' is said to hold {stored}");
    }
    let path = inside(folder, location)?;
    let mut file = File::open(path).with_context(|| format!("cannot open '{location}'"))?;
    let metadata = file.metadata().with_context(|| format!("cannot open '{location}'"))?;
    if !metadata.is_file() {
        bail!("its data '{location}' is not a file");
    }
    if offset.checked_add(length as u64).is_none_or(|end| end > metadata.len()) {
        bail!("it needs {length} bytes from byte {offset} of '{location}', which has {}", metadata.len());
    }
    let mut bytes = vec![0; length];
    file.seek(SeekFrom::Start(offset)).with_context(|| format!("cannot read '{location}'"))?;
    file.read_exact(&mut bytes).with_context(|| format!("cannot read '{location}'"))?;
    Ok(bytes)
}

/// The place of a file, which must not leave the folder, through symbolic links neither.
fn inside(folder: &Path, location: &str) -> Result<PathBuf> {
    let relative = Path::new(location);
    let plain = |part: Component| matches!(part, Component::Normal(_) | Component::CurDir);
    if location.is_empty() || !relative.components().all(plain) {
        bail!("its data '{location}' must be in the model's folder");
    }
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let folder = folder.canonicalize().context("cannot find the model's folder")?;
    let path = folder.join(relative).canonicalize().with_context(|| format!("cannot find '{location}'"))?;
    if !path.starts_with(&folder) {
        bail!("its data '{location}' is a link that leaves the model's folder");
    }
    Ok(path)
}

fn entry<'a>(proto: &'a TensorProto, key: &str) -> Option<&'a str> {
    proto.external_data.iter().find(|entry| entry.key == key).map(|entry| entry.value.as_str())
}

fn number(proto: &TensorProto, key: &str) -> Result<Option<u64>> {
    let Some(text) = entry(proto, key) else { return Ok(None) };
    match text.parse() {
        Ok(number) => Ok(Some(number)),
        Err(_) => bail!("the {key} of its data in another file is '{text}', not a number"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tract_onnx::pb::StringStringEntryProto;

    fn tensor(entries: &[(&str, &str)]) -> TensorProto {
        let entry =
            |&(key, value): &(&str, &str)| StringStringEntryProto { key: key.into(), value: value.into() };
        TensorProto { external_data: entries.iter().map(entry).collect(), ..TensorProto::default() }
    }

    #[test]
    fn data_beside_the_model_is_read_at_its_offset() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("w.bin"), b"0123456789").unwrap();
        let proto = tensor(&[("location", "w.bin"), ("offset", "3"), ("length", "4")]);
        assert_eq!(bytes(&proto, Some(folder.path()), 4).unwrap(), b"3456");
        let message = bytes(&proto, Some(folder.path()), 8).unwrap_err().to_string();
        assert!(message.contains("needs 8 bytes") && message.contains("hold 4"), "{message}");
        let short = tensor(&[("location", "w.bin"), ("offset", "8")]);
        assert!(bytes(&short, Some(folder.path()), 4).unwrap_err().to_string().contains("which has 10"));
    }

    #[cfg(unix)]
    #[test]
    fn data_outside_the_folder_is_refused() {
        let outer = tempfile::tempdir().unwrap();
        std::fs::write(outer.path().join("w.bin"), b"0123").unwrap();
        let folder = outer.path().join("model");
        std::fs::create_dir(&folder).unwrap();
        std::os::unix::fs::symlink("../w.bin", folder.join("link")).unwrap();
        for location in ["../w.bin", "/etc/hostname", "link", ""] {
            assert!(bytes(&tensor(&[("location", location)]), Some(&folder), 4).is_err(), "{location}");
        }
        assert!(bytes(&tensor(&[("location", "w.bin")]), None, 4).is_err());
    }
}
