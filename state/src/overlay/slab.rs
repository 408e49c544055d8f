//! Entries in growing pages, named by number, so that lists and indexes point without allocating.
//!
//! An array that doubles would hold up to twice what is in it, and three times while it grows: no budget could tell.

/// The number of an entry that is not there.
pub(super) const NONE: u32 = u32::MAX;

/// Entries a page.
const PAGE: usize = 256;

/// A growing row of pages whose vacated places are used again, last vacated first.
#[derive(Debug)]
pub(super) struct Slab<T> {
    /// All but the last are full; the first grows as an array does, so that a small store takes little.
    pages: Vec<Vec<Option<T>>>,
    vacant: Vec<u32>,
}

impl<T> Slab<T> {
    pub(super) const fn new() -> Self {
        Self { pages: Vec::new(), vacant: Vec::new() }
    }

    pub(super) fn insert(&mut self, entry: T) -> u32 {
        if let Some(slot) = self.vacant.pop() {
            if let Some(place) = self.place_mut(slot) {
                *place = Some(entry);
            }
            return slot;
        }
        if self.pages.last().is_none_or(|page| page.len() == PAGE) {
            self.pages.push(if self.pages.is_empty() { Vec::new() } else { Vec::with_capacity(PAGE) });
        }
        let full = (self.pages.len() - 1) * PAGE;
        let Some(page) = self.pages.last_mut() else { unreachable!("a page was pushed") };
        let slot = u32::try_from(full + page.len()).unwrap_or(NONE);
        assert!(slot != NONE, "an overlay of four billion entries");
        page.push(Some(entry));
        slot
    }

    pub(super) fn remove(&mut self, slot: u32) -> Option<T> {
        let removed = self.place_mut(slot)?.take();
        if removed.is_some() {
            self.vacant.push(slot);
            if self.vacant.len() == (self.pages.len() - 1) * PAGE + self.pages.last().map_or(0, Vec::len) {
                *self = Self::new();
            }
        }
        removed
    }

    /// The entry of a slot that its holder knows to be occupied.
    #[inline]
    pub(super) fn at(&self, slot: u32) -> &T {
        match self.pages.get(slot as usize / PAGE).and_then(|page| page.get(slot as usize % PAGE)) {
            Some(Some(entry)) => entry,
            _ => unreachable!("slot {slot} is vacant"),
        }
    }

    /// As [`at`](Self::at), to change it.
    #[inline]
    pub(super) fn at_mut(&mut self, slot: u32) -> &mut T {
        match self.place_mut(slot) {
            Some(Some(entry)) => entry,
            _ => unreachable!("slot {slot} is vacant"),
        }
    }

    /// The entry of a slot, if it is occupied.
    pub(super) fn get_mut(&mut self, slot: u32) -> Option<&mut T> {
        self.place_mut(slot)?.as_mut()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.pages.iter_mut().flatten().filter_map(Option::as_mut)
    }

    #[inline]
    fn place_mut(&mut self, slot: u32) -> Option<&mut Option<T>> {
        self.pages.get_mut(slot as usize / PAGE)?.get_mut(slot as usize % PAGE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_numbered_in_order_used_again_and_given_back_when_all_are_vacant() {
        let mut slab = Slab::new();
        let slots: Vec<u32> = (0..1000).map(|number| slab.insert(number)).collect();
        assert!(slots.iter().copied().eq(0..1000));
        assert!(slots.iter().all(|slot| slab.at(*slot) == slot));
        assert_eq!((slab.remove(300), slab.remove(300), slab.get_mut(300)), (Some(300), None, None));
        assert_eq!((slab.insert(7), *slab.at(300)), (300, 7));
        assert_eq!(slab.iter_mut().count(), 1000);
        assert!(slots.iter().all(|slot| slab.remove(*slot).is_some()));
        assert!(slab.pages.is_empty() && slab.vacant.is_empty());
        assert_eq!(slab.insert(1), 0);
    }
}
