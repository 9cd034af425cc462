//! Sources: what a tree is made from. One file per kind; [`crate::assemble`] merges them.

use std::path::PathBuf;

use amiforge_formats::digest::Digest;

/// One `[[source]]` of a recipe, paths already resolved against the recipe's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceSpec {
    /// How errors and the manifest name it, such as `source 2 (base.tar.gz)`; never an absolute path of the host.
    pub label: String,
    /// What it is.
    pub kind: SourceKind,
    /// Digest of the file, or (for an OCI layout) of the image manifest: checked if given, recorded always.
    pub sha256: Option<Digest>,
    /// Leading names dropped from every path; entries with fewer names are left out.
    pub strip: u32,
    /// Directory that the entries are put under, such as `/opt/app`.
    pub prefix: String,
    /// Globs of paths (after `strip`, before `prefix`) to leave out; a folder that matches goes with all below it.
    pub exclude: Vec<String>,
    /// Whether paths that earlier sources gave may be given anew, differently.
    pub overrides: bool,
}

/// The kinds of source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceKind {
    /// A folder of the host.
    Dir {
        /// The folder.
        path: PathBuf,
        /// Who owns what; everything is root's that no rule names.
        owners: Vec<OwnerRule>,
    },
    /// A tar archive, plain or compressed (told by its content).
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
