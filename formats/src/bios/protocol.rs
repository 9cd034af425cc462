//! Versions of the boot protocol of Linux on x86 (`Documentation/arch/x86/boot.rst`).

use std::fmt;

/// The oldest protocol that the loader can start: it has the memory that the kernel needs to unpack itself.
pub(super) const OLDEST: ProtocolVersion = ProtocolVersion(0x020a);

/// The newest protocol that the loader was made for.
pub(super) const NEWEST: ProtocolVersion = ProtocolVersion(0x020f);

/// A version of the boot protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProtocolVersion(pub u16);

impl fmt::Display for ProtocolVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [minor, major] = self.0.to_le_bytes();
        write!(f, "{major}.{minor:02}")
    }
}
