//! The partitions of a kept disk as a recipe has them, with names that follow from what they are for.

use std::collections::BTreeSet;

use amiforge_formats::gpt::types;
use amiforge_image::disk::PartitionSize;
use amiforge_rootfs::sources::image::{KeptDisk, KeptPart};

use crate::recipe::{RecipeContent, RecipePartition};

/// The partitions of a disk, in its order.
pub(super) fn of(disk: &KeptDisk) -> Vec<RecipePartition> {
    let mut taken = BTreeSet::new();
    let partition = |part: &KeptPart| RecipePartition {
        id: id(part, &mut taken),
        number: Some(part.entry.number),
        label: part.entry.name.clone(),
        type_guid: part.entry.type_guid,
        guid: Some(part.entry.guid),
        attributes: part.entry.attributes,
        size: PartitionSize::Exact(part.len),
        holds: RecipeContent::Kept(part.content.kind()),
        mount: part.mount.clone(),
        mount_options: None,
        tree: part.mount.clone(),
    };
    disk.parts.iter().map(partition).collect()
}

/// The name of a partition: for what it is, where it is mounted, as the table has it, or by its number.
fn id(part: &KeptPart, taken: &mut BTreeSet<String>) -> String {
    let by_mount = part.mount.as_deref().map(|mount| match mount {
        "/" => "root".to_owned(),
        mount => mount.trim_matches('/').replace('/', "-"),
    });
    let by_type = match part.entry.type_guid {
        types::ESP => Some("esp".to_owned()),
        types::BIOS_BOOT => Some("bios-boot".to_owned()),
        _ => None,
    };
    let numbered = format!("partition-{}", part.entry.number);
    let plain = |name: &String| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
    };
    let names = [by_type, by_mount, Some(part.entry.name.clone())].into_iter().flatten().filter(plain);
    let free = names.chain([numbered.clone()]).find(|name| !taken.contains(name));
    let id = free.unwrap_or_else(|| {
        // One more than are taken is enough.
        let mut more = (0..=taken.len()).map(|n| format!("{numbered}-{n}"));
        more.find(|name| !taken.contains(name)).unwrap_or(numbered)
    });
    taken.insert(id.clone());
    id
}

#[cfg(test)]
mod tests {
    use amiforge_formats::gpt::{self, Lba};
    use amiforge_formats::guid::Guid;
    use amiforge_formats::volume::VolumeContent;

    use super::*;

    fn part(number: u32, type_guid: Guid, name: &str, mount: Option<&str>) -> KeptPart {
        let guid = Guid::derive("x", name);
        let (first, last) = (Lba(0), Lba(0));
        KeptPart {
            entry: gpt::Partition {
                number,
                type_guid,
                guid,
                first,
                last,
                attributes: 0,
                name: name.to_owned(),
            },
            start: 0,
            len: 512,
            content: VolumeContent::Unknown,
            id: None,
            mount: mount.map(str::to_owned),
            tree: None,
        }
    }

    #[test]
    fn every_partition_has_a_name_of_its_own() {
        let mut taken = BTreeSet::new();
        let names: Vec<_> = [
            part(1, types::LINUX_GENERIC, "", Some("/")),
            part(14, types::BIOS_BOOT, "", None),
            part(15, types::ESP, "x", Some("/boot/efi")),
            part(3, types::ESP, "x", None),
            part(4, types::LINUX_GENERIC, "x", Some("/srv/a b")),
            part(5, types::LINUX_GENERIC, "two\nlines", None),
        ]
        .iter()
        .map(|part| id(part, &mut taken))
        .collect();
        assert_eq!(names, ["root", "bios-boot", "esp", "x", "partition-4", "partition-5"]);
    }
}
