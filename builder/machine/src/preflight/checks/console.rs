//! Whether the kernel writes to the serial console, which is the only console that EC2 shows of an instance.

use super::{Findings, System};

pub(super) fn check(system: &System<'_>, findings: &mut Findings) {
    let Some(cmdline) = &system.chain.cmdline else { return };
    let is_serial = |argument: &str| argument == "console=ttyS0" || argument.starts_with("console=ttyS0,");
    if !cmdline.split_whitespace().any(is_serial) {
        let what = "the kernel's command line has no `console=ttyS0`: EC2 shows nothing of it";
        findings.warning("console", what, "add `console=ttyS0,115200n8` to `cmdline` under `[boot]`");
    }
}
