//! `[[file]]`: creates files, symlinks and folders in a tree, or removes them, in the order of the recipe. Does not open
//! files of the host: content is a [`Content`].

pub(super) mod error;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use amiforge_formats::plan::Sources;
use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, Meta, Node, NodeKind, SYMLINK_MAX, Tree, Xattrs};

use self::error::XATTR_SIZE_MAX;
use super::accounts::{self, Principal};
use super::acl::{self, IdLookup};
use super::capability;
use super::error::StepError;
use amiforge_formats::path::{self, Last, TreePath};

pub use self::error::FileError;

/// Longest name of an attribute (`XATTR_NAME_MAX`).
const XATTR_NAME_MAX: usize = 255;

/// One `[[file]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSpec {
    /// Absolute path in the image. Symlinks in its parents are followed within the tree; a symlink at its end is replaced.
    pub path: String,
    /// What to do with the path.
    pub action: FileAction,
    /// Permission bits; if not given, 0644 for files and 0755 for folders (an existing folder keeps its mode).
    pub mode: Option<u16>,
    /// Owner; root if not given.
    pub user: Option<Principal>,
    /// Group; root if not given.
    pub group: Option<Principal>,
    /// Extended attributes by full name.
    pub xattrs: BTreeMap<String, XattrValue>,
}

/// The action of a `[[file]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileAction {
    /// Creates a regular file with this content; replaces an existing file or symlink with all its attributes.
    Write(Content),
    /// Creates a symbolic link with this target.
    Symlink(String),
    /// Creates a folder; an existing one keeps its entries.
    Folder,
    /// Removes the path, a folder with everything in it.
    Remove(IfMissing),
}

/// What to do if a path to remove does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfMissing {
    /// Refuse: probably a spelling mistake.
    Refuse,
    /// Do nothing.
    Accept,
}

/// The value of an extended attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum XattrValue {
    /// Exactly these bytes.
    Bytes(Vec<u8>),
    /// Text: for `security.capability` in the syntax of setcap(8), for `system.posix_acl_*` in that of setfacl(1), else the
    /// bytes of the text.
    Text(String),
}

impl XattrValue {
    /// Parses a value in the syntax of setfattr(1): `0x` and hexadecimal digits, `0s` and base64, else text.
    ///
    /// # Errors
    /// [`FileError::XattrEncoding`] when the rest after `0x` or `0s` is not valid.
    pub fn parse(text: &str) -> Result<Self, FileError> {
        let invalid = || FileError::XattrEncoding { text: text.to_owned() };
        if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
            return decode_hex(digits).map(Self::Bytes).ok_or_else(invalid);
        }
        if let Some(digits) = text.strip_prefix("0s").or_else(|| text.strip_prefix("0S")) {
            return decode_base64(digits).map(Self::Bytes).ok_or_else(invalid);
        }
        Ok(Self::Text(text.to_owned()))
    }
}

fn decode_hex(digits: &str) -> Option<Vec<u8>> {
    let nibble = |byte: &u8| char::from(*byte).to_digit(16);
    digits
        .as_bytes()
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => Some((nibble(high)? << 4 | nibble(low)?) as u8),
            _ => None,
        })
        .collect()
}

fn decode_base64(digits: &str) -> Option<Vec<u8>> {
    let digits = digits.trim_end_matches('=').as_bytes();
    let mut bytes = Vec::with_capacity(digits.len() / 4 * 3 + 2);
    for group in digits.chunks(4) {
        let mut bits = 0_u32;
        for digit in group {
            let value = match digit {
                b'A'..=b'Z' => digit - b'A',
                b'a'..=b'z' => digit - b'a' + 26,
                b'0'..=b'9' => digit - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                _ => return None,
            };
            bits = bits << 6 | u32::from(value);
        }
        let [_, a, b, c] = (bits << (6 * (4 - group.len()))).to_be_bytes();
        match group.len() {
            4 => bytes.extend([a, b, c]),
            3 => bytes.extend([a, b]),
            2 => bytes.push(a),
            _ => return None,
        }
    }
    Some(bytes)
}

/// Applies every `[[file]]`, in order.
///
/// # Errors
/// [`StepError::File`] for the first one that fails.
pub fn apply(
    tree: &mut Tree,
    sources: &dyn Sources,
    specs: &[FileSpec],
    time: Time,
) -> Result<(), StepError> {
    specs.iter().try_for_each(|spec| {
        apply_one(tree, sources, spec, time)
            .map_err(|source| StepError::File { path: spec.path.clone(), source })
    })
}

fn apply_one(tree: &mut Tree, sources: &dyn Sources, spec: &FileSpec, time: Time) -> Result<(), FileError> {
    let path = path::checked(&spec.path)?;
    if let Some(mode) = spec.mode.filter(|mode| *mode > 0o7777) {
        return Err(FileError::Mode { mode });
    }
    match &spec.action {
        FileAction::Remove(missing) => return remove(tree, path, spec, *missing),
        FileAction::Folder => return ensure_folder(tree, sources, path, spec, time),
        FileAction::Write(_) | FileAction::Symlink(_) => {}
    }
    let (kind, mode) = match &spec.action {
        FileAction::Symlink(target) => (symlink_kind(target, spec)?, 0o777),
        FileAction::Write(content) => (NodeKind::File(content.clone()), spec.mode.unwrap_or(0o644)),
        FileAction::Folder | FileAction::Remove(_) => return Ok(()),
    };
    let meta = with_attributes(tree, sources, spec, Meta::root_owned(mode, time))?;
    let resolved = path::resolve_with_parents(tree, path, Last::Keep, time)?;
    refuse_non_empty_folder(tree, &resolved)?;
    path::put(tree, &resolved, Node { meta, kind })?;
    Ok(())
}

/// Refuses to replace a folder that has entries; an empty one may be replaced, as rename(2) allows for folders.
fn refuse_non_empty_folder(tree: &Tree, resolved: &TreePath) -> Result<(), FileError> {
    if resolved.name.is_none() {
        return Err(FileError::Root);
    }
    let entries = resolved.node.and_then(|id| tree.entries(id)).map_or(0, BTreeMap::len);
    if entries > 0 { Err(FileError::FolderNotEmpty { entries }) } else { Ok(()) }
}

/// The node of a symlink; refuses attributes that a symlink does not have.
fn symlink_kind(target: &str, spec: &FileSpec) -> Result<NodeKind, FileError> {
    if target.is_empty() || target.len() > SYMLINK_MAX || target.contains('\0') {
        return Err(FileError::Target { len: target.len() });
    }
    if spec.mode.is_some() {
        return Err(FileError::SymlinkAttribute { what: "mode" });
    }
    if !spec.xattrs.is_empty() {
        return Err(FileError::SymlinkAttribute { what: "extended attributes" });
    }
    Ok(NodeKind::Symlink(target.as_bytes().into()))
}

/// Creates a folder, or gives an existing one the attributes of the spec. A symlink to a folder is followed.
fn ensure_folder(
    tree: &mut Tree,
    sources: &dyn Sources,
    path: &[u8],
    spec: &FileSpec,
    time: Time,
) -> Result<(), FileError> {
    let resolved = path::resolve_with_parents(tree, path, Last::Follow, time)?;
    let Some(id) = resolved.node else {
        let meta = Meta::root_owned(spec.mode.unwrap_or(0o755), time);
        let meta = with_attributes(tree, sources, spec, meta)?;
        path::put(tree, &resolved, Node { meta, kind: NodeKind::dir() })?;
        return Ok(());
    };
    let Node { meta, kind } = tree.node(id);
    if !matches!(kind, NodeKind::Dir(_)) {
        return Err(FileError::NotAFolder { kind: kind.word() });
    }
    let mut meta = Meta { mode: spec.mode.unwrap_or(meta.mode), ..meta.clone() };
    let before = meta.clone();
    meta = with_attributes(tree, sources, spec, meta)?;
    if meta != before || spec.mode.is_some() {
        tree.node_mut(id).meta = meta;
    }
    Ok(())
}

/// Removes a path; attributes in the spec are refused.
fn remove(tree: &mut Tree, path: &[u8], spec: &FileSpec, missing: IfMissing) -> Result<(), FileError> {
    let attributes = [
        ("mode", spec.mode.is_some()),
        ("owner", spec.user.is_some() || spec.group.is_some()),
        ("extended attributes", !spec.xattrs.is_empty()),
    ];
    if let Some((what, _)) = attributes.into_iter().find(|(_, given)| *given) {
        return Err(FileError::RemovedAttribute { what });
    }
    let resolved = path::resolve(tree, path, Last::Keep)?;
    match resolved {
        Some(TreePath { name: None, .. }) => Err(FileError::Root),
        Some(TreePath { dir, name: Some(name), node: Some(_), .. }) => {
            tree.unlink(dir, name.as_bytes());
            Ok(())
        }
        _ if missing == IfMissing::Accept => Ok(()),
        _ => Err(FileError::NotFound),
    }
}

/// The metadata with the owner, group and extended attributes of the spec.
fn with_attributes(
    tree: &Tree,
    sources: &dyn Sources,
    spec: &FileSpec,
    mut meta: Meta,
) -> Result<Meta, FileError> {
    if let Some(user) = &spec.user {
        meta.uid = accounts::uid_of(tree, sources, user)?;
    }
    if let Some(group) = &spec.group {
        meta.gid = accounts::gid_of(tree, sources, group)?;
    }
    let mut xattrs = meta.xattrs.take().map_or_else(Xattrs::new, |xattrs| *xattrs);
    for (name, value) in &spec.xattrs {
        let value = encode_xattr(tree, sources, name, value, &mut meta.mode)?;
        let key = Box::from(name.as_bytes());
        match value {
            Some(value) => drop(xattrs.insert(key, value.into_boxed_slice())),
            None => drop(xattrs.remove(&key)),
        }
    }
    meta.xattrs = (!xattrs.is_empty()).then(|| Box::new(xattrs));
    Ok(meta)
}

/// The value of an attribute. An access ACL also changes the mode; `None` where the mode alone expresses it.
fn encode_xattr(
    tree: &Tree,
    sources: &dyn Sources,
    name: &str,
    value: &XattrValue,
    mode: &mut u16,
) -> Result<Option<Vec<u8>>, FileError> {
    let known = ["user.", "security.", "trusted.", "system."]
        .iter()
        .any(|space| name.strip_prefix(space).is_some_and(|rest| !rest.is_empty()));
    if !known || name.len() > XATTR_NAME_MAX || name.contains('\0') {
        return Err(FileError::XattrName { name: name.to_owned() });
    }
    let bytes = match (name, value) {
        (_, XattrValue::Bytes(bytes)) => bytes.clone(),
        ("security.capability", XattrValue::Text(text)) => {
            capability::from_text(text).map_err(FileError::Capability)?
        }
        ("system.posix_acl_access" | "system.posix_acl_default", XattrValue::Text(text)) => {
            let acl = acl::from_text(text, *mode, &TreeAccounts { tree, sources });
            let acl = acl.map_err(|source| FileError::Acl { name: name.to_owned(), source })?;
            if name == "system.posix_acl_default" {
                // A default ACL does not apply to the folder itself.
                return Ok(Some(acl.encoded()));
            }
            *mode = *mode & !0o777 | acl.permissions;
            return Ok(acl.value);
        }
        (_, XattrValue::Text(text)) => text.as_bytes().to_vec(),
    };
    if bytes.len() > XATTR_SIZE_MAX {
        return Err(FileError::XattrSize { name: name.to_owned(), len: bytes.len() });
    }
    Ok(Some(bytes))
}

/// Looks up names in the account files of the tree.
struct TreeAccounts<'a> {
    tree: &'a Tree,
    sources: &'a dyn Sources,
}

impl IdLookup for TreeAccounts<'_> {
    fn user(&self, name: &str) -> Option<u32> {
        accounts::uid_of(self.tree, self.sources, &Principal::Name(name.to_owned())).ok()
    }

    fn group(&self, name: &str) -> Option<u32> {
        accounts::gid_of(self.tree, self.sources, &Principal::Name(name.to_owned())).ok()
    }
}
