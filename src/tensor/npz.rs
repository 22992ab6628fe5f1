//! Rows of npz archives: arrays by field name, or one unnamed array for all fields.

use std::fs::File;
use std::io::{BufReader, Cursor, Read};

use anyhow::{Context, Result, bail, ensure};
use npyz::npz::{array_name_from_file_name, file_name_from_array_name};
use zip::{CompressionMethod, ZipArchive};

use super::Row;
use super::npy::{Array, ArrayRows};
use super::plan::{Plan, counted};

/// What numpy calls an array that was saved without a name.
const UNNAMED: &str = "arr_0";

/// The most bytes that the arrays of an archive may take in memory.
const MOST_BYTES: u64 = 1 << 30;

/// An array that was unpacked into memory.
pub(super) type Unpacked = Array<Cursor<Vec<u8>>>;

/// The rows of an archive: the arrays' rows side by side.
pub(super) struct ArchiveRows {
    arrays: Vec<ArrayRows<Cursor<Vec<u8>>>>,
}

impl ArchiveRows {
    /// Unpacks the arrays that the fields name; messages call the file `label`.
    ///
    /// # Errors
    /// If the file is no npz archive, lacks an array, is too large once unpacked, or the arrays
    /// do not fit the fields or have different numbers of rows.
    pub(super) fn open(label: &str, file: File, plan: &Plan) -> Result<Self> {
        let mut archive = Archive::open(label, file)?;
        let names = archive.names();
        let is_named = plan.fields().iter().any(|field| names.contains(&field.name));
        if names == [UNNAMED] && !is_named {
            return Ok(Self { arrays: vec![archive.unpack(UNNAMED)?.rows(plan.clone())?] });
        }
        let mut arrays = Vec::new();
        for field in plan.fields() {
            if !names.contains(&field.name) {
                bail!("{label} has no array '{}', it has {}", field.name, quoted(&names));
            }
            arrays.push(archive.unpack(&field.name)?.rows(Plan::new(std::slice::from_ref(field))?)?);
        }
        same_length(label, plan, &arrays)?;
        Ok(Self { arrays })
    }

    /// The number of rows.
    pub(super) fn len(&self) -> u64 {
        self.arrays.first().map_or(0, ArrayRows::len)
    }
}

impl Iterator for ArchiveRows {
    type Item = Result<Row>;

    fn next(&mut self) -> Option<Self::Item> {
        let parts: Option<Result<Vec<Row>>> = self.arrays.iter_mut().map(Iterator::next).collect();
        Some(parts?.map(|parts| parts.into_iter().flatten().collect()))
    }
}

/// The only array of an archive.
///
/// # Errors
/// If the file is no npz archive, or holds more arrays than one or none.
pub(super) fn only_array(label: &str, file: File) -> Result<Unpacked> {
    let mut archive = Archive::open(label, file)?;
    match archive.names().as_slice() {
        [name] => archive.unpack(name),
        names => bail!("expected one array in {label}, it has {}", quoted(names)),
    }
}

struct Archive<'a> {
    label: &'a str,
    zip: ZipArchive<BufReader<File>>,
    /// How many bytes may still be unpacked.
    left: u64,
}

impl<'a> Archive<'a> {
    fn open(label: &'a str, file: File) -> Result<Self> {
        let zip = ZipArchive::new(BufReader::new(file))
            .with_context(|| format!("cannot read {label}: it is not an npz archive"))?;
        Ok(Self { label, zip, left: MOST_BYTES })
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> =
            self.zip.file_names().filter_map(array_name_from_file_name).map(str::to_owned).collect();
        names.sort();
        names
    }

    fn unpack(&mut self, name: &str) -> Result<Unpacked> {
        let label = format!("{}, array '{name}'", self.label);
        let failed = || format!("cannot unpack {label}");
        let entry = self.zip.by_name(&file_name_from_array_name(name)).with_context(failed)?;
        let method = entry.compression();
        ensure!(
            matches!(method, CompressionMethod::Stored | CompressionMethod::Deflated),
            "cannot unpack {label}: it is compressed by {method}, numpy only stores or deflates"
        );
        let (claimed, left) = (entry.size(), self.left);
        ensure!(
            claimed <= left,
            "cannot unpack {label}: it takes {claimed} bytes, the arrays of an archive may take {MOST_BYTES}\n\
             hint: save large arrays as npy files"
        );
        let mut bytes = Vec::new();
        entry.take(claimed + 1).read_to_end(&mut bytes).with_context(failed)?;
        let held = bytes.len() as u64;
        ensure!(held == claimed, "cannot unpack {label}: it claims {claimed} bytes and holds {held}");
        self.left -= claimed;
        Array::open(label, Cursor::new(bytes), held)
    }
}

fn same_length(label: &str, plan: &Plan, arrays: &[ArrayRows<Cursor<Vec<u8>>>]) -> Result<()> {
    let mut lengths = plan.fields().iter().zip(arrays.iter().map(ArrayRows::len));
    let Some((first, rows)) = lengths.next() else { return Ok(()) };
    match lengths.find(|&(_, other)| other != rows) {
        Some((field, other)) => {
            let rows = counted(rows as usize, "row");
            bail!("{label}: array '{}' has {rows}, array '{}' has {other}", first.name, field.name)
        }
        None => Ok(()),
    }
}

fn quoted(names: &[String]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    names.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;
    use zip::ZipWriter;
    use zip::write::FileOptions;

    use super::*;
    use crate::tensor::trial::{field, floats, message, numbers, read};
    use crate::tensor::{DType, Field};

    fn array(shape: &str, data: &[u8]) -> Vec<u8> {
        let text = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}\n");
        let length = (text.len() as u16).to_le_bytes();
        [b"\x93NUMPY\x01\x00", &length[..], text.as_bytes(), data].concat()
    }

    fn archive(method: CompressionMethod, arrays: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in arrays {
            zip.start_file(format!("{name}.npy"), FileOptions::default().compression_method(method)).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    fn two_fields() -> Vec<Field> {
        vec![field("a", DType::F32, &[2]), field("b", DType::I64, &[])]
    }

    #[test]
    fn arrays_are_found_by_name_stored_or_deflated() {
        for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
            let arrays =
                [("b", array("(2,)", &[8, 9])), ("a", array("(2, 2)", &[1, 2, 3, 4])), ("y", Vec::new())];
            let read = numbers("npz", &archive(method, &arrays), &two_fields());
            assert_eq!(read, [1.0, 2.0, 8.0, 3.0, 4.0, 9.0]);
        }
    }

    #[test]
    fn an_unnamed_array_holds_all_fields() {
        let bytes = archive(CompressionMethod::Stored, &[("arr_0", array("(1, 3)", &[1, 2, 3]))]);
        assert_eq!(numbers("npz", &bytes, &floats(&[3])), [1.0, 2.0, 3.0]);
        assert_eq!(numbers("npz", &bytes, &two_fields()), [1.0, 2.0, 3.0]);
    }

    #[test]
    fn archives_that_do_not_fit_are_refused() {
        let stored = |arrays: &[(&str, Vec<u8>)]| archive(CompressionMethod::Stored, arrays);
        let lacking = stored(&[("a", array("(1, 2)", &[1, 2])), ("c", Vec::new())]);
        assert_eq!(message("npz", &lacking, &two_fields()), "'data.npz' has no array 'b', it has 'a', 'c'");
        let uneven = stored(&[("a", array("(1, 2)", &[1, 2])), ("b", array("(3,)", &[1, 2, 3]))]);
        assert_eq!(
            message("npz", &uneven, &two_fields()),
            "'data.npz': array 'a' has 1 row, array 'b' has 3"
        );
        let shaped = stored(&[("x", array("(1, 2)", &[1, 2]))]);
        assert_eq!(
            message("npz", &shaped, &floats(&[3])),
            "'data.npz', array 'x' has shape [1, 2], expected [rows, 3]"
        );
        assert_eq!(message("npz", &stored(&[]), &floats(&[3])), "'data.npz' has no array 'x', it has none");
        assert!(
            message("npz", b"abc", &floats(&[3]))
                .starts_with("cannot read 'data.npz': it is not an npz archive")
        );
    }

    #[test]
    fn an_archive_that_claims_too_much_is_refused_before_it_is_unpacked() {
        let mut bytes = archive(CompressionMethod::Deflated, &[("x", array("(1, 3)", &[1, 2, 3]))]);
        let directory = bytes.windows(4).position(|window| window == b"PK\x01\x02").unwrap();
        bytes[directory + 24..directory + 28].copy_from_slice(&u32::to_le_bytes(0xf000_0000));
        let message = message("npz", &bytes, &floats(&[3]));
        assert!(
            message
                .starts_with("cannot unpack 'data.npz', array 'x': it takes 4026531840 bytes, the arrays of"),
            "{message}"
        );
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(at in 0_usize..180, byte in any::<u8>(), noise in any::<Vec<u8>>()) {
            let mut bytes = archive(CompressionMethod::Deflated, &[("x", array("(1, 3)", &[1, 2, 3]))]);
            let at = at % bytes.len();
            bytes[at] = byte;
            let _ = read("npz", &bytes, &floats(&[3]));
            let _ = read("npz", &noise, &floats(&[3]));
        }
    }
}
