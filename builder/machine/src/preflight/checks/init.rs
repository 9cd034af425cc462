//! Whether the root holds a first program: the kernel tries these paths when the command line names none
//! (`kernel_init` in the kernel's init/main.c).

use super::{Findings, System};

/// The kernel's own list, in its order.
const PATHS: [&str; 4] = ["/sbin/init", "/etc/init", "/bin/init", "/bin/sh"];

pub(super) fn check(system: &System<'_>, findings: &mut Findings) {
    if !PATHS.iter().any(|path| system.files.is_program(path)) {
        let what = "the root has no first program: there is no `/sbin/init`";
        findings.failure("init", what, "add the package systemd-sysv, or another init");
    }
}
