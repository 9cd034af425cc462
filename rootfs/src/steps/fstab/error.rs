//! Why `/etc/fstab` cannot be written.

use amiforge_formats::path::PathError;

/// Why fstab cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FstabError {
    /// A path cannot be resolved or written.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The sources have an fstab with entries.
    #[error("the image has an fstab already, and it has entries; the first is `{}`", first.escape_debug())]
    Exists {
        /// Its first entry.
        first: String,
    },
    /// Two mounts have the same mount point.
    #[error("two file systems would be mounted at `{mount_point}`")]
    Twice {
        /// The mount point.
        mount_point: String,
    },
    /// A field is empty or has a control character that cannot be escaped.
    #[error("`{}` cannot be the {field} of a mount", value.escape_debug())]
    BadField {
        /// Which field.
        field: &'static str,
        /// Its value.
        value: String,
    },
    /// The last field of fstab is above 2.
    #[error("pass {pass} of `{mount_point}`: 0 is never, 1 the root, 2 all others")]
    BadPass {
        /// The value.
        pass: u8,
        /// Mount point of the entry.
        mount_point: String,
    },
}
