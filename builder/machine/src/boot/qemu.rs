//! Names of the QEMU programs. The command line of a machine is in [`super::machine`].

use super::Arch;

/// The QEMU program for an architecture.
pub(super) const fn program(arch: Arch) -> &'static str {
    match arch {
        Arch::X86 => "qemu-system-x86_64",
        Arch::Arm => "qemu-system-aarch64",
    }
}
