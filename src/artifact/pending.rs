//! The temporary files and folders of this process, so that an interrupt can take them away.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use tempfile::{NamedTempFile, TempDir};

static PENDING: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// While it lives, no output file is begun or gets its name.
pub struct Abandoned {
    _registry: MutexGuard<'static, BTreeSet<PathBuf>>,
}

/// Removes the temporary files of this process. What resumes later stays. Hold what this gives until
/// the process ends.
pub fn abandon_pending() -> Abandoned {
    let mut registry = registry();
    for path in std::mem::take(&mut *registry) {
        // Nobody is left to tell of a failure: the process is about to end.
        let _ = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
    }
    Abandoned { _registry: registry }
}

/// A folder that is gone, with all in it, when this is dropped.
pub struct TemporaryFolder {
    folder: TempDir,
    _pending: Pending,
}

impl TemporaryFolder {
    /// Makes one where the system keeps such folders.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn create() -> Result<Self> {
        let mut registry = registry();
        let folder = TempDir::with_prefix("fhe-ml-").context("cannot make a temporary folder")?;
        registry.insert(folder.path().to_owned());
        let pending = Pending(folder.path().to_owned());
        Ok(Self { folder, _pending: pending })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Does what no interrupt may cut in two. Begin and drop no [`Pending`] in it.
pub(super) fn undisturbed<T>(act: impl FnOnce() -> T) -> T {
    let _registry = registry();
    act()
}

/// A temporary file is known here as long as this lives.
pub(super) struct Pending(PathBuf);

impl Pending {
    /// Creates a temporary file; no interrupt can come between its creation and its registration.
    pub(super) fn create(
        create: impl FnOnce() -> io::Result<NamedTempFile>,
    ) -> io::Result<(NamedTempFile, Self)> {
        let mut registry = registry();
        let file = create()?;
        let path: &Path = file.path();
        registry.insert(path.to_owned());
        let pending = Self(path.to_owned());
        Ok((file, pending))
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        registry().remove(&self.0);
    }
}

fn registry() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    // A set of paths is whole after a panic elsewhere.
    PENDING.lock().unwrap_or_else(PoisonError::into_inner)
}
