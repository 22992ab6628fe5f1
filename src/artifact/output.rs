//! Output files that appear whole or not at all, and never in place of another file.

use std::fs::{self, File, Permissions};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use tempfile::NamedTempFile;

use super::pending::{Pending, undisturbed};

/// Who may read a new file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Whom the umask allows.
    Public,
    /// The user alone: mode 0600.
    Secret,
}

/// A file whose bytes are on the disk and which has no name yet.
pub(super) struct Unnamed {
    path: PathBuf,
    file: NamedTempFile,
    pending: Pending,
}

/// A new file that exists under its name only once it is finished; dropped before, it leaves nothing.
pub struct OutputFile {
    path: PathBuf,
    file: BufWriter<NamedTempFile>,
    // Dropped after the file, so that it is known until it is gone.
    pending: Pending,
}

impl OutputFile {
    /// Begins a file that others may read.
    ///
    /// # Errors
    /// If there is a file at `path`, or none can be made there.
    pub fn create(path: &Path) -> Result<Self> {
        Self::create_with(path, Access::Public)
    }

    /// Begins a file.
    ///
    /// # Errors
    /// As [`OutputFile::create`].
    pub fn create_with(path: &Path, access: Access) -> Result<Self> {
        refuse_existing(path)?;
        let folder = folder_of(path)?;
        let (file, pending) = Pending::create(|| temporary_file(folder, access))
            .map_err(|error| explain(path, error))
            .with_context(|| format!("cannot create a file in '{}'", folder.display()))?;
        Ok(Self { path: path.to_owned(), file: BufWriter::with_capacity(1 << 16, file), pending })
    }

    /// The name the file will have.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the file its name.
    ///
    /// # Errors
    /// If the rest cannot be written, or a file of that name has come up meanwhile.
    pub fn finish(self) -> Result<()> {
        name_all(vec![self.sync()?])
    }

    /// Brings all bytes to the disk.
    ///
    /// # Errors
    /// If the rest cannot be written.
    pub(super) fn sync(self) -> Result<Unnamed> {
        let Self { path, file, pending } = self;
        let file = file.into_inner().map_err(|error| explain(&path, error.into_error()))?;
        file.as_file().sync_all().map_err(|error| explain(&path, error))?;
        Ok(Unnamed { path, file, pending })
    }
}

impl Write for OutputFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes).map_err(|error| explain(&self.path, error))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush().map_err(|error| explain(&self.path, error))
    }
}

impl Seek for OutputFile {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.file.seek(position).map_err(|error| explain(&self.path, error))
    }
}

/// Gives files their names: all of them or none, interrupted or not.
///
/// # Errors
/// If a file of one of the names has come up meanwhile.
pub(super) fn name_all(files: Vec<Unnamed>) -> Result<()> {
    // The temporary names stay known until all have their own.
    let (_pending, files): (Vec<Pending>, Vec<(PathBuf, NamedTempFile)>) =
        files.into_iter().map(|file| (file.pending, (file.path, file.file))).unzip();
    let mut named: Vec<PathBuf> = Vec::with_capacity(files.len());
    undisturbed(|| {
        for (path, file) in files {
            if let Err(error) = file.persist_noclobber(&path) {
                // They came up a moment ago; the first error is told.
                named.iter().for_each(|path| drop(fs::remove_file(path)));
                return Err(name_error(&path, error.error));
            }
            named.push(path);
        }
        Ok(())
    })
}

/// Makes a folder for output, with those above it; one that exists is fine.
///
/// # Errors
/// If something else has its name, or it cannot be made.
pub fn create_folder(path: &Path) -> Result<()> {
    if path.exists() && !path.is_dir() {
        bail!("cannot write into '{}': it is a file, not a folder", path.display());
    }
    fs::create_dir_all(path).with_context(|| format!("cannot create folder '{}'", path.display()))
}

/// Refuses a path that is taken: no output replaces a file, least of all its own input.
pub(super) fn refuse_existing(path: &Path) -> Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => bail!("cannot write '{}': it is a folder", path.display()),
        Ok(_) => Err(taken(path)),
        Err(_) => Ok(()),
    }
}

/// The folder a file will lie in.
pub(super) fn folder_of(path: &Path) -> Result<&Path> {
    if path.file_name().is_none() {
        bail!("cannot write '{}': it does not name a file", path.display());
    }
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        Some(_) | None => Path::new("."),
    };
    if !folder.is_dir() {
        bail!(
            "cannot write '{}': there is no folder '{}'\nhint: create the folder first",
            path.display(),
            folder.display()
        );
    }
    Ok(folder)
}

/// A write error as a sentence with the file's name; its kind stays.
pub(super) fn explain(path: &Path, error: io::Error) -> io::Error {
    let path = path.display();
    let sentence = match error.kind() {
        io::ErrorKind::StorageFull => format!("cannot write '{path}': the disk is full"),
        io::ErrorKind::QuotaExceeded => format!("cannot write '{path}': the disk quota is used up"),
        io::ErrorKind::FileTooLarge => {
            format!("cannot write '{path}': it grows larger than a file may be here")
        }
        // The caller repeats an interrupted call.
        io::ErrorKind::Interrupted => return error,
        _ => format!("cannot write '{path}': {}", system_error(&error)),
    };
    io::Error::new(error.kind(), sentence)
}

/// What the system said, without the path of a temporary file, which means nothing to the user.
fn system_error(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(_) => error.to_string(),
        None => error.kind().to_string(),
    }
}

/// Why a finished file could not get its name.
pub(super) fn name_error(path: &Path, error: io::Error) -> anyhow::Error {
    match error.kind() {
        io::ErrorKind::AlreadyExists => taken(path),
        _ => explain(path, error).into(),
    }
}

fn taken(path: &Path) -> anyhow::Error {
    anyhow!(
        "refusing to overwrite existing file '{0}'\nhint: remove it or name another output",
        path.display()
    )
}

fn temporary_file(folder: &Path, access: Access) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".fhe-ml-");
    if let Some(permissions) = permissions(access) {
        builder.permissions(permissions);
    }
    builder.tempfile_in(folder)
}

#[cfg(unix)]
fn permissions(access: Access) -> Option<Permissions> {
    use std::os::unix::fs::PermissionsExt;
    Some(Permissions::from_mode(match access {
        Access::Public => 0o666,
        Access::Secret => 0o600,
    }))
}

#[cfg(not(unix))]
fn permissions(_access: Access) -> Option<Permissions> {
    None
}

/// Opens an existing file, or a new one, for reading and writing.
pub(super) fn open_or_create(path: &Path) -> io::Result<File> {
    File::options().read(true).write(true).create(true).truncate(false).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_in_a_sentence() {
        let error = explain(Path::new("y.ct"), io::ErrorKind::StorageFull.into());
        assert_eq!(error.to_string(), "cannot write 'y.ct': the disk is full");
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }
}
