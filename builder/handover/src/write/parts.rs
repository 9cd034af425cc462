//! The files of a hand-over while it is written: parts of equal length, under names that begin with a dot and end in
//! `.partial`, and renamed once they are whole. The first part is renamed last, so where it is, all of them are.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FlockOperation, OFlags, RenameFlags, flock, renameat_with};

use crate::error::HandoverError;
use crate::header::{HEADER_LEN, Header, PARTS_MAX};

/// The files. Dropped before [`PartFiles::finish`], they are removed.
pub(super) struct PartFiles {
    path: PathBuf,
    split: Option<u64>,
    /// The open files with their names, in the order of the parts.
    files: Vec<(File, PathBuf)>,
    /// Final names that were given.
    named: Vec<PathBuf>,
    committed: bool,
}

/// The path of a part of a hand-over that is split.
pub(crate) fn part_path(path: &Path, part: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{part:03}"));
    name.into()
}

impl PartFiles {
    /// Opens the first file. `least` is the least length of the body.
    pub(super) fn create(path: &Path, split: Option<u64>, least: u64) -> Result<Self, HandoverError> {
        let mut files =
            Self { path: path.to_owned(), split, files: Vec::new(), named: Vec::new(), committed: false };
        refuse_taken(path)?;
        refuse_taken(&part_path(path, 1))?;
        files.check_count(least.div_ceil(files.room()))?;
        files.open_next()?;
        Ok(files)
    }

    /// Writes bytes of the body.
    pub(super) fn write_at(&mut self, mut at: u64, mut bytes: &[u8]) -> Result<(), HandoverError> {
        let room = self.room();
        while !bytes.is_empty() {
            let (part, within) = (at / room, at % room);
            let used = bytes.len().min(usize::try_from(room - within).unwrap_or(usize::MAX));
            let (now, rest) = bytes.split_at(used);
            let (file, name) = self.file(part)?;
            let written = file.write_all_at(now, HEADER_LEN + within);
            written.map_err(|source| HandoverError::File { path: name.clone(), source })?;
            at += used as u64;
            bytes = rest;
        }
        Ok(())
    }

    /// Writes the headers and gives the files their names. Returns these and the length of all files.
    pub(super) fn finish(mut self, whole: &Header) -> Result<(Vec<PathBuf>, u64), HandoverError> {
        let (room, parts) = (self.room(), self.files.len() as u32);
        for (part, (file, name)) in (1..).zip(&self.files) {
            let start = u64::from(part - 1) * room;
            let end = start.saturating_add(room).min(whole.body_len);
            let header = Header { part, parts, start, end, ..*whole };
            let written = file.write_all_at(&header.encode(), 0).and_then(|()| file.sync_all());
            written.map_err(|source| HandoverError::File { path: name.clone(), source })?;
        }
        let names: Vec<_> = (1..=parts).map(|part| self.final_name(part)).collect();
        for (name, (_, partial)) in names.iter().zip(&self.files).rev() {
            rename(partial, name)?;
            self.named.push(name.clone());
        }
        let folder = parent(&self.path);
        let synced = File::open(folder).and_then(|folder| folder.sync_all());
        synced.map_err(|source| HandoverError::File { path: folder.to_owned(), source })?;
        self.committed = true;
        Ok((names, whole.body_len + u64::from(parts) * HEADER_LEN))
    }

    /// Bytes of the body in a part.
    fn room(&self) -> u64 {
        self.split.map_or(u64::MAX, |split| split.saturating_sub(HEADER_LEN).max(1))
    }

    fn final_name(&self, part: u32) -> PathBuf {
        if self.split.is_some() { part_path(&self.path, part) } else { self.path.clone() }
    }

    fn file(&mut self, part: u64) -> Result<&(File, PathBuf), HandoverError> {
        self.check_count(part + 1)?;
        while self.files.len() as u64 <= part {
            self.open_next()?;
        }
        Ok(&self.files[part as usize])
    }

    fn check_count(&self, parts: u64) -> Result<(), HandoverError> {
        match self.split {
            Some(split) if parts > u64::from(PARTS_MAX) => {
                Err(HandoverError::TooManyParts { split, parts, max: PARTS_MAX })
            }
            _ => Ok(()),
        }
    }

    fn open_next(&mut self) -> Result<(), HandoverError> {
        let name = self.final_name(self.files.len() as u32 + 1);
        refuse_taken(&name)?;
        let partial = partial_name(&name)?;
        let file = open_locked(&partial)?;
        self.files.push((file, partial));
        Ok(())
    }
}

impl Drop for PartFiles {
    fn drop(&mut self) {
        if !self.committed {
            // An error cannot be returned from here; the next export of this name uses the files again.
            for path in self.files.iter().map(|(_, path)| path).chain(&self.named) {
                let _ = fs::remove_file(path);
            }
        }
    }
}

fn partial_name(name: &Path) -> Result<PathBuf, HandoverError> {
    let unnamed =
        || HandoverError::File { path: name.to_owned(), source: io::ErrorKind::InvalidInput.into() };
    let mut hidden = OsString::from(".");
    hidden.push(name.file_name().ok_or_else(unnamed)?);
    hidden.push(".partial");
    Ok(name.with_file_name(hidden))
}

/// Opens a file of this name, empty, and locks it (flock, which ends with its owner). A link or a device is refused.
fn open_locked(path: &Path) -> Result<File, HandoverError> {
    let failed = |source| HandoverError::File { path: path.to_owned(), source };
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32;
    let opened = OpenOptions::new().create(true).truncate(false).write(true).custom_flags(flags).open(path);
    let file = opened.map_err(failed)?;
    let opened = file.metadata().map_err(failed)?;
    if !opened.is_file() {
        return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file")));
    }
    flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|errno| match errno {
        rustix::io::Errno::WOULDBLOCK => HandoverError::Busy { path: path.to_owned() },
        errno => failed(errno.into()),
    })?;
    // Its owner may have renamed or removed it between both calls.
    let named = path.symlink_metadata().map_err(failed)?;
    if (named.dev(), named.ino()) != (opened.dev(), opened.ino()) {
        return Err(HandoverError::Busy { path: path.to_owned() });
    }
    file.set_len(0).map_err(failed)?;
    Ok(file)
}

fn refuse_taken(path: &Path) -> Result<(), HandoverError> {
    match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(HandoverError::File { path: path.to_owned(), source }),
        Ok(_) => Err(HandoverError::Exists { path: path.to_owned() }),
    }
}

fn rename(from: &Path, to: &Path) -> Result<(), HandoverError> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // The file system does not know the flag.
        Err(rustix::io::Errno::INVAL) => refuse_taken(to).and_then(|()| {
            fs::rename(from, to).map_err(|source| HandoverError::File { path: to.to_owned(), source })
        }),
        Err(rustix::io::Errno::EXIST) => Err(HandoverError::Exists { path: to.to_owned() }),
        other => other.map_err(|errno| HandoverError::File { path: to.to_owned(), source: errno.into() }),
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
