//! Memory for work, used by one thread after another.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Idle things that are costly to make. There are never more of them than were in use at once.
pub struct Pool<T> {
    idle: Mutex<Vec<T>>,
}

impl<T> Pool<T> {
    /// An idle one, or a new one.
    pub fn take(&self, make: impl FnOnce() -> T) -> T {
        self.try_take().unwrap_or_else(make)
    }

    /// An idle one, if there is any.
    pub fn try_take(&self) -> Option<T> {
        self.idle().pop()
    }

    /// Keeps one until it is needed again.
    pub fn give(&self, item: T) {
        self.idle().push(item);
    }

    /// Works with one.
    pub fn lend<R>(&self, make: impl FnOnce() -> T, work: impl FnOnce(&mut T) -> R) -> R {
        let mut item = self.take(make);
        let result = work(&mut item);
        self.give(item);
        result
    }

    fn idle(&self) -> MutexGuard<'_, Vec<T>> {
        // A list of idle things is whole after a panic elsewhere.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> FromIterator<T> for Pool<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        Self { idle: Mutex::new(items.into_iter().collect()) }
    }
}

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Self { idle: Mutex::new(Vec::new()) }
    }
}
