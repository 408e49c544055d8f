//! A doubly linked list over slots, its links beside the entries: moving one allocates nothing.

use super::slab::NONE;

#[derive(Clone, Copy, Debug)]
struct Link {
    previous: u32,
    next: u32,
    linked: bool,
}

const UNLINKED: Link = Link { previous: NONE, next: NONE, linked: false };

/// An order of some of the slots; each stands in it at most once.
#[derive(Debug)]
pub(super) struct SlotList {
    links: Vec<Link>,
    head: u32,
    tail: u32,
}

impl SlotList {
    pub(super) const fn new() -> Self {
        Self { links: Vec::new(), head: NONE, tail: NONE }
    }

    /// The first slot, or `NONE`.
    pub(super) const fn head(&self) -> u32 {
        self.head
    }

    /// The last slot, or `NONE`.
    pub(super) const fn tail(&self) -> u32 {
        self.tail
    }

    pub(super) fn contains(&self, slot: u32) -> bool {
        self.links.get(slot as usize).is_some_and(|link| link.linked)
    }

    pub(super) fn push_front(&mut self, slot: u32) {
        self.insert_after(NONE, slot);
    }

    pub(super) fn push_back(&mut self, slot: u32) {
        self.insert_after(self.tail, slot);
    }

    /// Puts a slot after another; `NONE` puts it first. With what [`unlink`](Self::unlink) gave, it undoes that,
    /// provided that whatever was done to the list in between was undone first.
    pub(super) fn insert_after(&mut self, previous: u32, slot: u32) {
        let next = if previous == NONE { self.head } else { self.link(previous).next };
        self.set(slot, Link { previous, next, linked: true });
        self.point(previous, next, slot, slot);
    }

    /// Takes a slot out, giving the one that stood before it. Nothing happens to a slot that does not stand in it.
    pub(super) fn unlink(&mut self, slot: u32) -> u32 {
        let link = self.link(slot);
        if !link.linked {
            return NONE;
        }
        self.set(slot, UNLINKED);
        self.point(link.previous, link.next, link.next, link.previous);
        link.previous
    }

    /// Moves a slot of the list to the front.
    #[inline]
    pub(super) fn touch(&mut self, slot: u32) {
        if self.head != slot && self.contains(slot) {
            self.unlink(slot);
            self.push_front(slot);
        }
    }

    fn point(&mut self, previous: u32, next: u32, to_next: u32, to_previous: u32) {
        match self.links.get_mut(previous as usize) {
            Some(link) => link.next = to_next,
            None => self.head = to_next,
        }
        match self.links.get_mut(next as usize) {
            Some(link) => link.previous = to_previous,
            None => self.tail = to_previous,
        }
    }

    fn link(&self, slot: u32) -> Link {
        self.links.get(slot as usize).copied().unwrap_or(UNLINKED)
    }

    fn set(&mut self, slot: u32, link: Link) {
        let place = slot as usize;
        if place >= self.links.len() {
            self.links.resize(place + 1, UNLINKED);
        }
        if let Some(at) = self.links.get_mut(place) {
            *at = link;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(list: &SlotList) -> Vec<u32> {
        std::iter::successors(Some(list.head()), |slot| Some(list.link(*slot).next)).take_while(|slot| *slot != NONE).collect()
    }

    #[test]
    fn unlinking_and_inserting_after_undo_each_other() {
        for slot in 0..4 {
            let mut list = SlotList::new();
            (0..4).for_each(|pushed| list.push_back(pushed));
            let before = list.unlink(slot);
            assert!(!list.contains(slot) && order(&list).len() == 3);
            list.push_back(slot);
            list.unlink(slot);
            list.insert_after(before, slot);
            assert_eq!((order(&list), list.tail()), (vec![0, 1, 2, 3], 3));
        }
    }

    #[test]
    fn touching_moves_to_the_front_and_leaves_strangers_alone() {
        let mut list = SlotList::new();
        [5, 7, 9].into_iter().for_each(|slot| list.push_back(slot));
        list.touch(9);
        list.touch(6);
        assert_eq!((order(&list), list.tail()), (vec![9, 5, 7], 7));
        assert_eq!(list.unlink(6), NONE);
    }
}
