//! The folders above a bundle: created when they are missing, and removed again when the build fails.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::BuildError;

/// Folders that were made; dropped before [`CreatedDirs::keep`], those that are still empty are removed.
#[derive(Debug)]
pub(super) struct CreatedDirs(Vec<PathBuf>);

impl CreatedDirs {
    /// Creates the folder of `out`, and those above it.
    pub(super) fn make(out: &Path) -> Result<Self, BuildError> {
        let missing: Vec<_> = folder_of(out).ancestors().take_while(|folder| is_missing(folder)).collect();
        let mut made = Self(Vec::new());
        for folder in missing.into_iter().rev() {
            match fs::create_dir(folder) {
                Ok(()) => made.0.push(folder.to_owned()),
                // Another build was quicker.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(source) => return Err(BuildError::Folder { path: folder.to_owned(), source }),
            }
        }
        Ok(made)
    }

    /// The bundle is there, so they stay.
    pub(super) fn keep(mut self) {
        self.0.clear();
    }
}

/// Whether there is nothing of that name, or nothing that can be looked at: making it will tell why.
fn is_missing(folder: &Path) -> bool {
    !folder.as_os_str().is_empty() && folder.symlink_metadata().is_err()
}

impl Drop for CreatedDirs {
    fn drop(&mut self) {
        for folder in self.0.iter().rev() {
            // A folder that another process put files into stays.
            let _ = fs::remove_dir(folder);
        }
    }
}

/// The parent folder of a path.
pub(super) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_that_were_made_go_unless_they_are_kept_or_used() {
        let base = tempfile::tempdir().unwrap();
        let out = base.path().join("a/b/c");
        drop(CreatedDirs::make(&out).unwrap());
        assert!(!base.path().join("a").exists());
        let parents = CreatedDirs::make(&out).unwrap();
        fs::write(base.path().join("a/file"), "").unwrap();
        drop(parents);
        assert!(base.path().join("a").exists() && !base.path().join("a/b").exists());
        CreatedDirs::make(&out).unwrap().keep();
        drop(CreatedDirs::make(&out).unwrap());
        assert!(base.path().join("a/b").exists(), "what was there before is not ours to remove");
    }

    #[test]
    fn a_file_in_the_way_is_named() {
        let base = tempfile::tempdir().unwrap();
        fs::write(base.path().join("a"), "").unwrap();
        let error = CreatedDirs::make(&base.path().join("a/b/c")).unwrap_err();
        assert!(matches!(error, BuildError::Folder { path, .. } if path.ends_with("a/b")));
    }
}
