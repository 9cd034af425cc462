//! Whether the kernel of the image has the drivers of a Nitro instance: NVMe and the root's file system before the root
//! is mounted, ENA after that (EC2 User Guide, "Nitro-based instances").

use std::collections::BTreeSet;

use amiforge_formats::volume::FsKind;
use amiforge_rootfs::initrd::read as initrd;

use super::{Findings, System};
use crate::preflight::boot_chain::{BootChain, InitrdState};
use crate::preflight::kernel::{Kernel, module_name};
use crate::preflight::verity;

/// Maximum size of an unpacked initrd in bytes.
const UNPACKED_MAX: u64 = 2 << 30;

pub(super) fn check(system: &System<'_>, findings: &mut Findings) {
    let kernel = match &system.kernel {
        Ok(kernel) => kernel,
        Err(missing) => {
            findings.warning("modules", missing.what.as_str(), missing.remedy);
            return;
        }
    };
    let initrd_modules = initrd_modules(system.chain, findings);
    let release = &kernel.release;
    let file_system = system.root.facts.kind.as_str();
    let mut needed = vec![("nvme", "its root is on an NVMe disk"), (file_system, "its root is of that kind")];
    if verity::root_hash(system.chain).is_some() {
        needed.push(("dm_verity", "its root is verified"));
    }
    for (driver, why) in needed {
        let has = kernel.built_in.contains(driver)
            || initrd_modules.as_ref().is_none_or(|modules| modules.contains(driver));
        if !has {
            let what = format!(
                "the kernel {release} needs the driver `{driver}` to start, for {why}, and has it neither \
                 built in nor in an initrd"
            );
            let check = match driver {
                "nvme" => "nvme",
                "dm_verity" => "verity",
                _ => "file-system",
            };
            findings.failure(check, what, "set `initrd = \"auto\"` under `[boot]`");
        }
    }
    if !kernel.built_in.contains("ena") && !kernel.modules.contains("ena") {
        let what = format!("the kernel {release} has no driver `ena`: it has no network on Nitro instances");
        findings.failure(
            "ena",
            what,
            "choose a kernel with it, such as linux-image-cloud-amd64 or that of Amazon Linux",
        );
    }
    check_mounts(system, kernel, findings);
}

/// Checks that the kernel can mount the other partitions of fstab: by modules in the root, once that is mounted. A system
/// starts without its EFI system partition, which is the only one with FAT.
fn check_mounts(system: &System<'_>, kernel: &Kernel, findings: &mut Findings) {
    for (point, volume) in system.files.mounted() {
        let kind = volume.slot.content.kind().filter(|kind| *kind != FsKind::Fat);
        let Some(driver) = kind.map(|kind| kind.format().mount_type()) else { continue };
        if !kernel.built_in.contains(driver) && !kernel.modules.contains(driver) {
            let what = format!(
                "the kernel {} has no driver `{driver}`, and fstab mounts such a file system at {}",
                kernel.release,
                point.escape_debug()
            );
            let remedy = "take the package with all modules of the kernel, or another `fs` for the partition";
            findings.failure("file-system", what, remedy);
        }
    }
}

/// The modules of the initrd by name; `None` if they are not known.
fn initrd_modules(chain: &BootChain, findings: &mut Findings) -> Option<BTreeSet<String>> {
    match &chain.initrd {
        InitrdState::Unknown => None,
        InitrdState::None => Some(BTreeSet::new()),
        InitrdState::Bytes(bytes) => match initrd::read(bytes, UNPACKED_MAX) {
            Ok(initrd) => {
                let paths = initrd.entries.keys().map(|path| String::from_utf8_lossy(path).into_owned());
                Some(paths.filter(|path| path.contains(".ko")).map(|path| module_name(&path)).collect())
            }
            Err(error) => {
                findings.warning("initrd", format!("the initrd cannot be read: {error}"), "build it again");
                None
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use crate::preflight::testing::said;

    const BUILT_IN: &str = "usr/lib/modules/6.1.119-129.201.amzn2023.x86_64/modules.builtin";
    const LISTED: &str = "usr/lib/modules/6.1.119-129.201.amzn2023.x86_64/modules.dep";

    #[test]
    fn the_network_of_a_kernel_of_amazon_linux_is_a_module_or_built_in() {
        let built_in = (BUILT_IN, "kernel/drivers/nvme/host/nvme.ko\nkernel/fs/ext4/ext4.ko\n");
        let module = (LISTED, "kernel/drivers/amazon/net/ena/ena.ko.xz:\n");
        assert_eq!(said(&[built_in, module], "ena"), [""; 0]);
        assert_eq!(said(&[(BUILT_IN, "kernel/drivers/amazon/net/ena/ena.ko\n")], "ena"), [""; 0]);
        let found = said(&[built_in], "ena");
        assert!(matches!(&found[..], [what] if what.contains("Amazon Linux")), "{found:?}");
    }

    #[test]
    fn a_mount_of_fstab_needs_a_driver() {
        let fstab = ("etc/fstab", "PARTLABEL=root / ext4 ro 0 1\nPARTLABEL=root /srv ext4 defaults 0 2\n");
        let found = said(&[fstab, (BUILT_IN, "kernel/fs/xfs/xfs.ko\n")], "file-system");
        assert!(
            matches!(&found[..], [what] if what.contains("no driver `ext4`") && what.contains("at /srv")),
            "{found:?}"
        );
        for (path, text) in [(BUILT_IN, "kernel/fs/ext4/ext4.ko\n"), (LISTED, "kernel/fs/ext4/ext4.ko.xz:\n")]
        {
            assert_eq!(said(&[fstab, (BUILT_IN, "x.ko\n"), (path, text)], "file-system"), [""; 0], "{path}");
        }
    }
}
