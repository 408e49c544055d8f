//! A Java `TreeSet` whose order changes while it is filled: where an element ends up depends on which others it was
//! compared with, so on the shape of the tree. Kafka Streams prints the neighbours of nodes in such an order.

use std::cmp::Ordering;

/// A red-black tree, balanced as `java.util.TreeMap` balances it.
pub(crate) struct JavaTree<T> {
    slots: Vec<Slot<T>>,
    root: Option<usize>,
}

struct Slot<T> {
    item: T,
    red: bool,
    parent: Option<usize>,
    left: Option<usize>,
    right: Option<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Left,
    Right,
}

impl Side {
    const fn other(self) -> Self {
        match self {
            Self::Left => Self::Right,
            Self::Right => Self::Left,
        }
    }
}

impl<T> Default for JavaTree<T> {
    fn default() -> Self {
        Self { slots: Vec::new(), root: None }
    }
}

impl<T: Copy> JavaTree<T> {
    /// Adds an item by the order of now, unless it equals one it is compared with.
    pub(crate) fn insert(&mut self, item: T, order: impl Fn(T, T) -> Ordering) {
        let (mut parent, mut side, mut at) = (None, Side::Left, self.root);
        while let Some(slot) = at.and_then(|at| self.slots.get(at)) {
            side = match order(item, slot.item) {
                Ordering::Less => Side::Left,
                Ordering::Equal => return,
                Ordering::Greater => Side::Right,
            };
            (parent, at) = (at, self.child(at, side));
        }
        let new = self.slots.len();
        self.slots.push(Slot { item, red: true, parent, left: None, right: None });
        self.link(parent, side, Some(new));
        self.balance(new);
    }

    /// The items from left to right.
    pub(crate) fn items(&self) -> Vec<T> {
        let mut items = Vec::with_capacity(self.slots.len());
        let (mut above, mut at) = (Vec::new(), self.root);
        loop {
            while let Some(slot) = at.and_then(|at| self.slots.get(at)) {
                above.push(slot);
                at = slot.left;
            }
            let Some(slot) = above.pop() else { return items };
            items.push(slot.item);
            at = slot.right;
        }
    }

    fn balance(&mut self, new: usize) {
        let mut at = Some(new);
        while self.is_red(self.parent(at)) {
            let parent = self.parent(at);
            let grand = self.parent(parent);
            let side = if self.child(grand, Side::Left) == parent { Side::Left } else { Side::Right };
            let uncle = self.child(grand, side.other());
            if self.is_red(uncle) {
                self.paint(parent, false);
                self.paint(uncle, false);
                self.paint(grand, true);
                at = grand;
                continue;
            }
            if self.child(parent, side.other()) == at {
                at = parent;
                self.rotate(at, side);
            }
            let parent = self.parent(at);
            let grand = self.parent(parent);
            self.paint(parent, false);
            self.paint(grand, true);
            self.rotate(grand, side.other());
        }
        self.paint(self.root, false);
    }

    /// Moves a slot down to this side; its child of the other side takes its place.
    fn rotate(&mut self, at: Option<usize>, side: Side) {
        let up = self.child(at, side.other());
        let parent = self.parent(at);
        let of_parent = if self.child(parent, Side::Left) == at { Side::Left } else { Side::Right };
        self.link(at, side.other(), self.child(up, side));
        self.link(parent, of_parent, up);
        self.link(up, side, at);
    }

    /// Makes `child` the child of `parent`, or the root.
    fn link(&mut self, parent: Option<usize>, side: Side, child: Option<usize>) {
        match (parent.and_then(|parent| self.slots.get_mut(parent)), side) {
            (None, _) => self.root = child,
            (Some(slot), Side::Left) => slot.left = child,
            (Some(slot), Side::Right) => slot.right = child,
        }
        if let Some(slot) = child.and_then(|child| self.slots.get_mut(child)) {
            slot.parent = parent;
        }
    }

    fn child(&self, at: Option<usize>, side: Side) -> Option<usize> {
        let slot = self.slots.get(at?)?;
        match side {
            Side::Left => slot.left,
            Side::Right => slot.right,
        }
    }

    fn parent(&self, at: Option<usize>) -> Option<usize> {
        self.slots.get(at?)?.parent
    }

    fn is_red(&self, at: Option<usize>) -> bool {
        at.and_then(|at| self.slots.get(at)).is_some_and(|slot| slot.red)
    }

    fn paint(&mut self, at: Option<usize>, red: bool) {
        if let Some(slot) = at.and_then(|at| self.slots.get_mut(at)) {
            slot.red = red;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_come_in_order_however_they_were_added() {
        for step in [1, 7, 11, 29] {
            let mut tree = JavaTree::default();
            for index in 0..30_u32 {
                tree.insert(index * step % 31, |left, right| left.cmp(&right));
            }
            let items = tree.items();
            assert_eq!(items.len(), 30);
            assert!(items.is_sorted(), "step {step}: {items:?}");
        }
    }
}
