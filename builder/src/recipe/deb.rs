//! What a recipe says of software from source and commands to be run: specs, judged by [`super::stages`]. Those of
//! packages are [`amiforge_packages::deb::source`]'s.

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
    /// Whether the tools hold recommended packages.
    pub recommends: Recommends,
    /// Patches: files of the host, and as the recipe names them.
    pub patches: Vec<(PathBuf, String)>,
    /// Commands.
    pub run: Vec<String>,
    /// Environment of the commands.
    pub env: BTreeMap<String, String>,
    /// Sources.
    pub sources: Vec<StageSource>,
    /// What goes into the image: from below `DESTDIR`, to a path in the image.
    pub installs: Vec<(String, String)>,
}

/// A source of a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageSource {
    /// How errors name it.
    pub label: String,
    /// Where it is.
    pub from: SourceFrom,
    /// Digest of the archive, if the recipe gives it.
    pub sha256: Option<Digest>,
    /// Name of its folder, unique in the stage.
    pub folder: String,
    /// Leading names that are dropped.
    pub strip: u32,
}

/// Where a source of a stage is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceFrom {
    /// An address.
    Url(String),
    /// A file of the host, and as the recipe names it.
    Path(PathBuf, String),
    /// A file of an archive of the `deb` source, wherever its mirror is.
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
