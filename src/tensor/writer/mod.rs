//! Writes rows of outputs in the format that a file name asks for.

mod csv;
mod element;
mod json;
mod npy;
mod npz;

pub(super) use self::element::{append_bytes, type_string};
pub(super) use self::npy::write_shape;

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use self::csv::CsvWriter;
use self::json::JsonWriter;
use self::npy::NpyWriter;
use self::npz::NpzWriter;
use super::plan::counted;
use super::{DType, Field, Tensor};

/// A format that rows are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One numpy array.
    Npy,
    /// A numpy archive of named arrays.
    Npz,
    /// Comma-separated text with a header.
    Csv,
    /// An array of objects.
    Json,
}

impl Format {
    /// The format that the extension of a file name asks for.
    ///
    /// # Errors
    /// If there is no extension, or it is of no known format.
    pub fn of(path: &Path) -> Result<Self> {
        let extension = path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
        match extension.as_deref() {
            Some("npy") => Ok(Self::Npy),
            Some("npz") => Ok(Self::Npz),
            Some("csv") => Ok(Self::Csv),
            Some("json") => Ok(Self::Json),
            Some(other) => bail!(
                "cannot write '{}': the extension '{other}' names no known format\n\
                 hint: use npy, npz, csv or json",
                path.display()
            ),
            None => bail!(
                "cannot write '{}': it has no extension to tell the format by\nhint: use npy, npz, csv or json",
                path.display()
            ),
        }
    }
}

/// Writes rows, each a tensor for every field.
pub struct RowWriter<W: Write> {
    format: FormatWriter<W>,
    fields: Vec<Field>,
    /// Which fields are written, in order.
    chosen: Vec<usize>,
    rows: u64,
    written: u64,
}

enum FormatWriter<W: Write> {
    Npy(NpyWriter<W>),
    Npz(NpzWriter<W>),
    Csv(Box<CsvWriter<W>>),
    Json(JsonWriter<W>),
}

impl<W: Write> RowWriter<W> {
    /// Begins to write `rows` rows of `fields`, or of the one field called `selected`.
    ///
    /// An npy file holds one field: the selected one, else the last that holds floats, else the
    /// last that holds numbers.
    ///
    /// # Errors
    /// If no field has the selected name, the format cannot hold the fields, or writing fails.
    pub fn new(format: Format, out: W, fields: &[Field], rows: u64, selected: Option<&str>) -> Result<Self> {
        let chosen = chosen(format, fields, selected)?;
        let written: Vec<&Field> = chosen.iter().filter_map(|&index| fields.get(index)).collect();
        let format = match format {
            Format::Npy => FormatWriter::Npy(NpyWriter::new(out, &written, rows)?),
            Format::Npz => FormatWriter::Npz(NpzWriter::new(out, &written)),
            Format::Csv => FormatWriter::Csv(Box::new(CsvWriter::new(out, &written)?)),
            Format::Json => FormatWriter::Json(JsonWriter::new(out, &written)?),
        };
        Ok(Self { format, fields: fields.to_vec(), chosen, rows, written: 0 })
    }

    /// Writes one row: a tensor for every field, selected or not.
    ///
    /// # Errors
    /// If the tensors do not fit the fields, there are more rows than announced, or writing fails.
    pub fn write(&mut self, row: &[Tensor]) -> Result<()> {
        self.check(row).with_context(|| format!("cannot write row {}", self.written + 1))?;
        let values: Vec<&Tensor> = self.chosen.iter().filter_map(|&index| row.get(index)).collect();
        match &mut self.format {
            FormatWriter::Npy(writer) => writer.write(&values)?,
            FormatWriter::Npz(writer) => writer.write(&values)?,
            FormatWriter::Csv(writer) => writer.write(&values)?,
            FormatWriter::Json(writer) => writer.write(&values)?,
        }
        self.written += 1;
        Ok(())
    }

    /// Writes what is left to write. Gives back what was written to.
    ///
    /// # Errors
    /// If there were fewer rows than announced, or writing fails.
    pub fn finish(self) -> Result<W> {
        let (written, rows) = (self.written, self.rows);
        ensure!(written == rows, "{written} of {rows} rows were written");
        match self.format {
            FormatWriter::Npy(writer) => writer.finish(),
            FormatWriter::Npz(writer) => writer.finish(rows),
            FormatWriter::Csv(writer) => writer.finish(),
            FormatWriter::Json(writer) => writer.finish(),
        }
    }

    fn check(&self, row: &[Tensor]) -> Result<()> {
        ensure!(self.written < self.rows, "the number of rows announced is {}", self.rows);
        let (found, wanted) = (row.len(), self.fields.len());
        ensure!(found == wanted, "it has {}, expected {wanted}", counted(found, "output"));
        for (field, tensor) in self.fields.iter().zip(row) {
            let (found, wanted) = (tensor.len(), field.len());
            ensure!(found == wanted, "'{}' has {}, expected {wanted}", field.name, counted(found, "value"));
            let (found, wanted) = (tensor.dtype(), field.dtype);
            let agree = (found == DType::Text) == (wanted == DType::Text);
            ensure!(agree, "'{}' has type {found}, expected {wanted}", field.name);
        }
        Ok(())
    }
}

fn chosen(format: Format, fields: &[Field], selected: Option<&str>) -> Result<Vec<usize>> {
    if let Some(name) = selected {
        let index = fields.iter().position(|field| field.name == name);
        let index =
            index.with_context(|| format!("no output is called '{name}', there are {}", names(fields)))?;
        return Ok(vec![index]);
    }
    match format {
        Format::Npz | Format::Csv | Format::Json => Ok((0..fields.len()).collect()),
        Format::Npy => {
            let floats = fields.iter().rposition(|field| field.dtype.is_float());
            let numbers = || fields.iter().rposition(|field| field.dtype != DType::Text);
            let index = floats.or_else(numbers).with_context(|| {
                format!(
                    "no output holds numbers for an npy file, there are {}\nhint: write csv or json",
                    names(fields)
                )
            })?;
            Ok(vec![index])
        }
    }
}

fn names(fields: &[Field]) -> String {
    fields.iter().map(|field| format!("'{}'", field.name)).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use ndarray::{ArrayD, IxDyn};
    use proptest::prelude::*;

    use super::*;
    use crate::tensor::Row;
    use crate::tensor::trial::{field, read};

    #[derive(Clone, Debug, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn written(format: Format, fields: &[Field], rows: &[Row], selected: Option<&str>) -> Result<Vec<u8>> {
        let sink = Sink::default();
        let mut writer = RowWriter::new(format, Box::new(sink.clone()), fields, rows.len() as u64, selected)?;
        rows.iter().try_for_each(|row| writer.write(row))?;
        writer.finish()?;
        let bytes = sink.0.lock().unwrap().clone();
        Ok(bytes)
    }

    fn text(format: Format, fields: &[Field], rows: &[Row]) -> String {
        String::from_utf8(written(format, fields, rows, None).unwrap()).unwrap()
    }

    fn numbers(field: &Field, values: &[f64]) -> Tensor {
        let values = ArrayD::from_shape_vec(IxDyn(&field.batch_shape()), values.to_vec()).unwrap();
        Tensor::numbers(field.dtype, values).unwrap()
    }

    fn label(text: &str) -> Tensor {
        Tensor::text(ArrayD::from_elem(IxDyn(&[1]), text.to_owned()))
    }

    /// A label, probabilities by class, and a matrix.
    fn outputs() -> (Vec<Field>, Vec<Row>) {
        let mut probabilities = field("p", DType::F32, &[2]);
        probabilities.columns = Some(vec!["no".into(), "yes, \"sir\"".into()]);
        let matrix = field("m", DType::I64, &[2, 2]);
        let row = vec![
            label("a,b"),
            numbers(&probabilities, &[0.1, f64::NAN]),
            numbers(&matrix, &[1.0, 2.0, 3.0, 4.0]),
        ];
        (vec![field("label", DType::Text, &[]), probabilities, matrix], vec![row.clone(), row])
    }

    #[test]
    fn formats_are_told_by_extension() {
        assert_eq!(Format::of(Path::new("a/b.JSON")).unwrap(), Format::Json);
        assert_eq!(Format::of(Path::new("b.npz")).unwrap(), Format::Npz);
        let message = Format::of(Path::new("b.txt")).unwrap_err().to_string();
        let wanted = "cannot write 'b.txt': the extension 'txt' names no known format\nhint: use npy, npz, csv or json";
        assert_eq!(message, wanted);
        assert!(Format::of(Path::new("npy")).unwrap_err().to_string().contains("it has no extension"));
    }

    #[test]
    fn json_holds_scalars_objects_and_nested_lists() {
        let (fields, rows) = outputs();
        let row = r#"{"label": "a,b", "p": {"no": 0.1, "yes, \"sir\"": null}, "m": [[1, 2], [3, 4]]}"#;
        assert_eq!(text(Format::Json, &fields, &rows), format!("[\n{row},\n{row}\n]\n"));
    }

    #[test]
    fn csv_holds_a_column_for_each_element() {
        let (fields, rows) = outputs();
        let header = "label,p.no,\"p.yes, \"\"sir\"\"\",m.0,m.1,m.2,m.3\n";
        let row = "\"a,b\",0.1,NaN,1,2,3,4\n";
        assert_eq!(text(Format::Csv, &fields, &rows), format!("{header}{row}{row}"));
    }

    #[test]
    fn npy_holds_the_last_floats_or_the_selected_output() {
        let (fields, rows) = outputs();
        let last_floats = written(Format::Npy, &fields, &rows, None).unwrap();
        assert!(String::from_utf8_lossy(&last_floats).contains("'<f4'"));
        let selected = written(Format::Npy, &fields, &rows, Some("m")).unwrap();
        assert!(String::from_utf8_lossy(&selected).contains("'<i8'"));
        assert_eq!(
            read("npy", &selected, &fields[2..]).unwrap(),
            [rows[0][2..].to_vec(), rows[1][2..].to_vec()]
        );
    }

    #[test]
    fn the_same_rows_give_the_same_archive() {
        let (fields, rows) = outputs();
        let archive = written(Format::Npz, &fields, &rows, None).unwrap();
        assert_eq!(archive, written(Format::Npz, &fields, &rows, None).unwrap());
        let back = read("npz", &archive, &fields).unwrap();
        assert_eq!(back[1][0], rows[1][0]);
        assert_eq!(back[1][2], rows[1][2]);
    }

    #[test]
    fn what_cannot_be_written_is_refused() {
        let (fields, rows) = outputs();
        let message = |format, fields: &[Field], rows: &[Row], selected| {
            format!("{:#}", written(format, fields, rows, selected).unwrap_err())
        };
        assert_eq!(
            message(Format::Npy, &fields, &rows, Some("label")),
            "an npy file cannot hold 'label', which is text\nhint: write csv or json"
        );
        assert_eq!(
            message(Format::Npy, &fields[..1], &rows, None),
            "no output holds numbers for an npy file, there are 'label'\nhint: write csv or json"
        );
        assert_eq!(
            message(Format::Json, &fields, &rows, Some("q")),
            "no output is called 'q', there are 'label', 'p', 'm'"
        );
        let swapped = vec![rows[0][1].clone(), rows[0][0].clone(), rows[0][2].clone()];
        assert_eq!(
            message(Format::Csv, &fields, &[swapped], None),
            "cannot write row 1: 'label' has 2 values, expected 1"
        );
        assert_eq!(
            message(Format::Csv, &fields, &[vec![]], None),
            "cannot write row 1: it has 0 outputs, expected 3"
        );
    }

    #[test]
    fn fewer_or_more_rows_than_announced_are_refused() {
        let (fields, rows) = outputs();
        let mut writer = RowWriter::new(Format::Csv, Box::new(Sink::default()), &fields, 1, None).unwrap();
        writer.write(&rows[0]).unwrap();
        assert_eq!(
            format!("{:#}", writer.write(&rows[0]).unwrap_err()),
            "cannot write row 2: the number of rows announced is 1"
        );
        let writer = RowWriter::new(Format::Csv, Box::new(Sink::default()), &fields, 2, None).unwrap();
        assert_eq!(writer.finish().unwrap_err().to_string(), "0 of 2 rows were written");
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(
            floats in proptest::collection::vec(any::<f32>().prop_filter("finite", |v| v.is_finite()), 1..20),
            integer in -(1_i64 << 52)..(1_i64 << 52),
            half in any::<u16>().prop_map(|bits| half::f16::from_bits(bits & 0x7bff).to_f64()),
            truth in any::<bool>(),
            words in "[a-zA-Zé\"', \\n]{1,12}[a-z]",
        ) {
            let fields = [
                field("n", DType::I64, &[]),
                field("x", DType::F32, &[floats.len()]),
                field("h", DType::F16, &[1, 1]),
                field("b", DType::Bool, &[1]),
                field("t", DType::Text, &[]),
            ];
            let values: Vec<f64> = floats.into_iter().map(f64::from).collect();
            let row = vec![
                numbers(&fields[0], &[integer as f64]),
                numbers(&fields[1], &values),
                numbers(&fields[2], &[half]),
                numbers(&fields[3], &[f64::from(u8::from(truth))]),
                label(&words),
            ];
            let rows = vec![row.clone(), row];
            for (format, extension) in [(Format::Json, "json"), (Format::Csv, "csv"), (Format::Npz, "npz")] {
                let bytes = written(format, &fields, &rows, None).unwrap();
                prop_assert_eq!(&read(extension, &bytes, &fields).unwrap(), &rows);
            }
            let bytes = written(Format::Npy, &fields[..2], &[rows[0][..2].to_vec()], None).unwrap();
            prop_assert_eq!(&read("npy", &bytes, &fields[1..2]).unwrap()[0], &rows[0][1..2]);
        }
    }
}
