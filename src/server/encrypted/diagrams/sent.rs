//! Bits that come as ciphertexts which multiply already.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use rayon::prelude::*;

use super::found;
use super::selectors::{Factor, Rooms, Selectors, Values};
use crate::circuit::Selector;
use crate::crypto::{RingCiphertext, RingWorkspace, SeededRing};

/// Nothing is needed but what the client sends.
pub struct Sent;

impl Sent {
    /// The ciphertexts of a row's selectors.
    ///
    /// # Errors
    /// If a bit has another size.
    pub fn values<'a>(
        &self,
        row: &[SeededRing],
        selectors: &Selectors,
        rooms: &Rooms<'a>,
    ) -> Result<Values<'a>> {
        let body_bits = selectors.encoding().body_bits();
        let bits: Vec<u32> = selectors.bits().keys().copied().collect();
        let opened = bits.into_par_iter().map(|bit| {
            let sent = found(row.get(bit as usize))?;
            let mut factor = found(rooms.try_take())?;
            let new = || RingWorkspace::new(selectors.encoding().parameters());
            let level = selectors.encoding().read_level();
            let open =
                |workspace: &mut RingWorkspace| factor.set_from_seeded(sent, body_bits, level, workspace);
            let read = selectors.workspaces().lend(new, open).context("a bit has another size")?;
            Ok((bit, (factor, read)))
        });
        let mut opened: BTreeMap<u32, (Factor<'a>, RingCiphertext)> = opened.collect::<Result<_>>()?;
        let mut making = selectors.making();
        for (place, selector) in selectors.composed_factors() {
            let mut sum = found(rooms.try_take())?;
            sum.clear();
            signed_bits(selector, |bit, negative| {
                sum.add_signed(&found(opened.get(&bit))?.0, negative);
                Ok(())
            })?;
            making.set_factor(place, sum);
        }
        for (place, selector) in selectors.composed_reads() {
            let mut sum = RingCiphertext::zero(selectors.encoding().parameters().polynomial_size());
            signed_bits(selector, |bit, negative| {
                let read = &found(opened.get(&bit))?.1;
                if negative {
                    sum.sub_assign(read)
                } else {
                    sum.add_assign(read)
                }
                Ok(())
            })?;
            making.set_read(place, sum);
        }
        for (bit, uses) in selectors.bits() {
            let (factor, read) = found(opened.remove(bit))?;
            if let Some(place) = uses.read {
                making.set_read(place, read);
            }
            if let Some(place) = uses.factor {
                making.set_factor(place, factor);
            }
        }
        found(making.finish())
    }
}

fn signed_bits(selector: &Selector, mut add: impl FnMut(u32, bool) -> Result<()>) -> Result<()> {
    selector.plus.iter().try_for_each(|bit| add(*bit, false))?;
    selector.minus.iter().try_for_each(|bit| add(*bit, true))
}
