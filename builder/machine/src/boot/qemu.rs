//! Names of the QEMU programs. The command line of a machine is in [`super::machine`].

use super::Arch;
use super::arch::qemu_arch;

/// The program that runs machines of an architecture.
pub(super) const fn program(arch: Arch) -> &'static str {
    qemu_arch(arch).program
}
