//! Memory for work, lent to one thread after another.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Things that are costly to make and that one thread uses at a time. There are never more of them than
/// were in use at once.
pub struct Pool<T> {
    idle: Mutex<Vec<T>>,
}

impl<T> Pool<T> {
    /// Works with an idle one, or with a new one.
    pub fn lend<R>(&self, make: impl FnOnce() -> T, work: impl FnOnce(&mut T) -> R) -> R {
        let idle = self.idle().pop();
        let mut item = idle.unwrap_or_else(make);
        let result = work(&mut item);
        self.idle().push(item);
        result
    }

    fn idle(&self) -> MutexGuard<'_, Vec<T>> {
        // A list of idle things is whole after a panic elsewhere.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Self { idle: Mutex::new(Vec::new()) }
    }
}
