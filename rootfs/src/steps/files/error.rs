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
    /// Its path.
    #[error(transparent)]
    Path(#[from] PathError),
    /// Its owner.
    #[error(transparent)]
    Owner(#[from] AccountError),
    /// Nothing to remove.
    #[error("there is nothing at that path to remove")]
    NothingThere,
    /// The root of the image can only be a folder.
    #[error("the root of the image can be neither removed nor replaced")]
    Root,
    /// A folder with something in it is in the way.
    #[error("a folder with {entries} entries stands there: remove it first")]
    FolderInTheWay {
        /// How many.
        entries: usize,
    },
    /// Something that is no folder is in the way.
    #[error("a {found} stands where the folder has to be: remove it first")]
    NotAFolder {
        /// What it is.
        found: &'static str,
    },
    /// Not a mode.
    #[error("mode {mode:#o} has more than the twelve bits 07777")]
    Mode {
        /// The mode.
        mode: u16,
    },
    /// A link has neither.
    #[error("a symbolic link has no {what} of its own")]
    OfALink {
        /// `mode` or `extended attributes`.
        what: &'static str,
    },
    /// Nothing is left to have an owner.
    #[error("what is removed has no {what}")]
    OfNothing {
        /// `mode`, `owner` or `extended attributes`.
        what: &'static str,
    },
    /// No target of a link.
    #[error("{len} bytes, with or without NUL, cannot be the target of a link: 1 to {SYMLINK_MAX}, no NUL")]
    Target {
        /// Length of the target.
        len: usize,
    },
    /// No name of an attribute.
    #[error("`{}` is no name of an attribute such as `user.x` or `security.x`", name.escape_debug())]
    XattrName {
        /// The name.
        name: String,
    },
    /// A value that is too long.
    #[error("attribute `{name}` has {len} bytes where at most {XATTR_SIZE_MAX} fit")]
    XattrSize {
        /// The name.
        name: String,
        /// Length of the value.
        len: usize,
    },
    /// Not what its prefix says.
    #[error("`{}` starts like hexadecimal (0x) or base64 (0s) and is not", text.escape_debug())]
    XattrEncoding {
        /// The text.
        text: String,
    },
    /// The text of `security.capability`.
    #[error("reading the capabilities")]
    Capability(#[source] CapabilityError),
    /// The text of an ACL.
    #[error("reading the ACL `{name}`")]
    Acl {
        /// The attribute.
        name: String,
        /// Why.
        #[source]
        source: AclError,
    },
}
