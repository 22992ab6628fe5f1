//! Rows of npy arrays: read one by one from arrays in row order, from memory otherwise.

mod element;
mod header;

pub(super) use header::MAGIC;

use std::io::Read;

use anyhow::{Context, Result, bail, ensure};

use self::header::Header;
use super::plan::Plan;
use super::{DType, Row};

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
