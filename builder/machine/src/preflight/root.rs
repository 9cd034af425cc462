//! The partition with the root file system: by `root=` of the kernel's command line, by partition type, or by its
//! files. Checks the partition table, the name of the root and its type on the way.

use amiforge_formats::arch::Arch;
use amiforge_formats::gpt::types;
use amiforge_image::inspect::{DiskView, PartitionSlot};

use super::Findings;
use super::boot_chain::{BootChain, InitrdState};
use super::files::Mounted;

/// Checks the partition table.
pub(super) fn check_table(view: &DiskView, findings: &mut Findings) {
    let Some(table) = &view.table else {
        let what = "there is no partition table, only a file system";
        findings.failure("table", what, "build a disk: firmware starts nothing from a bare file system");
        return;
    };
    for error in &table.findings {
        findings.warning("table", format!("the partition table: {error}"), "`amiforge verify` shows more");
    }
}

/// The index of the partition in `volumes` that the kernel mounts as its root.
pub(super) fn find(
    view: &DiskView,
    volumes: &[Mounted],
    chain: &BootChain,
    findings: &mut Findings,
) -> Option<usize> {
    let named = chain.cmdline.as_deref().map(|cmdline| argument(cmdline, "root"));
    let by_name = match named {
        Some(Some(device)) => named_root(view, volumes, device, chain, findings),
        Some(None) => {
            let what = "the kernel's command line has no `root=`";
            findings.warning(
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
        Some(volume) => check_root_type(&volume.slot, chain, findings),
        None => findings.failure(
            "root",
            "no partition holds a root file system",
            "give the recipe one (`role = \"root\"`)",
        ),
    }
    root
}

/// The partition that `root=` names.
fn named_root(
    view: &DiskView,
    volumes: &[Mounted],
    device: &str,
    chain: &BootChain,
    findings: &mut Findings,
) -> Option<usize> {
    let stable = ["PARTUUID=", "PARTLABEL=", "UUID=", "LABEL=", "/dev/disk/by-"];
    if !stable.iter().any(|start| device.starts_with(start)) {
        // Device mapper and RAID names are made by the initrd and do not depend on the instance type.
        if ["/dev/mapper/", "/dev/md", "/dev/dm-"].iter().all(|start| !device.starts_with(start)) {
            let what = format!("`root={device}` is another disk on every kind of instance");
            findings.warning("root", what, "name the root by `root=PARTUUID=…`");
        }
        return None;
    }
    // A kernel without an initrd resolves only `PARTUUID=` and `PARTLABEL=` (kernel-parameters.txt, `root=`).
    if chain.initrd == InitrdState::None && !device.starts_with("PART") {
        let what = format!("`root={device}` is a name that a kernel without initrd does not know");
        findings.failure("root", what, "name the root by `root=PARTUUID=…`, or add an initrd");
    }
    let root = volumes.iter().position(|volume| volume.matches_device(device));
    let guid = device.strip_prefix("PARTUUID=").unwrap_or_default();
    let partitions = view.slots.iter().filter_map(|slot| slot.partition.as_ref());
    let exists =
        partitions.into_iter().any(|partition| partition.guid.to_string().eq_ignore_ascii_case(guid));
    if root.is_none() && !exists {
        let what = format!("`root={device}` names no partition of the disk");
        findings.failure("root", what, "`amiforge inspect` shows the GUID and UUID of each");
    }
    root
}

/// The value of the last occurrence of a kernel argument.
pub(super) fn argument<'a>(cmdline: &'a str, name: &str) -> Option<&'a str> {
    let mut arguments = cmdline.split_whitespace().rev();
    arguments.find_map(|argument| argument.strip_prefix(name)?.strip_prefix('='))
}

fn is_root_by_type(volume: &Mounted) -> bool {
    volume.slot.role() == Some("root")
}

/// Checks the type of the root's partition.
pub(super) fn check_root_type(slot: &PartitionSlot, chain: &BootChain, findings: &mut Findings) {
    let Some(partition) = &slot.partition else { return };
    let expected = match chain.arch {
        Some(arch) => arch.root_type(),
        None if slot.role() == Some("root") => return,
        // Only x86-64 machines have a legacy BIOS.
        None => Arch::X86_64.root_type(),
    };
    if partition.type_guid != expected {
        let name = types::name(expected).unwrap_or_default();
        let what = format!("the root's partition is of type {}, not {name}", slot.type_name());
        findings.warning(
            "partition-type",
            what,
            "give it `role = \"root\"`: tools that grow or find a root go by its type",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_occurrence_of_an_argument_counts() {
        assert_eq!(argument("root=a ro root=PARTUUID=b quiet", "root"), Some("PARTUUID=b"));
        assert_eq!(argument("rootwait ro", "root"), None);
    }
}
