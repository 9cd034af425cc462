//! A folder that appears whole or not at all: what is in it is written aside, under a name beside its own. What a run that was
//! killed has left there, the next one removes.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A folder in the making; removed when it is dropped before it is finished.
#[derive(Debug)]
pub(super) struct NewFolder {
    partial: PathBuf,
    out: PathBuf,
    is_finished: bool,
}

impl NewFolder {
    /// Begins a folder that is not there yet, or is empty.
    ///
    /// # Errors
    /// When nothing can be made beside it.
    pub(super) fn begin(out: &Path) -> io::Result<Self> {
        let absolute = std::path::absolute(out)?;
        let above = absolute.parent().ok_or(io::ErrorKind::InvalidInput)?;
        let mut name = OsString::from(".");
        name.push(absolute.file_name().ok_or(io::ErrorKind::InvalidInput)?);
        name.push(".partial");
        let partial = above.join(name);
        match fs::remove_dir_all(&partial) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        fs::create_dir_all(&partial)?;
        Ok(Self { partial, out: absolute, is_finished: false })
    }

    /// Where its files are written.
    pub(super) fn path(&self) -> &Path {
        &self.partial
    }

    /// Gives it its name. An empty folder of that name makes way (rename(2)).
    ///
    /// # Errors
    /// When the name is taken.
    pub(super) fn finish(mut self) -> io::Result<()> {
        for entry in fs::read_dir(&self.partial)? {
            fs::File::open(entry?.path())?.sync_all()?;
        }
        fs::rename(&self.partial, &self.out)?;
        self.is_finished = true;
        Ok(())
    }
}

impl Drop for NewFolder {
    fn drop(&mut self) {
        if !self.is_finished {
            // What stays is removed by the next run.
            let _ = fs::remove_dir_all(&self.partial);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_appears_whole_and_what_was_left_of_another_run_goes() {
        let above = tempfile::tempdir().unwrap();
        let out = above.path().join("web");
        fs::create_dir_all(above.path().join(".web.partial/x")).unwrap();
        let folder = NewFolder::begin(&out).unwrap();
        assert!(fs::read_dir(folder.path()).unwrap().next().is_none());
        fs::write(folder.path().join("recipe.toml"), "a").unwrap();
        assert!(!out.exists());
        drop(folder);
        assert!(fs::read_dir(above.path()).unwrap().next().is_none());
        fs::create_dir(&out).unwrap();
        let folder = NewFolder::begin(&out).unwrap();
        fs::write(folder.path().join("recipe.toml"), "a").unwrap();
        folder.finish().unwrap();
        assert_eq!(fs::read_to_string(out.join("recipe.toml")).unwrap(), "a");
        assert!(!above.path().join(".web.partial").exists());
    }
}
