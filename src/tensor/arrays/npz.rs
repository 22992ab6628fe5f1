//! Named arrays of npz archives, unpacked as they are read.

use std::fs::File;
use std::io::BufReader;

use anyhow::{Context, Result};
use npyz::npz::array_name_from_file_name;
use zip::ZipArchive;
use zip::read::ZipFile;

use super::lengths;
use crate::tensor::Field;
use crate::tensor::npy::Array;

/// An open archive.
pub(super) struct Npz {
    label: String,
    zip: ZipArchive<BufReader<File>>,
}

impl Npz {
    /// Reads the directory of an archive that messages call `label`.
    ///
    /// # Errors
    /// If the file is none.
    pub(super) fn open(label: String, file: File) -> Result<Self> {
        let zip = ZipArchive::new(BufReader::new(file))
            .with_context(|| format!("cannot read {label}: it is not an npz archive"))?;
        Ok(Self { label, zip })
    }

    /// Its arrays, in order.
    ///
    /// # Errors
    /// If one of them is damaged, or holds no floating-point numbers.
    pub(super) fn fields(&mut self) -> Result<Vec<Field>> {
        (0..self.zip.len()).filter_map(|index| self.field(index).transpose()).collect()
    }

    /// Gives the values of an array.
    ///
    /// # Errors
    /// If there is none of this name, it cannot be unpacked, or `take` fails.
    pub(super) fn read(&mut self, name: &str, take: &mut dyn FnMut(&[f64]) -> Result<()>) -> Result<()> {
        let label = format!("{}, array '{name}'", self.label);
        let entry = self.zip.by_name(&npyz::npz::file_name_from_array_name(name));
        let entry = entry.with_context(|| format!("cannot unpack {label}"))?;
        array(label, entry)?.floats(take)
    }

    fn field(&mut self, index: usize) -> Result<Option<Field>> {
        let failed = || format!("cannot unpack {}", self.label);
        let entry = self.zip.by_index(index).with_context(failed)?;
        let Some(name) = array_name_from_file_name(entry.name()).map(str::to_owned) else { return Ok(None) };
        let label = format!("{}, array '{name}'", self.label);
        let array = array(label.clone(), entry)?;
        let dtype = array.float_type().with_context(|| {
            format!("{label} holds no float16, float32 or float64 elements\nhint: leave it out of the update")
        })?;
        Ok(Some(Field { name, dtype, shape: lengths(array.shape(), &label)?, columns: None }))
    }
}

fn array(label: String, entry: ZipFile<'_>) -> Result<Array<ZipFile<'_>>> {
    let bytes = entry.size();
    Array::open(label, entry, bytes)
}
