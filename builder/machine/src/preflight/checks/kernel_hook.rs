//! Whether a kernel that is upgraded in the machine is also started. Firmware that reads the kernel outside of the root
//! needs a hook that copies it there.

use super::{Findings, System};
use crate::preflight::verity;

/// Names of the hooks in `postinst.d`, by the installers of boot loaders.
const KERNEL_HOOKS: [&str; 5] =
    ["zz-amiforge", "zz-update-grub", "zz-systemd-boot", "zz-flash-kernel", "zz-kernel-install"];

pub(super) fn check(system: &System<'_>, findings: &mut Findings) {
    // On a verified root no kernel is installed later; with Secure Boot it has no signature, so firmware would not start it.
    let chain = &system.chain;
    if !chain.beside_root || chain.for_secure_boot || verity::root_hash(chain).is_some() {
        return;
    }
    let files = &system.files;
    let status = files.text("/var/lib/dpkg/status").unwrap_or_default();
    let kernel = status.lines().any(|line| line.starts_with("Package: linux-image-"));
    let folders = ["/etc/kernel/postinst.d", "/usr/share/kernel/postinst.d"];
    let hooked = folders.iter().any(|folder| KERNEL_HOOKS.iter().any(|name| files.is_named(folder, name)));
    if kernel && !hooked {
        let what =
            "a kernel that is upgraded in the machine is not started: what firmware reads stays as it is";
        findings.warning("kernel-upgrade", what, "leave `kernel-hook` of `[boot]` on");
    }
}
