//! Tar to ext4 file and nothing else, as a process of its own.

use std::path::Path;

use amiforge_formats::ext4::write::{self, JournalSize};
use amiforge_formats::guid::Guid;
use amiforge_image::image::{self, EmitOptions};
use amiforge_progress::Monitor;
use amiforge_store::blobs::Blobs;
use amiforge_tests::source_tree;

/// Writes the file system of a tar.
pub(crate) fn make(tar: &Path, to: &Path) {
    let mut blobs = Blobs::new();
    let assembled = source_tree::from_tar(tar, to.parent().expect("the file has a folder"), &mut blobs);
    let options = write::Ext4Options {
        uuid: Guid::derive("bench", "root"),
        hash_seed: Guid::derive("bench", "seed"),
        label: String::new(),
        time: assembled.newest,
        journal: JournalSize::Auto,
        reserved: 0,
    };
    let mut draft = write::Ext4Draft::new(&assembled.tree, &options).expect("ext4 can hold the tree");
    let len = draft.minimal_len(0).expect("the tree fits ext4");
    let plan = draft.plan(len).expect("the tree fits");
    image::write(&plan, &blobs, to, &EmitOptions::default(), Monitor::none()).expect("the file is written");
}
