//! `tree.txt`: what stands in every file system, in the order of the partitions.
//!
//! A line `# ID FS MOUNT` begins a file system; the lines of its dump follow. Dump lines begin with `/`.

use amiforge_formats::dump;
use amiforge_formats::tree::Tree;

use crate::recipe::{RecipeContent, RecipePartition};

/// The text, of the trees that go on the partitions.
pub(super) fn listing(partitions: &[RecipePartition], trees: &[Option<Tree>]) -> String {
    let mut parts = Vec::new();
    for (partition, tree) in partitions.iter().zip(trees) {
        let fs = match partition.holds {
            RecipeContent::Fat32 { .. } => "fat32",
            RecipeContent::Ext4 { .. } => "ext4",
            RecipeContent::Swap { .. }
            | RecipeContent::Raw { .. }
            | RecipeContent::Loader
            | RecipeContent::Nothing => continue,
        };
        parts.push(format!("# {} {fs} {}\n", partition.id, partition.mount.as_deref().unwrap_or("-")));
        parts.extend(tree.as_ref().map(dump::to_string));
    }
    parts.concat()
}
