//! The specs of stages and commands: plain values, made by [`super::stages`]. The specs of packages are in
//! [`amiforge_packages::deb::source`].

use std::collections::BTreeMap;
use std::path::PathBuf;

use amiforge_formats::digest::Digest;
use amiforge_packages::backend::Recommends;

/// A `[[stage]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// Its name.
    pub name: String,
    /// Packages of the tools.
    pub packages: Vec<String>,
    /// Whether the tools include recommended packages.
    pub recommends: Recommends,
    /// Patches: the file on the host, and its name in the recipe.
    pub patches: Vec<(PathBuf, String)>,
    /// Commands.
    pub run: Vec<String>,
    /// Environment of the commands.
    pub env: BTreeMap<String, String>,
    /// Sources.
    pub sources: Vec<StageSource>,
    /// What is installed: the path below `DESTDIR`, and the path in the image.
    pub installs: Vec<(String, String)>,
}

/// A source of a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageSource {
    /// Its name in messages.
    pub label: String,
    /// Where it is fetched from.
    pub from: SourceFrom,
    /// Digest of the archive, if the recipe names it.
    pub sha256: Option<Digest>,
    /// Name of its folder, unique in the stage.
    pub folder: String,
    /// The number of leading path components that are dropped.
    pub strip: u32,
}

/// Where a source of a stage is fetched from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceFrom {
    /// A URL.
    Url(String),
    /// A file on the host, and its name in the recipe.
    Path(PathBuf, String),
    /// A file of an archive of the `deb` source, at the mirror of that archive.
    Archive {
        /// Name of the archive.
        archive: String,
        /// Path below it, such as `pool/main/h/hello/hello_2.10.orig.tar.gz`.
        path: String,
    },
    /// A git repository.
    Git {
        /// Its address.
        url: String,
        /// Full id of the commit.
        commit: String,
    },
}

/// A `[[run]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunStep {
    /// The command, for `sh -e -c`.
    pub command: String,
    /// Its environment.
    pub env: BTreeMap<String, String>,
}
