//! Whether the kernel of the image has the drivers of a Nitro instance: NVMe and the root's file system before the root
//! is mounted, ENA after that (EC2 User Guide, "Nitro-based instances").

use std::collections::BTreeSet;

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

/// Checks that the kernel can mount the other partitions of fstab: by modules in the root, once that is mounted.
fn check_mounts(system: &System<'_>, kernel: &Kernel, findings: &mut Findings) {
    for (point, volume) in system.files.mounted() {
        let Some(driver) = volume.slot.content.kind().map(|kind| kind.format().mount_type()) else {
            continue;
        };
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
