//! Real roots as trees, for the tests of this folder and of `tests/native`.

use std::path::{Path, PathBuf};

use amiforge_formats::tree::Tree;
use amiforge_progress::Monitor;
use amiforge_store::Store;
use amiforge_store::blobs::Blobs;

use amiforge_rootfs::assemble::assemble;
use amiforge_rootfs::sources::{DigestPin, SourceKind, SourceSpec};

/// The root that an archive holds.
pub(crate) fn root_of(tar: &Path) -> (Tree, Blobs) {
    let spec = SourceSpec {
        label: "root".into(),
        kind: SourceKind::Tar { path: tar.to_owned() },
        pin: DigestPin::Unpinned,
        strip: 0,
        prefix: String::new(),
        exclude: Vec::new(),
        overrides: false,
    };
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let mut blobs = Blobs::new();
    let made = assemble(&[spec], &Store::at(folder.path()), &mut blobs, Monitor::none()).unwrap();
    (made.tree, blobs)
}

/// A large input of the test suites, made by `tests/inputs/make.sh` or `packages.sh`; none where it is missing.
pub(crate) fn input(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("AMIFORGE_TEST_INPUTS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/inputs"), PathBuf::from);
    let path = folder.join(name);
    if path.exists() {
        return Some(path);
    }
    let why =
        format!("there is no `{name}` among the test inputs; tests/inputs/make.sh or packages.sh makes it");
    assert!(std::env::var_os("REQUIRE_ORACLES").is_none_or(|value| value != "1"), "{why}");
    println!("SKIP: {why}");
    None
}
