//! The system tree of a tar, read as a build reads an input without a pinned digest.

use std::path::Path;

use amiforge_progress::Monitor;
use amiforge_rootfs::assemble::{Assembled, assemble};
use amiforge_rootfs::sources::{DigestPin, SourceKind, SourceSpec};
use amiforge_store::Store;
use amiforge_store::blobs::Blobs;

/// Reads a tar; contents are read by `blobs`, and the scratch store is in `folder`.
pub fn from_tar(tar: &Path, folder: &Path, blobs: &mut Blobs) -> Assembled {
    let spec = SourceSpec {
        label: "tar".to_owned(),
        kind: SourceKind::Tar { path: tar.to_owned() },
        pin: DigestPin::Unpinned,
        strip: 0,
        prefix: String::new(),
        exclude: Vec::new(),
        overrides: false,
    };
    let store = Store::scratch(folder).expect("a scratch store");
    assemble(&[spec], &store, blobs, Monitor::none()).expect("the tar is read")
}
