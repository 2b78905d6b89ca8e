//! Locks that hold everybody up.

use super::{Lints, key_at};
use crate::definition::diagnostic::code;

impl Lints<'_, '_, '_> {
    /// A saga that waits for a person or a time with a lock in its hand.
    pub(super) fn locks(&mut self) {
        if self.definition.locks.is_empty() {
            return;
        }
        let entries = self.entries;
        for (key, step) in entries {
            for (kind, what) in [("await", "awaits a signal"), ("sleep", "sleeps"), ("until", "sleeps")] {
                if let Some(at) = key_at(step, kind) {
                    let message = format!("the saga's locks are held while `{}` {what}", key.name);
                    let hint = "whoever wants them waits as long: wait first, and lock in a saga of its own";
                    self.warn(code::LOCK_ACROSS_WAIT, at, message, hint);
                }
            }
        }
    }
}
