//! Columns for people: padded with spaces, two between, the last one as long as it is.

use unicode_width::UnicodeWidthStr as _;

use super::text::printable;

#[derive(Debug)]
pub(crate) struct Table<const N: usize> {
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    pub(crate) fn new(head: [&str; N]) -> Self {
        Self { rows: vec![head.map(str::to_owned)] }
    }

    /// Empty cells are shown as `-`, so that columns can be cut out by number.
    pub(crate) fn row(&mut self, cells: [String; N]) {
        self.rows.push(cells.map(|cell| if cell.is_empty() { "-".to_owned() } else { printable(&cell) }));
    }

    pub(crate) fn render(&self) -> String {
        let widths: [usize; N] = std::array::from_fn(|column| self.rows.iter().map(|row| row[column].width()).max().unwrap_or(0));
        let mut out = String::new();
        for row in &self.rows {
            for (column, cell) in row.iter().enumerate() {
                out.push_str(cell);
                if column + 1 < N {
                    out.push_str(&" ".repeat(widths[column] - cell.width() + 2));
                }
            }
            out.push('\n');
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_each_other() {
        let mut table = Table::new(["NAME", "IDC", "LABELS"]);
        table.row(["支付01".to_owned(), "bj1".to_owned(), "a=1".to_owned()]);
        table.row(["w".to_owned(), String::new(), "b\u{1b}".to_owned()]);
        assert_eq!(table.render(), "NAME    IDC  LABELS\n支付01  bj1  a=1\nw       -    b\u{fffd}\n");
    }
}
