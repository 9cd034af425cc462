//! `tree.txt`: the files of every file system, in the order of the partitions.
//!
//! A line `# ID FS MOUNT` begins a file system; the lines of its dump follow. Dump lines begin with `/`.

use amiforge_formats::dump;
use amiforge_image::disk::{DiskSpec, PartitionContent, VolumeSpec};

use crate::recipe::RecipePartition;

/// The text, of the disk's specification and the content of the partitions that are `sealed`.
pub(in crate::pipeline) fn listing(
    partitions: &[RecipePartition],
    spec: &DiskSpec,
    sealed: &[(usize, PartitionContent)],
) -> String {
    let mut parts = Vec::new();
    for (index, (partition, specified)) in partitions.iter().zip(&spec.partitions).enumerate() {
        let content =
            sealed.iter().find(|(at, _)| *at == index).map_or(&specified.content, |(_, content)| content);
        let PartitionContent::Volume(VolumeSpec { options, tree, .. }) = content else { continue };
        let format = options.kind().format();
        if format.files().is_none() {
            continue;
        }
        let mount = partition.mount.as_deref().unwrap_or("-");
        parts.push(format!("# {} {} {mount}\n", partition.id, format.written_name()));
        parts.push(dump::to_string(tree));
    }
    parts.concat()
}
