//! Real roots as trees, for the tests of this folder.

use std::path::Path;

use amiforge_formats::tree::Tree;
use amiforge_progress::Monitor;
use amiforge_store::Store;
use amiforge_store::blobs::Blobs;

use crate::assemble::assemble;
use crate::sources::{DigestPin, SourceKind, SourceSpec};
use crate::steps::testing;

/// The root that an archive holds.
pub(super) fn root_of(tar: &Path) -> (Tree, Blobs) {
    let spec = SourceSpec {
        label: "root".into(),
        kind: SourceKind::Tar { path: tar.to_owned() },
        pin: DigestPin::Unpinned,
        strip: 0,
        prefix: String::new(),
        exclude: Vec::new(),
        overrides: false,
    };
    let folder = testing::folder();
    let mut blobs = Blobs::new();
    let made = assemble(&[spec], &Store::at(folder.path()), &mut blobs, Monitor::none()).unwrap();
    (made.tree, blobs)
}
