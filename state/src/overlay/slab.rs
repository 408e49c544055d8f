//! Entries in one growing array, named by number, so that lists and indexes point without allocating.

/// The number of an entry that is not there.
pub(super) const NONE: u32 = u32::MAX;

/// A growing array whose vacated places are used again, last vacated first.
#[derive(Debug)]
pub(super) struct Slab<T> {
    entries: Vec<Option<T>>,
    vacant: Vec<u32>,
}

impl<T> Slab<T> {
    pub(super) const fn new() -> Self {
        Self { entries: Vec::new(), vacant: Vec::new() }
    }

    pub(super) fn insert(&mut self, entry: T) -> u32 {
        if let Some(slot) = self.vacant.pop() {
            if let Some(place) = self.entries.get_mut(slot as usize) {
                *place = Some(entry);
            }
            return slot;
        }
        let slot = u32::try_from(self.entries.len()).unwrap_or(NONE);
        assert!(slot != NONE, "an overlay of four billion entries");
        self.entries.push(Some(entry));
        slot
    }

    pub(super) fn remove(&mut self, slot: u32) -> Option<T> {
        let removed = self.entries.get_mut(slot as usize)?.take();
        if removed.is_some() {
            self.vacant.push(slot);
        }
        removed
    }

    /// The entry of a slot that its holder knows to be occupied.
    #[inline]
    pub(super) fn at(&self, slot: u32) -> &T {
        match self.entries.get(slot as usize) {
            Some(Some(entry)) => entry,
            _ => unreachable!("slot {slot} is vacant"),
        }
    }

    /// As [`at`](Self::at), to change it.
    #[inline]
    pub(super) fn at_mut(&mut self, slot: u32) -> &mut T {
        match self.entries.get_mut(slot as usize) {
            Some(Some(entry)) => entry,
            _ => unreachable!("slot {slot} is vacant"),
        }
    }

    /// The entry of a slot, if it is occupied.
    pub(super) fn get_mut(&mut self, slot: u32) -> Option<&mut T> {
        self.entries.get_mut(slot as usize)?.as_mut()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.entries.iter_mut().filter_map(Option::as_mut)
    }
}
