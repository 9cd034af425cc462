//! Why a source cannot be read.

use std::io;
use std::path::PathBuf;

use amiforge_formats::digest::Digest;
use amiforge_store::StoreError;

use super::dir::DirError;
use super::expand::ExpandError;
use super::image::DiskSourceError;
use super::oci::OciError;
use super::tar::TarError;

/// Why a source cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// It cannot be opened.
    #[error("opening `{}`", path.display())]
    Open {
        /// The path.
        path: PathBuf,
        /// The error of the system.
        #[source]
        source: io::Error,
    },
    /// A folder where an archive was expected.
    #[error("`{}` is a folder, not an archive; write `kind = \"{instead}\"`", path.display())]
    Folder {
        /// The path.
        path: PathBuf,
        /// The kind that it seems to be.
        instead: &'static str,
    },
    /// An archive or another file where a folder was expected.
    #[error("`{}` is not a folder; archives are `kind = \"tar\"`, container images `kind = \"oci\"`", path.display())]
    NotAFolder {
        /// The path.
        path: PathBuf,
    },
    /// A container image where a file system was expected.
    #[error(
        "`{}` holds a container image (it has `{sign}`), not the files of a system; write `kind = \"oci\"`",
        path.display()
    )]
    AnImage {
        /// The path.
        path: PathBuf,
        /// The document that identifies it.
        sign: &'static str,
    },
    /// Its content is of no known format.
    #[error("`{}` begins with {start}: neither tar nor gzip, xz or zstd{}", path.display(), other_format(start))]
    Unknown {
        /// The path.
        path: PathBuf,
        /// Its first bytes in hexadecimal.
        start: String,
    },
    /// Its digest is not the one named.
    #[error("its sha256 is {actual}, expected {expected}")]
    Digest {
        /// The digest in the recipe.
        expected: Digest,
        /// The computed digest.
        actual: Digest,
    },
    /// A folder has no digest.
    #[error("a folder has no sha256; pack it as a tar to pin it")]
    PinnedFolder,
    /// An error of the archive.
    #[error(transparent)]
    Tar(#[from] TarError),
    /// An error of the folder.
    #[error(transparent)]
    Dir(#[from] DirError),
    /// An error of the disk image.
    #[error(transparent)]
    Image(#[from] DiskSourceError),
    /// An error of the image.
    #[error(transparent)]
    Oci(#[from] OciError),
    /// It cannot be decompressed.
    #[error(transparent)]
    Expand(#[from] ExpandError),
    /// An error of the store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The unsupported format of a file with these first bytes, and what to do with it.
fn other_format(start: &str) -> &'static str {
    let known = [
        ("42 5a 68", "; it is compressed with bzip2: `bunzip2 -c FILE | zstd > FILE.zst`"),
        ("04 22 4d 18", "; it is compressed with lz4: `lz4 -dc FILE | zstd > FILE.zst`"),
        ("50 4b 03 04", "; it is a zip archive: unpack it and write `kind = \"dir\"`"),
        ("68 73 71 73", "; it is a squashfs: unpack it by `unsquashfs` and write `kind = \"dir\"`"),
        ("30 37 30 37 30", "; it is a cpio archive: unpack it and write `kind = \"dir\"`"),
        (
            "21 3c 61 72",
            "; it is a package or another `ar` archive: packages come by a source of `kind = \"deb\"`",
        ),
    ];
    known.into_iter().find(|(magic, _)| start.starts_with(magic)).map_or("", |(_, what)| what)
}
