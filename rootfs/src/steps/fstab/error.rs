//! Why `/etc/fstab` cannot be written.

use amiforge_formats::path::PathError;

/// Why fstab cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FstabError {
    /// A path.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The sources brought one.
    #[error("the image has an fstab already, and it has entries; the first is `{}`", first.escape_debug())]
    Exists {
        /// Its first entry.
        first: String,
    },
    /// Two mounts at one place.
    #[error("two file systems are to be mounted at `{mount_point}`")]
    Twice {
        /// The place.
        mount_point: String,
    },
    /// A field is empty or has what no escape can hide.
    #[error("`{}` cannot be the {field} of a mount", value.escape_debug())]
    BadField {
        /// Which field.
        field: &'static str,
        /// Its value.
        value: String,
    },
    /// The last field of fstab only goes so far.
    #[error("pass {pass} of `{mount_point}`: 0 is never, 1 the root, 2 all others")]
    BadPass {
        /// What was given.
        pass: u8,
        /// Where.
        mount_point: String,
    },
}
