//! Options, and the images that e2fsprogs checks.

use amiforge_formats::ext4::write::{Ext4Options, JournalSize, plan};
use amiforge_formats::guid::Guid;
use amiforge_formats::time::Time;
use amiforge_formats::tree::Tree;
use amiforge_formats::volume::FsKind;

pub(crate) use super::fixtures::{MIB, add, dirty, empty, node, run, slice};
use super::fixtures::{assert_nothing_below, write};

pub(crate) fn options() -> Ext4Options {
    Ext4Options {
        uuid: Guid::from_u128(0x1111_1111_2222_3333_4444_5555_5555_5555),
        hash_seed: Guid::from_u128(0x9999_9999_2222_3333_4444_5555_5555_5555),
        label: "root".into(),
        time: Time::from_secs(1_700_000_000),
        journal: JournalSize::Auto,
        reserved: 500,
    }
}

/// Plans and writes a tree, and checks the image with e2fsck.
pub(crate) fn clean(tree: &Tree, options: &Ext4Options, len: u64) -> tempfile::NamedTempFile {
    let plan = plan(tree, options, len).unwrap();
    assert_nothing_below(FsKind::Ext4, &plan);
    let file = write(&plan);
    if let Some((ok, text)) = run("e2fsck", &["-fn", file.path().to_str().unwrap()]) {
        assert!(ok, "{len} bytes: {text}");
    }
    file
}

pub(crate) fn debugfs(file: &tempfile::NamedTempFile, command: &str) -> Option<String> {
    run("debugfs", &["-R", command, file.path().to_str().unwrap()]).map(|(_, text)| text)
}
