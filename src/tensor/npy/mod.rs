//! Rows of npy arrays: read one by one from arrays in row order, from memory otherwise.

mod element;
mod header;

pub(super) use header::MAGIC;

use std::io::Read;

use anyhow::{Context, Result, bail, ensure};

use self::header::Header;
use super::plan::Plan;
use super::{DType, Row};

/// The number of elements that are given at once.
const PIECE: usize = 1 << 14;

/// An array whose header was read and agrees with the size of the file.
pub(super) struct Array<R> {
    label: String,
    reader: R,
    header: Header,
}

impl<R: Read> Array<R> {
    /// Reads the header of an npy file of `held` bytes that messages call `label`.
    ///
    /// # Errors
    /// If this is no npy file of numbers or text, is cut short or goes on after its last value.
    pub(super) fn open(label: String, mut reader: R, held: u64) -> Result<Self> {
        let header = Header::read(&mut reader).with_context(|| format!("cannot read {label}"))?;
        let data = held.saturating_sub(header.data_start);
        match header.data_bytes() {
            Some(bytes) if bytes == data => Ok(Self { label, reader, header }),
            Some(bytes) => {
                let damage = if bytes > data { "it is cut short" } else { "it goes on after its last value" };
                let shape = shape_text(&header.shape);
                bail!(
                    "cannot read {label}: {damage}: shape {shape} takes {bytes} bytes, the file holds {data}"
                )
            }
            None => {
                bail!("cannot read {label}: its header claims the absurd shape {}", shape_text(&header.shape))
            }
        }
    }

    /// Whether the elements are text.
    pub(super) fn is_text(&self) -> bool {
        self.header.element.is_text()
    }

    /// The length of every axis.
    pub(super) fn shape(&self) -> &[u64] {
        &self.header.shape
    }

    /// The type of elements that are floating-point numbers.
    pub(super) fn float_type(&self) -> Option<DType> {
        self.header.element.float_type()
    }

    /// Gives all elements of an array of floating-point numbers, in row-major order, piece by piece.
    ///
    /// # Errors
    /// If reading fails, an array in column order is too large for memory, or `take` fails.
    pub(super) fn floats(mut self, take: &mut dyn FnMut(&[f64]) -> Result<()>) -> Result<()> {
        let element = self.header.element;
        let decode = |bytes: &[u8]| -> Vec<f64> {
            bytes.chunks_exact(element.size()).map(|bytes| element.float(bytes)).collect()
        };
        let mut left = self.header.data_bytes().unwrap_or_default();
        // Without values, a shape may claim any number of rows.
        if self.header.fortran && self.header.shape.len() > 1 && left > 0 {
            let shape = self.header.shape.clone();
            let columns = Columns::load(&mut self, &shape)?;
            let rows = shape.first().copied().unwrap_or_default();
            return (0..rows).try_for_each(|row| take(&decode(&columns.row_bytes(row, element.size()))));
        }
        let mut bytes = vec![0; PIECE * element.size()];
        while left > 0 {
            bytes.truncate(usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len()));
            self.reader.read_exact(&mut bytes).with_context(|| format!("cannot read {}", self.label))?;
            take(&decode(&bytes))?;
            left -= bytes.len() as u64;
        }
        Ok(())
    }

    /// The array's rows, each fitted to `plan`.
    ///
    /// # Errors
    /// If the shape does not fit, or an array in column order is too large for memory.
    pub(super) fn rows(self, plan: Plan) -> Result<ArrayRows<R>> {
        let shape = row_shape(&self.header.shape, &plan).with_context(|| {
            let (found, wanted) = (shape_text(&self.header.shape), wanted_shape(&plan));
            format!("{} has shape {found}, expected {wanted}", self.label)
        })?;
        let rows = shape.first().copied().unwrap_or_default();
        let mut rows = ArrayRows { array: self, plan, rows, next: 0, columns: None };
        if rows.array.header.fortran {
            rows.columns = Some(Columns::load(&mut rows.array, &shape)?);
        }
        Ok(rows)
    }
}

/// The rows of an array.
pub(super) struct ArrayRows<R> {
    array: Array<R>,
    plan: Plan,
    rows: u64,
    next: u64,
    columns: Option<Columns>,
}

impl<R: Read> ArrayRows<R> {
    /// The number of rows in the file.
    pub(super) fn len(&self) -> u64 {
        self.rows
    }

    fn row(&mut self) -> Result<Row> {
        let element = self.array.header.element;
        let bytes = match &self.columns {
            Some(columns) => columns.row_bytes(self.next, element.size()),
            None => read_row(&mut self.array, self.plan.width())?,
        };
        let mut elements = bytes.chunks_exact(element.size());
        // The bytes are one element for each value of the plan, as `row_shape` made sure.
        let cell = |_, dtype: DType| element.cell(elements.next().unwrap_or_default(), dtype);
        self.plan
            .row(cell, |column| format!("{}, row {}, column {}", self.array.label, self.next + 1, column + 1))
    }
}

impl<R: Read> Iterator for ArrayRows<R> {
    type Item = Result<Row>;

    fn next(&mut self) -> Option<Self::Item> {
        (self.next < self.rows).then(|| {
            let row = self.row();
            self.next += 1;
            row
        })
    }
}

/// An array in column order, in memory: the bytes of a row lie apart.
struct Columns {
    bytes: Vec<u8>,
    /// For each value of a row, in row-major order, its place in row 0, counted in elements.
    offsets: Vec<u64>,
}

impl Columns {
    fn load<R: Read>(array: &mut Array<R>, shape: &[u64]) -> Result<Self> {
        const MOST: u64 = 1 << 30;
        let size = array.header.data_bytes().unwrap_or(u64::MAX);
        ensure!(
            size <= MOST,
            "cannot read {}: {size} bytes in column (Fortran) order, at most {MOST} are loaded\n\
             hint: save it in row order with numpy.ascontiguousarray(array)",
            array.label
        );
        let mut bytes = Vec::new();
        array.reader.by_ref().take(size).read_to_end(&mut bytes)?;
        Ok(Self { bytes, offsets: column_offsets(shape) })
    }

    fn row_bytes(&self, row: u64, size: usize) -> Vec<u8> {
        let element = |offset: &u64| {
            let start = (row + offset) as usize * size;
            self.bytes.get(start..start + size).unwrap_or_default()
        };
        self.offsets.iter().flat_map(element).copied().collect()
    }
}

/// Where the values of row 0 lie, in row-major order, when the first axis changes fastest.
fn column_offsets(shape: &[u64]) -> Vec<u64> {
    let Some((&rows, axes)) = shape.split_first() else { return vec![0] };
    let mut offsets = vec![0];
    let mut stride = rows;
    for &length in axes {
        // Each earlier (slower) offset is followed by the places along this axis.
        offsets = offsets.iter().flat_map(|&start| (0..length).map(move |i| start + i * stride)).collect();
        stride *= length;
    }
    offsets
}

fn read_row<R: Read>(array: &mut Array<R>, width: usize) -> Result<Vec<u8>> {
    let mut bytes = vec![0; width * array.header.element.size()];
    array.reader.read_exact(&mut bytes).with_context(|| format!("cannot read {}", array.label))?;
    Ok(bytes)
}

/// The array's shape with the row axis first, if its rows fit the plan.
///
/// The rows may be flattened, and a lone row may lack the row axis.
fn row_shape(shape: &[u64], plan: &Plan) -> Option<Vec<u64>> {
    let width = plan.width() as u64;
    let field_shape: Option<Vec<u64>> = match plan.fields() {
        [field] => Some(field.shape.iter().map(|&length| length as u64).collect()),
        _ => None,
    };
    let fits =
        |row: &[u64]| row == [width] || field_shape.as_deref() == Some(row) || (row.is_empty() && width == 1);
    let (_, row) = shape.split_first()?;
    if fits(row) {
        return Some(shape.to_vec());
    }
    fits(shape).then(|| std::iter::once(1).chain(shape.iter().copied()).collect())
}

fn wanted_shape(plan: &Plan) -> String {
    match plan.fields() {
        [field] if field.shape.len() > 1 => {
            let axes: Vec<String> = field.shape.iter().map(usize::to_string).collect();
            format!("[rows, {}] or [rows, {}]", axes.join(", "), plan.width())
        }
        _ => format!("[rows, {}]", plan.width()),
    }
}

fn shape_text(shape: &[u64]) -> String {
    format!("{shape:?}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::tensor::trial::{field, floats, message, numbers, read};
    use crate::tensor::{DType, Tensor};

    fn npy(descr: &str, fortran: &str, shape: &str, data: &[u8]) -> Vec<u8> {
        let text = format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}\n");
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((text.len() as u16).to_le_bytes());
        bytes.extend(text.as_bytes());
        bytes.extend(data);
        bytes
    }

    fn bytes(values: &[u8]) -> Vec<u8> {
        values.to_vec()
    }

    #[test]
    fn rows_come_shaped_flattened_or_alone() {
        let data = bytes(&[1, 2, 3, 4, 5, 6, 7, 8]);
        let image = floats(&[2, 2]);
        for shape in ["(2, 2, 2)", "(2, 4)"] {
            let rows = read("npy", &npy("|u1", "False", shape, &data), &image).unwrap();
            assert_eq!(rows.len(), 2);
            assert_eq!(rows[1][0].shape(), [1, 2, 2]);
            assert_eq!(rows[1][0].as_numbers().unwrap()[[0, 1, 0]], 7.0);
        }
        for shape in ["(2, 2)", "(4,)"] {
            assert_eq!(numbers("npy", &npy("|u1", "False", shape, &data[..4]), &image), [1.0, 2.0, 3.0, 4.0]);
        }
        assert_eq!(read("npy", &npy("|u1", "False", "(8,)", &data), &floats(&[])).unwrap().len(), 8);
        assert_eq!(read("npy", &npy("|u1", "False", "(8, 1)", &data), &floats(&[1])).unwrap().len(), 8);
    }

    #[test]
    fn column_order_is_read_as_row_order() {
        // arange(12).reshape(2, 3, 2), saved with the first axis fastest.
        let data = bytes(&[0, 6, 2, 8, 4, 10, 1, 7, 3, 9, 5, 11]);
        let read = numbers("npy", &npy("|i1", "True", "(2, 3, 2)", &data), &floats(&[3, 2]));
        assert_eq!(read, (0..12).map(f64::from).collect::<Vec<_>>());
    }

    #[test]
    fn columns_are_dealt_to_several_fields() {
        let fields =
            [field("a", DType::F32, &[1]), field("b", DType::I64, &[1]), field("c", DType::F32, &[2])];
        let rows = read("npy", &npy("|i1", "False", "(1, 4)", &bytes(&[1, 2, 3, 4])), &fields).unwrap();
        assert_eq!(rows[0].iter().map(Tensor::len).collect::<Vec<_>>(), [1, 1, 2]);
        assert_eq!(rows[0][1].as_numbers().unwrap()[[0, 0]], 2.0);
    }

    #[test]
    fn text_arrays_give_text_and_numbers() {
        let data: Vec<u8> = "ab1.5".chars().flat_map(|c| u32::from(c).to_le_bytes()).collect();
        let data = [&data[..8], &[0; 4], &data[8..]].concat();
        let fields = [field("t", DType::Text, &[]), field("x", DType::F32, &[])];
        let rows = read("npy", &npy("<U3", "False", "(1, 2)", &data), &fields).unwrap();
        assert_eq!(rows[0][0].as_text().unwrap()[[0]], "ab");
        assert_eq!(rows[0][1].as_numbers().unwrap()[[0]], 1.5);
    }

    #[test]
    fn a_header_that_disagrees_with_the_file_is_refused() {
        for (shape, held, text) in [
            ("(2, 3)", 5, "it is cut short: shape [2, 3] takes 6 bytes, the file holds 5"),
            ("(2, 3)", 7, "it goes on after its last value: shape [2, 3] takes 6 bytes, the file holds 7"),
            (
                "(9000000000, 3)",
                6,
                "it is cut short: shape [9000000000, 3] takes 27000000000 bytes, the file holds 6",
            ),
        ] {
            let found = message("npy", &npy("|u1", "False", shape, &vec![0; held]), &floats(&[3]));
            assert_eq!(found, format!("cannot read 'data.npy': {text}"));
        }
        let absurd = npy("<f8", "False", "(9000000000000000000, 9)", &[]);
        let wanted = "cannot read 'data.npy': its header claims the absurd shape [9000000000000000000, 9]";
        assert_eq!(message("npy", &absurd, &floats(&[9])), wanted);
    }

    #[test]
    fn what_is_no_data_for_the_fields_is_refused() {
        let three = npy("|u1", "False", "(2, 3)", &[0; 6]);
        assert_eq!(message("npy", &three, &floats(&[4])), "'data.npy' has shape [2, 3], expected [rows, 4]");
        assert_eq!(
            message("npy", &three, &floats(&[1, 2, 2])),
            "'data.npy' has shape [2, 3], expected [rows, 1, 2, 2] or [rows, 4]"
        );
        let half = npy("<f4", "False", "(1, 2)", &[1.0_f32.to_le_bytes(), 1.5_f32.to_le_bytes()].concat());
        assert_eq!(
            message("npy", &half, &[field("n", DType::I64, &[2])]),
            "'data.npy', row 1, column 2: expected a whole number (int64), found 1.5"
        );
        assert_eq!(
            message("npy", &half, &[field("t", DType::Text, &[2])]),
            "'data.npy', row 1, column 1: expected text, found the number 1.0"
        );
        assert_eq!(
            message("npy", &npy("|u1", "False", "(0, 3)", &[]), &floats(&[3])),
            "'data.npy' holds no rows"
        );
    }

    #[test]
    fn what_is_no_npy_file_is_refused() {
        let magic = "cannot read 'data.npy': it is not an npy file (it does not begin as one)";
        assert_eq!(message("npy", b"", &floats(&[1])), magic);
        assert_eq!(message("npy", b"1,2,3\n4,5,6\n", &floats(&[1])), magic);
        let version = message("npy", b"\x93NUMPY\x09\x00", &floats(&[1]));
        assert_eq!(version, "cannot read 'data.npy': it has npy version 9, known are 1 to 3");
        let long = message("npy", b"\x93NUMPY\x02\x00\xff\xff\xff\xff", &floats(&[1]));
        let wanted = "cannot read 'data.npy': its header claims 4294967295 bytes, at most 65536 are allowed";
        assert_eq!(long, wanted);
        let short = message("npy", b"\x93NUMPY\x01\x00\x20\x00{'des", &floats(&[1]));
        assert_eq!(short, "cannot read 'data.npy': it ends within its header, after 5 of 32 bytes");
        let pickle = message("npy", &npy("|O", "False", "(1,)", &[0; 8]), &floats(&[1]));
        assert!(pickle.starts_with("cannot read 'data.npy': it holds Python objects (a pickle)"), "{pickle}");
        assert!(pickle.contains("\nhint: save mixed columns as csv"), "{pickle}");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(header in "[{}()',:<>|a-zA-Z0-9 ]{0,80}", data in any::<Vec<u8>>()) {
            let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
            bytes.extend((header.len() as u16).to_le_bytes());
            bytes.extend(header.as_bytes());
            bytes.extend(&data);
            let _ = read("npy", &bytes, &floats(&[2]));
            let _ = read("npy", &data, &floats(&[2]));
        }

        #[test]
        fn no_shape_makes_it_panic(
            descr in "[<>|][biufSUOcV][0-9]{1,2}",
            shape in proptest::collection::vec(any::<u64>().prop_map(|n| n >> (n % 64)), 0..4),
            fortran in any::<bool>(),
            data in proptest::collection::vec(any::<u8>(), 0..64),
        ) {
            let shape: String = shape.iter().map(|length| format!("{length},")).collect();
            let fortran = if fortran { "True" } else { "False" };
            let _ = read("npy", &npy(&descr, fortran, &format!("({shape})"), &data), &floats(&[2]));
        }
    }
}
