//! Kernels where a machine's boot looks for them. The packages of kernels have them in `/usr/lib/modules/VERSION`, and their
//! `%posttrans` calls `kernel-install`, which copies them to `/boot`, makes an initrd for the machine that it runs on and an
//! entry of a boot loader with that machine's id and disks. Here the first is done and the rest left out: an image has a boot
//! loader and an initrd of its own, and no disks yet.

use crate::configure::effects::system::TargetSystem;
use amiforge_formats::path::Last;

/// Files of a kernel in its folder, and their names in `/boot` before `-VERSION`.
const FILES: [(&str, &str); 3] = [("vmlinuz", "vmlinuz"), ("System.map", "System.map"), ("config", "config")];

/// Copies the kernels that are in no package's `/boot`.
pub(super) fn copy_to_boot(system: &mut TargetSystem<'_>) {
    for version in system.names("/usr/lib/modules") {
        let folder = format!("/usr/lib/modules/{version}");
        for (name, base) in FILES {
            let (from, to) = (format!("{folder}/{name}"), format!("/boot/{base}-{version}"));
            if !system.is_file(&from) || system.entry(&to).is_some() {
                continue;
            }
            let Some(node) = system.node(&from).map(|id| system.tree.node(id).clone()) else { continue };
            system.make_dirs("/boot", 0o755);
            if system.put(&to, Last::Keep, node.meta, node.kind) {
                system.done.push(to);
            }
        }
    }
}
