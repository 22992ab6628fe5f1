//! A set of bins as chains of sets of digits.
//!
//! Bins whose high digits have the same pattern of low digits are one chain: a set of high digits, then the
//! chains of the pattern. A set or its complement is taken, whichever is the lesser work; a set of digits
//! changes from digit to digit as seldom as can be.

use super::bin_set::BinSet;

/// Chains of which exactly one is all true if a bin is a member, or if it is none.
#[derive(Clone, Debug, PartialEq)]
pub struct Chains {
    /// Each a list of digits (the most significant is 0), in rising order, with the values they may have.
    pub chains: Vec<Vec<(usize, BinSet)>>,
    /// Whether they are true where the set is not.
    pub complemented: bool,
}

/// Chains of the digits from some digit on.
#[derive(Clone, Debug, PartialEq)]
enum Shape {
    Empty,
    Full,
    Chains(Vec<Vec<(usize, BinSet)>>),
}

impl Chains {
    /// The chains of a set, neither empty nor full, in digits of these radices.
    pub fn of(set: &BinSet, radices: &[u32]) -> Self {
        let count: u32 = radices.iter().product();
        let shape = |set: &BinSet| {
            // Numbers beyond all bins never come.
            let members: Vec<Option<bool>> =
                (0..count).map(|bin| (bin < set.bins()).then(|| set.contains(bin))).collect();
            match shape(&members, radices, 0) {
                Shape::Empty | Shape::Full => Vec::new(),
                Shape::Chains(chains) => chains,
            }
        };
        let (own, other) = (shape(set), shape(&set.complement()));
        let order = |chains: &[Vec<(usize, BinSet)>], set: &BinSet| (work(chains), set.has_last());
        match order(&own, set) <= order(&other, &set.complement()) {
            true => Self { chains: own, complemented: false },
            false => Self { chains: other, complemented: true },
        }
    }
}

/// Selectors, then bits, one for each constant.
fn work(chains: &[Vec<(usize, BinSet)>]) -> (usize, usize) {
    let sets = || chains.iter().flatten().map(|(_, set)| set);
    // A set that holds the last digit needs a constant, which is a bit of its own.
    let bits = sets().map(|set| set.boundaries().count() + usize::from(set.has_last()));
    (sets().count(), bits.sum())
}

fn shape(members: &[Option<bool>], radices: &[u32], digit: usize) -> Shape {
    let Some((_, lower)) = radices.split_first() else { return Shape::Empty };
    if !members.contains(&Some(true)) {
        return Shape::Empty;
    }
    if !members.contains(&Some(false)) {
        return Shape::Full;
    }
    let size = lower.iter().product::<u32>() as usize;
    let mut patterns: Vec<Option<Shape>> = Vec::new();
    for members in members.chunks(size) {
        let pattern = match (members.iter().flatten().next(), lower.is_empty()) {
            // What never comes goes with what is before it.
            (None, _) => patterns.last().cloned().flatten(),
            (Some(true), true) => Some(Shape::Full),
            (Some(false), true) => Some(Shape::Empty),
            (Some(_), false) => Some(shape(members, lower, digit + 1)),
        };
        patterns.push(pattern);
    }
    // What never comes and has nothing before it goes with what is after it.
    let known = patterns.iter().flatten().next().cloned();
    let patterns: Vec<Shape> =
        patterns.into_iter().map(|own| own.or(known.clone()).unwrap_or(Shape::Empty)).collect();
    join(&patterns, digit)
}

/// The chains of a digit whose values have these patterns of lower digits.
fn join(patterns: &[Shape], digit: usize) -> Shape {
    let mut distinct: Vec<&Shape> = Vec::new();
    for pattern in patterns {
        if !distinct.contains(&pattern) {
            distinct.push(pattern);
        }
    }
    if let [only] = distinct.as_slice() {
        return (*only).clone();
    }
    let mut chains = Vec::new();
    for pattern in distinct {
        let own = (digit, BinSet::of(patterns.iter().map(|other| other == pattern)));
        match pattern {
            Shape::Empty => {}
            Shape::Full => chains.push(vec![own]),
            Shape::Chains(lower) => {
                chains.extend(
                    lower.iter().map(|chain| [std::slice::from_ref(&own), chain.as_slice()].concat()),
                );
            }
        }
    }
    Shape::Chains(chains)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// How many chains are true for a bin.
    fn true_chains(chains: &Chains, bin: u32, radices: &[u32]) -> usize {
        let mut digits: Vec<u32> = Vec::new();
        let mut rest = bin;
        for radix in radices.iter().rev() {
            digits.push(rest % radix);
            rest /= radix;
        }
        digits.reverse();
        let is_true =
            |chain: &&Vec<(usize, BinSet)>| chain.iter().all(|(digit, set)| set.contains(digits[*digit]));
        chains.chains.iter().filter(is_true).count()
    }

    proptest! {
        #[test]
        fn exactly_one_chain_is_true_for_members(
            radices in prop::collection::vec(2_u32..5, 1..4),
            members in prop::collection::vec(any::<bool>(), 2..64),
        ) {
            let count = radices.iter().product::<u32>().min(members.len() as u32);
            let set = BinSet::of(members[..count as usize].iter().copied());
            prop_assume!(!set.is_empty() && !set.complement().is_empty());
            let chains = Chains::of(&set, &radices);
            for bin in 0..count {
                let expected = usize::from(set.contains(bin) != chains.complemented);
                prop_assert_eq!(true_chains(&chains, bin, &radices), expected, "bin {}", bin);
            }
            let other = Chains::of(&set.complement(), &radices);
            prop_assert_eq!(&other.chains, &chains.chains);
            prop_assert!(other.complemented != chains.complemented);
        }
    }

    #[test]
    fn a_prefix_is_one_bit_a_digit() {
        let set = BinSet::split_at(16, 6, true);
        let one = Chains::of(&set, &[16]);
        assert_eq!(one.chains, [[(0, set.clone())]]);
        let two = Chains::of(&set, &[4, 4]);
        let digit = |end| BinSet::split_at(4, end, true);
        let second = BinSet::of([false, true, false, false]);
        assert_eq!(two.chains, [vec![(0, digit(1))], vec![(0, second), (1, digit(2))]]);
        assert!(!two.complemented);
        // Nothing but the complement of what ends with the last bin has no constant.
        assert!(Chains::of(&set.complement(), &[16]).complemented);
    }
}
