//! Which node a panic came from. It is noted while the panic unwinds, so a record that passes pays nothing.
//!
//! Every edge notes the node below it; the innermost is noted first and stays. Whoever catches the panic takes the note.

use std::cell::RefCell;
use std::sync::Arc;

thread_local! {
    static NODE: RefCell<Option<Arc<str>>> = const { RefCell::new(None) };
}

/// Notes a panic that comes from the node `names[index]`, if it has a name, until [`Note::forget`].
#[inline]
pub(crate) fn note(names: &[Arc<str>], index: usize) -> Note<'_> {
    Note { names, index }
}

/// The node of the panic that was caught.
pub(crate) fn take() -> Option<Arc<str>> {
    NODE.with(RefCell::take)
}

/// Its drop is the unwinding: a node that has returned forgets it.
pub(crate) struct Note<'a> {
    names: &'a [Arc<str>],
    index: usize,
}

impl Note<'_> {
    /// The node has returned.
    #[inline]
    pub(crate) fn forget(self) {
        std::mem::forget(self);
    }
}

impl Drop for Note<'_> {
    #[cold]
    fn drop(&mut self) {
        if let Some(name) = self.names.get(self.index) {
            NODE.with(|node| {
                node.borrow_mut().get_or_insert_with(|| Arc::clone(name));
            });
        }
    }
}
