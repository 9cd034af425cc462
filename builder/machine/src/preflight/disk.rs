//! What EC2 needs of the partitions: the root by a name that holds on every machine, types that tools know, room to grow.

use amiforge_formats::arch::Arch;
use amiforge_formats::gpt::types;
use amiforge_formats::volume::FsKind;
use amiforge_image::inspect::{DiskView, PartitionSlot};

use super::Findings;
use super::chain::{BootChain, InitrdState};
use super::files::{Mounted, SystemFiles};

/// Looks at the partition table.
pub(super) fn table(view: &DiskView, found: &mut Findings) {
    let Some(table) = &view.table else {
        let what = "there is no partition table, but one file system";
        found.failure("table", what, "build a disk: firmware starts nothing from a bare file system");
        return;
    };
    for fault in &table.findings {
        found.warning("table", format!("the partition table: {fault}"), "`amiforge verify` tells more");
    }
}

/// Which of the partitions with files is the root, as the kernel will have it.
pub(super) fn root(
    view: &DiskView,
    volumes: &[Mounted],
    chain: &BootChain,
    found: &mut Findings,
) -> Option<usize> {
    let named = chain.cmdline.as_deref().map(|cmdline| argument(cmdline, "root"));
    let by_name = match named {
        Some(Some(device)) => named_root(view, volumes, device, chain, found),
        Some(None) => {
            let what = "the kernel's command line has no `root=`";
            found.warning(
                "root",
                what,
                "name the root by `root=PARTUUID=…`, unless its initrd finds it by its type",
            );
            None
        }
        None => None,
    };
    let root = by_name
        .or_else(|| volumes.iter().position(is_root_by_type))
        .or_else(|| volumes.iter().position(|volume| volume.tree.lookup(b"etc/passwd").is_some()));
    match root.and_then(|root| volumes.get(root)) {
        Some(volume) => root_type(&volume.slot, chain, found),
        None => found.failure(
            "root",
            "no partition holds a root file system",
            "give the recipe one (`role = \"root\"`)",
        ),
    }
    root
}

/// The root that `root=` names.
fn named_root(
    view: &DiskView,
    volumes: &[Mounted],
    device: &str,
    chain: &BootChain,
    found: &mut Findings,
) -> Option<usize> {
    let stable = ["PARTUUID=", "PARTLABEL=", "UUID=", "LABEL=", "/dev/disk/by-"];
    if !stable.iter().any(|start| device.starts_with(start)) {
        // Names that an initrd makes mean a file system of their own.
        if ["/dev/mapper/", "/dev/md", "/dev/dm-"].iter().all(|start| !device.starts_with(start)) {
            let what = format!("`root={device}` is another disk on every kind of instance");
            found.warning("root", what, "name the root by `root=PARTUUID=…`");
        }
        return None;
    }
    // Without an initrd the kernel alone has to know the name.
    if chain.initrd == InitrdState::None && !device.starts_with("PART") {
        let what = format!("`root={device}` is a name that a kernel without initrd does not know");
        found.failure("root", what, "name the root by `root=PARTUUID=…`, or add an initrd");
    }
    let root = volumes.iter().position(|volume| volume.answers_to(device));
    let guid = device.strip_prefix("PARTUUID=").unwrap_or_default();
    let unread = view.slots.iter().filter_map(|slot| slot.partition.as_ref());
    let there = unread.into_iter().any(|partition| partition.guid.to_string().eq_ignore_ascii_case(guid));
    if root.is_none() && !there {
        let what = format!("`root={device}` names no partition of the disk");
        found.failure("root", what, "`amiforge inspect` shows the GUID and UUID of each");
    }
    root
}

/// The last value of an argument of the kernel.
pub(super) fn argument<'a>(cmdline: &'a str, name: &str) -> Option<&'a str> {
    let mut words = cmdline.split_whitespace().rev();
    words.find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
}

fn is_root_by_type(volume: &Mounted) -> bool {
    volume.slot.role() == Some("root")
}

/// Looks at the type of the root's partition.
fn root_type(slot: &PartitionSlot, chain: &BootChain, found: &mut Findings) {
    let Some(partition) = &slot.partition else { return };
    let wanted = match chain.arch {
        Some(arch) => arch.root_type(),
        None if slot.role() == Some("root") => return,
        // Only such machines have a legacy BIOS.
        None => Arch::X86_64.root_type(),
    };
    if partition.type_guid != wanted {
        let name = types::name(wanted).unwrap_or_default();
        let what = format!("the root's partition is of type {}, not {name}", slot.type_name());
        found.warning(
            "partition-type",
            what,
            "give it `role = \"root\"`: tools that grow or find a root go by its type",
        );
    }
}

/// Whether the root can grow with the volume, and will.
pub(super) fn growth(view: &DiskView, root: &Mounted, files: &SystemFiles<'_>, found: &mut Findings) {
    let behind = view.slots.iter().find(|slot| slot.start > root.slot.start);
    if let Some(behind) = behind {
        let what = format!("partition {} stands behind the root, which so cannot grow", behind.title());
        found.warning("growth", what, "make the root the last partition of the recipe");
        return;
    }
    // What fstab says grows a file system only, never its partition.
    let grows = files.is_program("/usr/bin/growpart") && files.is_program("/usr/bin/cloud-init")
        || files.is_file("/usr/lib/systemd/system/amiforge-grow-root.service")
        || !files.names("/usr/lib/repart.d").is_empty()
        || !files.names("/etc/repart.d").is_empty();
    if !grows && root.slot.content.kind() == Some(FsKind::Ext4) {
        let what = "nothing grows the root to a volume that is larger than the image";
        let remedy =
            "set `first-boot` under `[boot]`, or install cloud-init and cloud-guest-utils (growpart)";
        found.warning("growth", what, remedy);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_argument_counts() {
        assert_eq!(argument("root=a ro root=PARTUUID=b quiet", "root"), Some("PARTUUID=b"));
        assert_eq!(argument("rootwait ro", "root"), None);
    }
}
