//! Sources: the inputs of a tree. One file per kind; [`crate::assemble`] merges them.

mod archive;
pub mod dir;
pub mod entry_error;
mod error;
pub mod expand;
pub mod image;
pub mod indexed;
pub mod inflate;
mod membership;
mod names;
pub mod oci;
mod open;
mod route;
pub mod same;
pub mod tar;
pub mod warning;

use std::path::PathBuf;

use amiforge_formats::digest::Digest;
use schemars::JsonSchema;
use serde::Deserialize;

pub use self::archive::FileRange;
pub(crate) use self::archive::{OpenedSource, Opening};
pub use self::error::SourceError;

/// One `[[source]]` of a recipe, paths already resolved against the recipe's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceSpec {
    /// Its name in errors and in the manifest, such as `source 2 (base.tar.gz)`; never an absolute path of the host.
    pub label: String,
    /// Its kind.
    pub kind: SourceKind,
    /// The treatment of its digest.
    pub pin: DigestPin,
    /// Leading names dropped from every path; entries with fewer names are left out.
    pub strip: u32,
    /// Directory that the entries are put under, such as `/opt/app`.
    pub prefix: String,
    /// Globs of paths (after `strip`, before `prefix`) to leave out; a folder that matches is left out with all below it.
    pub exclude: Vec<String>,
    /// Whether it may replace paths of earlier sources.
    pub overrides: bool,
}

/// The treatment of the digest of a source. It is that of the file itself (still compressed); for an OCI
/// source that of the image's manifest, or of its config where a `docker save` archive has no manifest.
///
/// A digest of a plain tar costs one full read that nothing else needs, about as long as copying the file. It is
/// therefore only computed on request; `sha256 = "record"` requests it where its value is not known.
/// Compressed archives and OCI images are hashed on the way and always have one. A folder has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DigestPin {
    /// It must be this one.
    Exact(Digest),
    /// Compute and record it, whatever it costs.
    Record,
    /// Record it if it costs nothing; otherwise the input is identified by the digest of its index only, and the
    /// manifest has `unpinned`.
    Unpinned,
}

/// The kinds of source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceKind {
    /// A folder of the host.
    Dir {
        /// The folder.
        path: PathBuf,
        /// Rules for owners; root owns everything that no rule matches.
        owners: Vec<OwnerRule>,
        /// The source of permission bits.
        modes: Modes,
    },
    /// A tar archive, plain or compressed (detected by its content).
    Tar {
        /// The archive.
        path: PathBuf,
    },
    /// An OCI image layout (folder or archive) or a `docker save` archive.
    Oci {
        /// The folder or archive.
        path: PathBuf,
        /// `os/arch` platform to pick, such as `linux/amd64`.
        platform: String,
        /// Tag or reference name to pick where the layout holds several images.
        reference: Option<String>,
    },
    /// A disk image: raw, or in a container (detected by its content).
    Image {
        /// The file.
        path: PathBuf,
        /// Number, name or type of the partition that holds the root; found by its content if not given.
        partition: Option<String>,
        /// Whether the disk itself is kept: then it comes with the files.
        keep: bool,
    },
}

/// Where the permission bits of a `dir` source come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Modes {
    /// As they are on the disk, so that a checkout made with another umask gives another image.
    #[default]
    Disk,
    /// As git keeps them: 0755 for folders and for files that their owner may execute, 0644 for other files.
    Git,
}

/// Gives an owner to the entries of a `dir` source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnerRule {
    /// Glob of paths in the source.
    pub path: String,
    /// Owner by number.
    pub uid: u32,
    /// Group by number.
    pub gid: u32,
}
