//! Why a `[[file]]` failed.

use amiforge_formats::path::PathError;
use amiforge_formats::tree::SYMLINK_MAX;

use crate::steps::accounts::error::AccountError;
use crate::steps::acl::AclError;
use crate::steps::capability::CapabilityError;

/// Longest value of an attribute (`XATTR_SIZE_MAX`).
pub(super) const XATTR_SIZE_MAX: usize = 65_536;

/// Why a `[[file]]` failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The path cannot be resolved.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The owner or group does not exist.
    #[error(transparent)]
    Owner(#[from] AccountError),
    /// The path to remove does not exist.
    #[error("the path does not exist, so it cannot be removed")]
    NotFound,
    /// The root of the image can only be a folder.
    #[error("the root of the image can be neither removed nor replaced")]
    Root,
    /// The path is a folder with entries.
    #[error("the path is a folder with {entries} entries: remove it first")]
    FolderNotEmpty {
        /// Number of entries.
        entries: usize,
    },
    /// The path of a folder exists and is not a folder.
    #[error("the path is a {kind}, not a folder: remove it first")]
    NotAFolder {
        /// Kind of the existing entry.
        kind: &'static str,
    },
    /// The mode is not valid.
    #[error("mode {mode:#o} has more than the twelve bits 07777")]
    Mode {
        /// The mode.
        mode: u16,
    },
    /// A symlink with an attribute that only files and folders have.
    #[error("a symbolic link has no {what} of its own")]
    SymlinkAttribute {
        /// `mode` or `extended attributes`.
        what: &'static str,
    },
    /// An attribute of a path that is removed.
    #[error("a removed path has no {what}")]
    RemovedAttribute {
        /// `mode`, `owner` or `extended attributes`.
        what: &'static str,
    },
    /// The target of a symlink is not valid.
    #[error(
        "{len} bytes cannot be the target of a symbolic link: 1 to {SYMLINK_MAX} bytes are allowed, and no NUL"
    )]
    Target {
        /// Length of the target in bytes.
        len: usize,
    },
    /// The name of an attribute is not valid.
    #[error("`{}` is not the name of an attribute such as `user.x` or `security.x`", name.escape_debug())]
    XattrName {
        /// The name.
        name: String,
    },
    /// The value of an attribute is too long.
    #[error("attribute `{name}` has {len} bytes, allowed are {XATTR_SIZE_MAX}")]
    XattrSize {
        /// The name.
        name: String,
        /// Length of the value in bytes.
        len: usize,
    },
    /// The value is not of the encoding of its prefix.
    #[error("`{}` starts with 0x or 0s and is not valid hexadecimal or base64", text.escape_debug())]
    XattrEncoding {
        /// The text.
        text: String,
    },
    /// The text of `security.capability` is not valid.
    #[error("reading the capabilities")]
    Capability(#[source] CapabilityError),
    /// The text of an ACL is not valid.
    #[error("reading the ACL `{name}`")]
    Acl {
        /// Name of the attribute.
        name: String,
        /// Why.
        #[source]
        source: AclError,
    },
}
