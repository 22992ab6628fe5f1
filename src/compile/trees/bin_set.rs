//! Sets of the bins of one feature.

/// A set of some of the bins 0, 1, …, held as the places where membership changes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BinSet {
    /// The first bin of each run of members, and the first after it if there is one, in turn.
    turns: Vec<u32>,
    bins: u32,
}

impl BinSet {
    /// The set whose members are told one by one.
    pub fn of(members: impl IntoIterator<Item = bool>) -> Self {
        let mut set = Self { turns: Vec::new(), bins: 0 };
        for is_member in members {
            if is_member != set.has_last() {
                set.turns.push(set.bins);
            }
            set.bins += 1;
        }
        set
    }

    /// The bins before `end`, or those from it on.
    pub fn split_at(bins: u32, end: u32, before: bool) -> Self {
        let mut turns = Vec::with_capacity(2);
        if before && end > 0 {
            turns.push(0);
        }
        if end < bins && (!before || end > 0) {
            turns.push(end);
        }
        Self { turns, bins }
    }

    /// All bins.
    pub fn all(bins: u32) -> Self {
        Self { turns: if bins == 0 { Vec::new() } else { vec![0] }, bins }
    }

    /// The number of bins, members or not.
    pub fn bins(&self) -> u32 {
        self.bins
    }

    /// Whether a bin is a member.
    pub fn contains(&self, bin: u32) -> bool {
        self.turns.partition_point(|turn| *turn <= bin) % 2 == 1
    }

    /// Whether the last bin is a member.
    pub fn has_last(&self) -> bool {
        self.turns.len() % 2 == 1
    }

    /// Whether there are no members.
    pub fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    /// The bins that are no members.
    pub fn complement(&self) -> Self {
        let turns = match self.turns.split_first() {
            Some((0, rest)) => rest.to_vec(),
            _ if self.bins == 0 => Vec::new(),
            _ => [&[0], self.turns.as_slice()].concat(),
        };
        Self { turns, bins: self.bins }
    }

    /// The members of both.
    pub fn and(&self, other: &Self) -> Self {
        let mut turns = Vec::new();
        let mut is_member = false;
        for place in self.places_with(other) {
            if (self.contains(place) && other.contains(place)) != is_member {
                is_member = !is_member;
                turns.push(place);
            }
        }
        Self { turns, bins: self.bins }
    }

    /// The bins before which membership changes, as the number of the bin that ends there.
    pub fn boundaries(&self) -> impl Iterator<Item = u32> + '_ {
        self.turns.iter().filter(|turn| **turn > 0).map(|turn| turn - 1)
    }

    /// The set that changes least among those that agree on these bins: others are as the bin before.
    pub fn within(&self, care: &Self) -> Self {
        let mut turns = Vec::new();
        let mut latest: Option<bool> = None;
        for place in self.places_with(care).into_iter().filter(|place| care.contains(*place)) {
            let is_member = self.contains(place);
            match latest {
                None if is_member => turns.push(0),
                Some(before) if before != is_member => turns.push(place),
                None | Some(_) => {}
            }
            latest = Some(is_member);
        }
        Self { turns, bins: self.bins }
    }

    /// The set after bins were merged but for these boundaries, which all of its own are among.
    pub fn merged(&self, kept: &[u32]) -> Self {
        let place = |turn: &u32| match turn {
            0 => 0,
            turn => kept.partition_point(|boundary| *boundary < *turn) as u32,
        };
        Self { turns: self.turns.iter().map(place).collect(), bins: kept.len() as u32 + 1 }
    }

    /// With one more bin before all others.
    pub fn after(&self, is_member: bool) -> Self {
        let own = (0..self.bins).map(|bin| self.contains(bin));
        Self::of([is_member].into_iter().chain(own))
    }

    /// With one more bin after all others.
    pub fn before(mut self, is_member: bool) -> Self {
        if is_member != self.has_last() {
            self.turns.push(self.bins);
        }
        self.bins += 1;
        self
    }

    fn places_with(&self, other: &Self) -> Vec<u32> {
        let mut places = [self.turns.as_slice(), &other.turns].concat();
        places.sort_unstable();
        places.dedup();
        places
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn members(set: &BinSet) -> Vec<bool> {
        (0..set.bins()).map(|bin| set.contains(bin)).collect()
    }

    proptest! {
        #[test]
        fn sets_are_what_their_members_say(pairs in prop::collection::vec(any::<(bool, bool)>(), 1..20)) {
            let (a, b): (Vec<bool>, Vec<bool>) = pairs.iter().copied().unzip();
            let (set, other) = (BinSet::of(a.clone()), BinSet::of(b.clone()));
            prop_assert_eq!(members(&set), a.clone());
            prop_assert_eq!(members(&set.complement()), a.iter().map(|is| !is).collect::<Vec<_>>());
            prop_assert_eq!(members(&set.and(&other)), pairs.iter().map(|(a, b)| *a && *b).collect::<Vec<_>>());
            prop_assert_eq!(members(&set.after(true)), [&[true], a.as_slice()].concat());
            prop_assert_eq!(members(&set.clone().before(false)), [a.as_slice(), &[false]].concat());
            let within = set.within(&other);
            prop_assert_eq!(within.and(&other), set.and(&other));
            prop_assert!(within.boundaries().count() <= set.boundaries().count());
            let kept: Vec<u32> = set.boundaries().collect();
            let merged = set.merged(&kept);
            prop_assert_eq!(merged.boundaries().count(), kept.len());
            prop_assert_eq!((merged.contains(0), merged.has_last()), (set.contains(0), set.has_last()));
        }

        #[test]
        fn halves_begin_and_end_where_they_should(bins in 1_u32..9, end in 0_u32..9, before: bool) {
            let end = end.min(bins);
            let expected = BinSet::of((0..bins).map(|bin| (bin < end) == before));
            prop_assert_eq!(BinSet::split_at(bins, end, before), expected);
        }
    }
}
