//! Which files of a package the filters leave out of the tree.

use crate::filters::{EntryShape, FilterEntry, Filters, KeepChoice};
use crate::rpm::file::payload::{S_IFLNK, S_IFMT};
use crate::rpm::file_list::{self, FileListError};
use crate::rpm::header::RpmHeader;
use crate::rpm::package::{FilePresence, RpmFileEntry, file_flag};

/// Type bits of a directory.
const S_IFDIR: u16 = 0o040_000;

/// Marks the files that are left out.
pub(super) fn leave_out(
    filters: &Filters,
    header: &RpmHeader,
    files: &mut [RpmFileEntry],
) -> Result<(), FileListError> {
    let languages = file_list::languages(header, files.len())?;
    let language = |number: usize| languages.get(number).copied().unwrap_or_default();
    let entry = |(number, file)| filter_entry(file, language(number));
    let entries: Vec<FilterEntry<'_>> = files.iter().enumerate().map(entry).collect();
    let included = filters.included(&entries);
    for (file, keep) in files.iter_mut().zip(included) {
        if keep == KeepChoice::None && file.presence == FilePresence::Installed {
            file.presence = FilePresence::LeftOut;
        }
    }
    Ok(())
}

/// A file as filters see it.
fn filter_entry<'f>(file: &'f RpmFileEntry, languages: &'f [u8]) -> FilterEntry<'f> {
    let shape = match file.mode & S_IFMT {
        S_IFDIR => EntryShape::Dir,
        S_IFLNK => EntryShape::Symlink,
        _ => EntryShape::Other,
    };
    let path = file.path.strip_prefix(b"/").unwrap_or(&file.path);
    let is_doc = file.flags & file_flag::DOC != 0 && file.flags & file_flag::LICENSE == 0;
    FilterEntry { path, shape, is_doc, languages }
}
