//! Which row comes when: the rows of every party spread evenly over each epoch.

/// Where a row lies: the party, and its row in the order in which it was encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The number of the party's file.
    pub party: usize,
    /// The number of the row.
    pub row: u64,
}

/// The order of an epoch: at any time about the same part of every party's rows has been used.
pub fn order(rows: &[u64]) -> Vec<Place> {
    let all =
        rows.iter().enumerate().flat_map(|(party, rows)| (0..*rows).map(move |row| Place { party, row }));
    let mut all: Vec<Place> = all.collect();
    // Compares (row + ½) / rows without rounding; the sort is stable, so ties go to the first party.
    let key = |place: &Place| {
        (2 * u128::from(place.row) + 1, u128::from(rows.get(place.party).copied().unwrap_or(1)))
    };
    all.sort_by(|a, b| {
        let ((a_row, a_rows), (b_row, b_rows)) = (key(a), key(b));
        (a_row * b_rows).cmp(&(b_row * a_rows))
    });
    all
}

/// The order in which a party encrypts its rows: far apart, so that sorted data are mixed.
pub fn spread(rows: usize) -> Vec<usize> {
    // About the golden section: neighbours end up far from each other, whatever their number.
    let start = (rows as f64 * 0.618) as usize;
    let stride = (start.max(1)..).find(|stride| gcd(*stride, rows) <= 1).unwrap_or(1);
    (0..rows).map(|index| index * stride % rows).collect()
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_comes_once_and_parties_mix() {
        let all = order(&[100, 10, 1]);
        assert_eq!(all.len(), 111);
        let early = all.iter().take(55).filter(|place| place.party == 1).count();
        assert!((4..=6).contains(&early));
        let first: Vec<u64> = all.iter().filter(|place| place.party == 0).map(|place| place.row).collect();
        assert!(first.is_sorted());
    }

    #[test]
    fn spreading_moves_every_row() {
        for rows in [0, 1, 2, 7, 64, 455, 1000] {
            let mut order = spread(rows);
            order.sort();
            assert_eq!(order, (0..rows).collect::<Vec<_>>());
        }
        assert!(spread(1000).windows(2).all(|pair| pair[0].abs_diff(pair[1]) > 100));
    }
}
