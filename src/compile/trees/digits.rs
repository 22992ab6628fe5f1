//! How many digits bins are written in.

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
    pub const ALL: [Self; 7] =
        [Self::One, Self::Low(2), Self::Low(4), Self::Low(8), Self::Low(16), Self::Two, Self::Three];

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
}
