//! What a scan is asked for, and why there is none.

use std::io;
use std::path::PathBuf;

use amiforge_formats::plan::Sources;
use amiforge_formats::residue::ResidueError;
use amiforge_formats::tree::Tree;
use amiforge_image::inspect::InspectError;
use amiforge_rootfs::glob::NotAGlob;

use crate::publication::PublishedFile;
use crate::rule::RuleFilter;

/// Says which files of a tree packages have published.
pub type PublishedBy<'a> = &'a (dyn Fn(&Tree, &dyn Sources) -> io::Result<Vec<PublishedFile>> + Sync);

/// What a scan does.
#[derive(Clone)]
pub struct ScanOptions<'a> {
    /// The rules.
    pub filter: RuleFilter,
    /// Says which files packages have published.
    pub published: PublishedBy<'a>,
    /// Threads.
    pub threads: usize,
    /// Whether the disk is one that existed and was kept: then what is below its files was there before.
    pub kept_disk: bool,
}

impl std::fmt::Debug for ScanOptions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ScanOptions")
            .field("filter", &self.filter)
            .field("threads", &self.threads)
            .field("kept_disk", &self.kept_disk)
            .finish_non_exhaustive()
    }
}

/// Why an image could not be scanned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LeakError {
    /// The disk could not be read.
    #[error("reading the disk")]
    Disk(#[from] InspectError),
    /// What is below the files could not be read.
    #[error("reading what is below the files")]
    BelowTree(#[from] ResidueError),
    /// Bytes of a file or of the disk could not be read.
    #[error("reading `{file}`")]
    File {
        /// The file, in words.
        file: String,
        /// The error of the medium.
        #[source]
        source: io::Error,
    },
    /// A file beside the image could not be read.
    #[error("reading the files of `{}`", path.display())]
    Bundle {
        /// The folder.
        path: PathBuf,
        /// The error of the host.
        #[source]
        source: io::Error,
    },
    /// The database of packages could not be read.
    #[error("reading which files packages have published")]
    Packages(#[source] io::Error),
    /// A rule has a path that is no glob.
    #[error("preparing the rules")]
    Rules(#[from] NotAGlob),
    /// The work was cancelled.
    #[error("interrupted")]
    Interrupted,
}
