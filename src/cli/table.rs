//! Numbers and tables as people read them.

use std::fmt;
use std::path::PathBuf;

/// A heading, then every file with its size.
pub struct Files<'a> {
    /// The first line.
    pub heading: String,
    /// Files and their sizes in bytes.
    pub files: &'a [(PathBuf, u64)],
}

/// Rows of cells in aligned columns, the first one a heading.
pub struct Table(pub Vec<Vec<String>>);

/// A number of things: `1 row`, `3 rows`.
pub fn counted(count: u64, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

/// A number of bytes: `312 B`, `1.4 KB`, `3.0 MB`.
pub fn bytes(count: u64) -> String {
    let count = count as f64;
    match count {
        _ if count < 1e3 => format!("{count} B"),
        _ if count < 1e6 => format!("{:.1} KB", count / 1e3),
        _ if count < 1e9 => format!("{:.1} MB", count / 1e6),
        _ => format!("{:.2} GB", count / 1e9),
    }
}

/// A span of time: `0.31 ms`, `4.2 s`, `3 min 10 s`.
pub fn seconds(span: f64) -> String {
    match span {
        _ if span < 1e-3 => format!("{:.0} µs", span * 1e6),
        _ if span < 1.0 => format!("{:.1} ms", span * 1e3),
        _ if span < 120.0 => format!("{span:.1} s"),
        _ => format!("{:.0} min {:.0} s", (span / 60.0).floor(), span % 60.0),
    }
}

impl fmt::Display for Files<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.heading)?;
        let name = |path: &PathBuf| format!("'{}'", path.display());
        let width = self.files.iter().map(|(path, _)| name(path).chars().count()).max().unwrap_or(0);
        self.files.iter().try_for_each(|(path, size)| {
            let name = name(path);
            write!(f, "\n  {name:width$}  {}", bytes(*size))
        })
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.0.iter().map(Vec::len).max().unwrap_or(0);
        let cell = |row: &Vec<String>, column: usize| row.get(column).map_or(0, |cell| cell.chars().count());
        let widths: Vec<usize> = (0..columns)
            .map(|column| self.0.iter().map(|row| cell(row, column)).max().unwrap_or(0))
            .collect();
        for (index, row) in self.0.iter().enumerate() {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
            let line = cells.collect::<Vec<_>>().join("  ");
            let end = if index > 0 { "\n" } else { "" };
            write!(f, "{end}{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_spans() {
        assert_eq!(bytes(312), "312 B");
        assert_eq!(bytes(1_400), "1.4 KB");
        assert_eq!(seconds(0.000_31), "310 µs");
        assert_eq!(seconds(4.2), "4.2 s");
        assert_eq!(seconds(190.0), "3 min 10 s");
    }

    #[test]
    fn columns_are_aligned() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        assert_eq!(Table(vec![row(["a", "b"]), row(["long", "c"])]).to_string(), "a     b\nlong  c");
    }
}
