//! How many digits bins are written in.

/// From so many tests on features are told apart.
const MANY_TESTS: usize = 10_000;
/// The parts of features that are written in one digit.
const SHARES: [f64; 8] = [0.25, 0.35, 0.45, 0.5, 0.55, 0.6, 0.65, 0.8];

/// A rule that gives the radices of any number of bins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Digits {
    /// One digit: every set of bins is one selector.
    One,
    /// Two, the lower one of this radix.
    Low(u32),
    /// Two of about the same radix.
    Two,
    /// Three of about the same radix.
    Three,
}

impl Digits {
    /// All rules that are worth a try.
    const ALL: [Self; 7] =
        [Self::One, Self::Low(2), Self::Low(4), Self::Low(8), Self::Low(16), Self::Two, Self::Three];

    /// Different ways to write the bins of features that are tested so often, one radix list for each feature.
    ///
    /// If there are many tests, memory may not hold a bit for every bin: then there are also ways that write those
    /// features in one digit that are tested most, and the others in two.
    pub fn of_features(bins: &[u32], tests: &[usize]) -> Vec<Vec<Vec<u32>>> {
        let mut ways: Vec<Vec<Vec<u32>>> = Vec::new();
        let mut add = |way: Vec<Vec<u32>>| {
            if !ways.contains(&way) {
                ways.push(way);
            }
        };
        Self::ALL.iter().for_each(|rule| add(bins.iter().map(|bins| rule.radices(*bins)).collect()));
        if tests.iter().sum::<usize>() >= MANY_TESTS {
            let mut order: Vec<usize> = (0..bins.len()).collect();
            order.sort_by_key(|feature| std::cmp::Reverse(tests[*feature]));
            for share in SHARES {
                let mut way: Vec<Vec<u32>> = bins.iter().map(|bins| Self::Two.radices(*bins)).collect();
                for feature in order.iter().take((share * bins.len() as f64).round() as usize) {
                    // There is a way for each feature.
                    way[*feature] = Self::One.radices(bins[*feature]);
                }
                add(way);
            }
        }
        ways
    }

    /// The radices for a number of bins, the most significant digit first, all at least 2.
    pub fn radices(self, bins: u32) -> Vec<u32> {
        let root = |degree: f64| (f64::from(bins).powf(1.0 / degree).ceil() as u32).max(2);
        let lower: &[u32] = match self {
            Self::One => &[],
            Self::Low(radix) => &[radix],
            Self::Two => &[root(2.0)],
            Self::Three => &[root(3.0), root(3.0)],
        };
        let high = bins.div_ceil(lower.iter().product());
        match high {
            0 | 1 => vec![bins.max(2)],
            high => [&[high], lower].concat(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn radices_tell_all_bins() {
        for rule in Digits::ALL {
            for bins in 1..300 {
                let radices = rule.radices(bins);
                assert!(radices.iter().product::<u32>() >= bins, "{rule:?} for {bins}");
                assert!(radices.iter().all(|radix| *radix >= 2), "{rule:?} for {bins}");
            }
        }
        assert_eq!(Digits::Two.radices(64), [8, 8]);
        assert_eq!(Digits::Three.radices(64), [4, 4, 4]);
        assert_eq!(Digits::Low(4).radices(10), [3, 4]);
        assert_eq!(Digits::Low(16).radices(10), [10]);
    }

    #[test]
    fn of_many_tests_the_most_frequent_stay_whole() {
        let bins = [64, 64, 5, 64];
        assert_eq!(Digits::of_features(&bins, &[1, 2, 3, 4]).len(), Digits::ALL.len());
        let ways = Digits::of_features(&bins, &[100, 9000, 10, 2000]);
        assert!(ways.contains(&vec![vec![8, 8], vec![64], vec![2, 3], vec![64]]));
        assert!(ways.len() > Digits::ALL.len());
    }
}
