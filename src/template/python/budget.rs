//! How much a template may build. What builds a string or a list says beforehand how long it will
//! be; one render has so many bytes, and then fails.
//!
//! The engine calls filters without a place for such a count, and renders on one thread.

use std::cell::Cell;
use std::fmt;

use minijinja::{Error, ErrorKind};

thread_local! {
    static LEFT: Cell<Option<usize>> = const { Cell::new(Some(usize::MAX)) };
}

/// A value in a list, in bytes.
const VALUE: usize = size_of::<minijinja::Value>();

/// Runs `render` with `bytes`. Whether they were not enough comes with what it gave.
pub(crate) fn with<T>(bytes: usize, render: impl FnOnce() -> T) -> (T, bool) {
    let before = LEFT.replace(Some(bytes));
    let rendered = render();
    let spent = LEFT.replace(before).is_none();
    (rendered, spent)
}

/// Takes `bytes`; `false` if there are not so many, now and ever after.
pub(crate) fn take(bytes: usize) -> bool {
    let left = LEFT.get().and_then(|left| left.checked_sub(bytes));
    LEFT.set(left);
    left.is_some()
}

/// Takes `bytes`, or fails.
pub(crate) fn charge(bytes: usize) -> Result<(), Error> {
    if take(bytes) {
        Ok(())
    } else {
        Err(Error::new(ErrorKind::InvalidOperation, "the template builds too much"))
    }
}

/// Takes what a list of `count` values needs, or fails.
pub(crate) fn charge_list(count: usize) -> Result<(), Error> {
    charge(count.saturating_mul(VALUE))
}

/// A string that is charged as it grows.
#[derive(Debug, Default)]
pub(crate) struct Text(pub(crate) String);

impl fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if !take(text.len()) {
            return Err(fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}
