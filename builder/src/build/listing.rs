//! `tree.txt`: what stands in every file system, in the order of the partitions.
//!
//! A line `# ID FS MOUNT` begins a file system; the lines of its dump follow. Dump lines begin with `/`.

use amiforge_formats::dump;
use amiforge_formats::tree::Tree;

use crate::recipe::RecipePartition;

/// The text, of the trees that go on the partitions.
pub(super) fn listing(partitions: &[RecipePartition], trees: &[Option<Tree>]) -> String {
    let mut parts = Vec::new();
    for (partition, tree) in partitions.iter().zip(trees) {
        let Some(options) = partition.holds.volume().filter(|_| partition.holds.holds_files()) else {
            continue;
        };
        let fs = options.kind().format().written_name();
        parts.push(format!("# {} {fs} {}\n", partition.id, partition.mount.as_deref().unwrap_or("-")));
        parts.extend(tree.as_ref().map(dump::to_string));
    }
    parts.concat()
}
