//! Which node a panic came from. It is noted while the panic unwinds, so a record that passes pays nothing.
//!
//! Every edge notes the node below it; the innermost is noted first and stays. Whoever catches the panic takes the note.

use std::cell::RefCell;
use std::sync::Arc;

thread_local! {
    static NODE: RefCell<Option<Arc<str>>> = const { RefCell::new(None) };
}

/// Runs the work of the node `names[index]`, if it has a name.
#[inline]
pub(crate) fn noting<T>(names: &[Arc<str>], index: usize, work: impl FnOnce() -> T) -> T {
    let note = Note { names, index };
    let result = work();
    // Only a panic drops the note.
    std::mem::forget(note);
    result
}

/// The node of the panic that was caught.
pub(crate) fn take() -> Option<Arc<str>> {
    NODE.with(RefCell::take)
}

struct Note<'a> {
    names: &'a [Arc<str>],
    index: usize,
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
