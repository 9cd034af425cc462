//! The files of a package, as its header lists them (rpm, `docs/manual/tags.md` and `format_v4.md`).
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use amiforge_formats::tree::{NAME_MAX, Printable};

use super::header::{RpmHeader, RpmTag, tag};
use super::package::{FilePresence, RpmFileEntry, file_flag};

/// Longest path (Linux `PATH_MAX`, less the NUL).
const PATH_MAX: usize = 4095;

/// Most bytes that all paths of a package may have together; folders are written once in a header and used many times.
const PATHS_MAX: usize = 256 << 20;

/// Why a header's list of files cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FileListError {
    /// A tag of files has another number of values than there are files.
    #[error("its header names {files} files, and the tag {tag} has {values} values: the package is damaged")]
    Count {
        /// The tag.
        tag: RpmTag,
        /// Files.
        files: usize,
        /// Values.
        values: usize,
    },
    /// A file is in a folder that is not listed.
    #[error(
        "its header puts the file `{}` into folder number {index}, and there is no such folder",
        Printable(name)
    )]
    Folder {
        /// Name of the file.
        name: Vec<u8>,
        /// Number of the folder.
        index: u64,
    },
    /// A path that no file can have.
    #[error("its header names the path `{}`, which no file of a system can have", Printable(path))]
    Path {
        /// The path, or its beginning.
        path: Vec<u8>,
    },
    /// The paths are too long together.
    #[error("its paths have more than {PATHS_MAX} bytes together")]
    Long,
    /// A text is no UTF-8.
    #[error("the value `{}` of its tag {tag} is no UTF-8", Printable(value))]
    Text {
        /// The tag.
        tag: RpmTag,
        /// The value.
        value: Vec<u8>,
    },
    /// A number is too large for its meaning.
    #[error("the value {value} of its tag {tag} is too large")]
    Number {
        /// The tag.
        tag: RpmTag,
        /// The value.
        value: u64,
    },
}

/// Reads the list of files; each that is no ghost counts as installed.
///
/// # Errors
/// [`FileListError`].
pub fn files(header: &RpmHeader) -> Result<Vec<RpmFileEntry>, FileListError> {
    let paths = paths(header)?;
    let columns = Columns { header, files: paths.len() };
    let modes = columns.numbers(tag::FILEMODES)?;
    let large = header.entry(tag::LONGFILESIZES).is_some();
    let sizes = columns.numbers(if large { tag::LONGFILESIZES } else { tag::FILESIZES })?;
    let (mtimes, flags) = (columns.numbers(tag::FILEMTIMES)?, columns.numbers(tag::FILEFLAGS)?);
    let (devices, inodes) = (columns.numbers(tag::FILEDEVICES)?, columns.numbers(tag::FILEINODES)?);
    let rdevs = columns.numbers(tag::FILERDEVS)?;
    let (digests, targets) = (columns.texts(tag::FILEDIGESTS)?, columns.texts(tag::FILELINKTOS)?);
    let (users, groups) = (columns.texts(tag::FILEUSERNAME)?, columns.texts(tag::FILEGROUPNAME)?);
    let capabilities = columns.texts(tag::FILECAPS)?;
    let narrow = |tag, value: u64| u32::try_from(value).map_err(|_| FileListError::Number { tag, value });
    let short = |tag, value: u64| u16::try_from(value).map_err(|_| FileListError::Number { tag, value });
    let at = |column: &[u64], index: usize| column.get(index).copied().unwrap_or_default();
    let text = |column: &[&[u8]], index: usize| column.get(index).copied().unwrap_or_default().to_vec();
    let entry = |(index, path): (usize, Vec<u8>)| {
        let flags = narrow(tag::FILEFLAGS, at(&flags, index))?;
        let ghost = flags & file_flag::GHOST != 0;
        Ok(RpmFileEntry {
            path,
            mode: short(tag::FILEMODES, at(&modes, index))?,
            size: at(&sizes, index),
            mtime: narrow(tag::FILEMTIMES, at(&mtimes, index))?,
            flags,
            digest: utf8(tag::FILEDIGESTS, text(&digests, index))?,
            target: text(&targets, index),
            user: utf8(tag::FILEUSERNAME, text(&users, index))?,
            group: utf8(tag::FILEGROUPNAME, text(&groups, index))?,
            capabilities: utf8(tag::FILECAPS, text(&capabilities, index))?,
            rdev: short(tag::FILERDEVS, at(&rdevs, index))?,
            inode: (
                narrow(tag::FILEDEVICES, at(&devices, index))?,
                narrow(tag::FILEINODES, at(&inodes, index))?,
            ),
            presence: if ghost { FilePresence::Ghost } else { FilePresence::Installed },
        })
    };
    paths.into_iter().enumerate().map(entry).collect()
}

/// Languages of each file (`de`, several separated by `|`); empty where it belongs to none.
pub(super) fn languages(header: &RpmHeader, files: usize) -> Result<Vec<&[u8]>, FileListError> {
    Columns { header, files }.texts(tag::FILELANGS)
}

/// The columns of a table of files.
struct Columns<'h> {
    header: &'h RpmHeader,
    files: usize,
}

impl<'h> Columns<'h> {
    /// A column of numbers; empty where the tag is missing.
    fn numbers(&self, tag: RpmTag) -> Result<Vec<u64>, FileListError> {
        let numbers: Vec<u64> = self.header.numbers(tag).collect();
        self.complete(tag, numbers.len()).map(|()| numbers)
    }

    /// A column of texts; empty where the tag is missing.
    fn texts(&self, tag: RpmTag) -> Result<Vec<&'h [u8]>, FileListError> {
        let texts: Vec<&[u8]> = self.header.texts(tag).collect();
        self.complete(tag, texts.len()).map(|()| texts)
    }

    fn complete(&self, tag: RpmTag, values: usize) -> Result<(), FileListError> {
        if values == self.files || (values == 0 && self.header.entry(tag).is_none()) {
            return Ok(());
        }
        Err(FileListError::Count { tag, files: self.files, values })
    }
}

/// The absolute paths, in the order of the header.
fn paths(header: &RpmHeader) -> Result<Vec<Vec<u8>>, FileListError> {
    let mut total: usize = 0;
    let mut checked = |path: Vec<u8>| {
        total = total.saturating_add(path.len());
        match path {
            _ if total > PATHS_MAX => Err(FileListError::Long),
            path if is_clean(&path) => Ok(path),
            path => Err(FileListError::Path { path: path.get(..256).map_or(path.clone(), <[u8]>::to_vec) }),
        }
    };
    if header.entry(tag::BASENAMES).is_none() {
        return header.texts(tag::OLDFILENAMES).map(|path| checked(path.to_vec())).collect();
    }
    let names: Vec<&[u8]> = header.texts(tag::BASENAMES).collect();
    let folders: Vec<&[u8]> = header.texts(tag::DIRNAMES).collect();
    let indexes: Vec<u64> = header.numbers(tag::DIRINDEXES).collect();
    if indexes.len() != names.len() {
        return Err(FileListError::Count { tag: tag::DIRINDEXES, files: names.len(), values: indexes.len() });
    }
    let path = |(name, index): (&[u8], u64)| {
        let folder = usize::try_from(index).ok().and_then(|index| folders.get(index));
        let folder = folder.ok_or_else(|| FileListError::Folder { name: name.to_vec(), index })?;
        checked([*folder, name].concat())
    };
    names.into_iter().zip(indexes).map(path).collect()
}

/// Whether a path is absolute and has no name that is empty, too long, `.` or `..`. The root is `/`.
fn is_clean(path: &[u8]) -> bool {
    let Some(rest) = path.strip_prefix(b"/").filter(|_| path.len() <= PATH_MAX) else { return false };
    let is_name = |name: &[u8]| !matches!(name, b"" | b"." | b"..") && name.len() <= NAME_MAX;
    rest.is_empty() || rest.split(|byte| *byte == b'/').all(is_name)
}

fn utf8(tag: RpmTag, value: Vec<u8>) -> Result<String, FileListError> {
    String::from_utf8(value).map_err(|error| FileListError::Text { tag, value: error.into_bytes() })
}
