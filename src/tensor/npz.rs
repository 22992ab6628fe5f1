//! Rows of npz archives: arrays by field name, or one unnamed array for all fields.

use std::fs::File;
use std::io::{BufReader, Cursor, Read};

use anyhow::{Context, Result, bail, ensure};
use npyz::npz::{array_name_from_file_name, file_name_from_array_name};
use zip::{CompressionMethod, ZipArchive};

use super::Row;
use super::npy::{Array, ArrayRows};
use super::plan::Plan;

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
        if let ([name], false) =
            (names.as_slice(), plan.fields().iter().any(|field| names.contains(&field.name)))
        {
            if name == UNNAMED {
                return Ok(Self { arrays: vec![archive.unpack(name)?.rows(plan.clone())?] });
            }
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
            bail!("{label}: array '{}' has {rows} rows, array '{}' has {other}", first.name, field.name)
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
