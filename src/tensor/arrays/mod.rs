//! Files of named arrays, as models and their updates are kept: npz and safetensors.
//!
//! Takes a file, gives the names, types and shapes of its arrays and then their values piece by piece, so that
//! no file need fit into memory; writes such files back. It knows only floating-point numbers.

mod npz;
mod safetensors;
mod writer;

pub use writer::ArrayWriter;

use std::path::Path;

use anyhow::{Context, Result, bail};

use self::npz::Npz;
use self::safetensors::Safetensors;
use super::Field;
use super::source::open_file;

/// A format of files of named arrays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArrayFormat {
    /// A numpy archive.
    Npz,
    /// The format of the safetensors library.
    Safetensors,
}

impl ArrayFormat {
    /// The format that the extension of a file name asks for.
    ///
    /// # Errors
    /// If it is of no known format.
    pub fn of(path: &Path) -> Result<Self> {
        let extension = path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
        match extension.as_deref() {
            Some("npz") => Ok(Self::Npz),
            Some("safetensors") => Ok(Self::Safetensors),
            Some(_) | None => bail!(
                "'{}' is no file of named arrays by its extension\nhint: use npz or safetensors",
                path.display()
            ),
        }
    }
}

/// An open file of named arrays of floating-point numbers.
pub struct ArrayFile {
    arrays: Arrays,
    fields: Vec<Field>,
}

enum Arrays {
    Npz(Npz),
    Safetensors(Safetensors),
}

impl ArrayFile {
    /// Opens a file and reads what its arrays are.
    ///
    /// # Errors
    /// If it cannot be read, is damaged, or holds something else than floating-point numbers.
    pub fn open(path: &Path) -> Result<Self> {
        let format = ArrayFormat::of(path)?;
        let (file, bytes) = open_file(path)?;
        let label = format!("'{}'", path.display());
        let (arrays, fields) = match format {
            ArrayFormat::Npz => {
                let mut npz = Npz::open(label, file)?;
                let fields = npz.fields()?;
                (Arrays::Npz(npz), fields)
            }
            ArrayFormat::Safetensors => {
                let safetensors = Safetensors::open(label, file, bytes)?;
                let fields = safetensors.fields()?;
                (Arrays::Safetensors(safetensors), fields)
            }
        };
        Ok(Self { arrays, fields })
    }

    /// Name, type and shape of each array, in the order of the file.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// Gives the values of the array called `name`, in row-major order, piece by piece.
    ///
    /// # Errors
    /// If there is no such array, it cannot be read, or `take` fails.
    pub fn read(&mut self, name: &str, take: &mut dyn FnMut(&[f64]) -> Result<()>) -> Result<()> {
        match &mut self.arrays {
            Arrays::Npz(npz) => npz.read(name, take),
            Arrays::Safetensors(safetensors) => safetensors.read(name, take),
        }
    }
}

/// The lengths of the axes as numbers of this machine.
fn lengths(shape: &[u64], label: &str) -> Result<Vec<usize>> {
    let length = |length: &u64| usize::try_from(*length);
    shape.iter().map(length).collect::<Result<_, _>>().with_context(|| format!("{label} is too large"))
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use proptest::prelude::*;

    use super::*;
    use crate::tensor::DType;

    fn field(name: &str, dtype: DType, shape: &[usize]) -> Field {
        Field { name: name.to_owned(), dtype, shape: shape.to_vec(), columns: None }
    }

    fn written(format: ArrayFormat, fields: &[Field], values: &[f64]) -> Vec<u8> {
        let mut writer = ArrayWriter::new(format, Cursor::new(Vec::new()), fields).unwrap();
        values.chunks(3).for_each(|values| writer.write(values).unwrap());
        writer.finish().unwrap().into_inner()
    }

    fn opened(extension: &str, bytes: &[u8]) -> Result<(Vec<Field>, Vec<Vec<f64>>)> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(format!("update.{extension}"));
        std::fs::write(&path, bytes).unwrap();
        let mut file = ArrayFile::open(&path).map_err(|error| {
            anyhow::anyhow!("{}", format!("{error:#}").replace(&*path.to_string_lossy(), "update"))
        })?;
        let fields = file.fields().to_vec();
        let read = |field: &Field| {
            let mut values = Vec::new();
            file.read(&field.name, &mut |piece| {
                values.extend_from_slice(piece);
                Ok(())
            })?;
            Ok(values)
        };
        let values = fields.iter().map(read).collect::<Result<_>>()?;
        Ok((fields, values))
    }

    const FORMATS: [(&str, ArrayFormat); 2] =
        [("npz", ArrayFormat::Npz), ("safetensors", ArrayFormat::Safetensors)];

    proptest! {
        #[test]
        fn what_is_written_is_read(shape in prop::collection::vec(0_usize..5, 0..4), half in any::<bool>()) {
            let other = if half { DType::F16 } else { DType::F32 };
            let fields = [field("w", DType::F64, &shape), field("empty", other, &[0]), field("b.bias", other, &[7])];
            let count: usize = fields.iter().map(Field::len).sum();
            let values: Vec<f64> = (0..count).map(|i| i as f64 / 4.0 - 5.0).collect();
            for (extension, format) in FORMATS {
                let (found, arrays) = opened(extension, &written(format, &fields, &values)).unwrap();
                prop_assert_eq!(found.len(), fields.len(), "{}", extension);
                prop_assert!(fields.iter().all(|field| found.contains(field)), "{}: {:?}", extension, found);
                prop_assert_eq!(arrays.concat(), values.clone(), "{}", extension);
            }
        }

        #[test]
        fn no_bytes_make_it_panic(at in 0_usize..400, byte in any::<u8>(), noise in any::<Vec<u8>>()) {
            for (extension, format) in FORMATS {
                let mut bytes = written(format, &[field("w", DType::F32, &[2, 2])], &[1.0, 2.0, 3.0, 4.0]);
                let at = at % bytes.len();
                bytes[at] = byte;
                let _ = opened(extension, &bytes);
                let _ = opened(extension, &noise);
            }
        }
    }

    #[test]
    fn damaged_files_are_refused_in_a_sentence() {
        let whole = written(ArrayFormat::Safetensors, &[field("w", DType::F32, &[2])], &[1.0, 2.0]);
        let message = |extension: &str, bytes: &[u8]| opened(extension, bytes).unwrap_err().to_string();
        assert_eq!(
            message("safetensors", &whole[..whole.len() - 1]),
            "cannot read 'update': its arrays take 8 bytes, the file holds 7"
        );
        assert_eq!(message("safetensors", b"abc"), "cannot read 'update': it ends within its header");
        assert_eq!(
            message("safetensors", &u64::MAX.to_le_bytes()),
            "cannot read 'update': its header claims 18446744073709551615 bytes, at most 16777216 are allowed"
        );
        let text = br#"{"n":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}}"#;
        let integers = [&(text.len() as u64).to_le_bytes()[..], text, &[0; 8]].concat();
        let refused = message("safetensors", &integers);
        assert!(
            refused.starts_with("'update', array 'n' holds I64 elements, not float16, float32"),
            "{refused}"
        );
        assert!(message("npz", b"abc").starts_with("cannot read 'update': it is not an npz archive"));
        assert!(
            ArrayFormat::of(Path::new("x.csv")).unwrap_err().to_string().contains("no file of named arrays")
        );
    }

    #[test]
    fn arrays_in_column_order_are_read_row_by_row() {
        let archive = |shape: &str, values: &[f64]| {
            let text = format!("{{'descr': '<f8', 'fortran_order': True, 'shape': {shape}, }}\n");
            let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
            zip.start_file("w.npy", zip::write::FileOptions::default()).unwrap();
            zip.write_all(b"\x93NUMPY\x01\x00").unwrap();
            zip.write_all(&(text.len() as u16).to_le_bytes()).unwrap();
            zip.write_all(text.as_bytes()).unwrap();
            values.iter().for_each(|value| zip.write_all(&value.to_le_bytes()).unwrap());
            zip.finish().unwrap().into_inner()
        };
        let (_, values) = opened("npz", &archive("(2, 3)", &[1.0, 4.0, 2.0, 5.0, 3.0, 6.0])).unwrap();
        assert_eq!(values, [[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]]);
        let (fields, values) = opened("npz", &archive("(1000000000000000000, 0)", &[])).unwrap();
        assert_eq!((fields[0].len(), values), (0, vec![Vec::new()]));
    }

    #[test]
    fn writers_count_their_values() {
        let fields = [field("w", DType::F32, &[2])];
        for (_, format) in FORMATS {
            let new = || ArrayWriter::new(format, Cursor::new(Vec::new()), &fields).unwrap();
            assert_eq!(new().write(&[1.0; 3]).unwrap_err().to_string(), "more values than the arrays hold");
            assert_eq!(new().finish().unwrap_err().to_string(), "2 values of the arrays were not written");
        }
    }
}
