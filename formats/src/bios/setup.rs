//! The setup header of a Linux kernel for x86, and the addresses of its parts in memory.
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use super::BiosError;
use super::protocol::{NEWEST, OLDEST, ProtocolVersion};
use crate::fields;

/// Where the header ends, its last field being `init_size`.
const END: usize = 0x264;

/// The header's name, `HdrS`.
const NAME: u32 = 0x5372_6448;

/// Where the loader puts the kernel.
const LOAD_AT: u64 = 1 << 20;

/// What the initrd's address is a multiple of.
const MIB: u64 = 1 << 20;

/// The end of memory that a 32-bit register can address, less the devices below it.
const MEMORY_MAX: u64 = 3 << 30;

/// What the loader needs to know of a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KernelSetup {
    /// The longest command line, without its NUL.
    pub(super) cmdline_max: u32,
    /// The last byte of memory that an initrd may have.
    initrd_max: u32,
    /// End of the memory that the kernel writes before it has a memory map.
    memory_end: u64,
}

impl KernelSetup {
    /// Reads and checks the header of a kernel that is `len` bytes long.
    pub(super) fn read(head: &[u8], len: u64) -> Result<Self, BiosError> {
        if head.len() < END {
            return Err(BiosError::HeadShort { need: END, len: head.len() });
        }
        let found = fields::u32(head, 0x202);
        if found != NAME || fields::u16(head, 0x1fe) != 0xaa55 {
            return Err(BiosError::NotLinux { found });
        }
        let version = ProtocolVersion(fields::u16(head, 0x206));
        if version < OLDEST {
            return Err(BiosError::TooOld { version });
        }
        if version > NEWEST {
            return Err(BiosError::TooNew { version });
        }
        let flags = fields::u8(head, 0x211);
        if flags & 1 == 0 {
            return Err(BiosError::Low { flags });
        }
        check_len(head, len)?;
        let unpacked = fields::u64(head, 0x258).max(LOAD_AT).saturating_add(fields::u32(head, 0x260).into());
        let end = unpacked.max(LOAD_AT.saturating_add(len));
        if end > MEMORY_MAX {
            return Err(BiosError::Memory { end, most: MEMORY_MAX });
        }
        let (initrd_max, cmdline_max) = (fields::u32(head, 0x22c), fields::u32(head, 0x238));
        Ok(Self { cmdline_max, initrd_max, memory_end: end })
    }

    /// Where an initrd goes: above all that the kernel writes; 0 without one.
    pub(super) fn initrd_address(&self, len: u64) -> Result<u32, BiosError> {
        if len == 0 {
            return Ok(0);
        }
        let at = self.memory_end.checked_next_multiple_of(MIB).unwrap_or(u64::MAX);
        let (end, most) = (at.saturating_add(len), u64::from(self.initrd_max).min(MEMORY_MAX));
        match u32::try_from(at) {
            Ok(at) if end <= most => Ok(at),
            _ => Err(BiosError::InitrdHigh { end, most }),
        }
    }

    /// End of the needed memory, in KiB.
    pub(super) fn memory_kib(&self, initrd_at: u32, initrd_len: u64) -> u32 {
        let end = u64::from(initrd_at).saturating_add(initrd_len).max(self.memory_end);
        end.div_ceil(1024) as u32
    }
}

/// Refuses a kernel of which something is missing.
fn check_len(head: &[u8], len: u64) -> Result<(), BiosError> {
    let sectors = match fields::u8(head, 0x1f1) {
        0 => 4_u64,
        len => len.into(),
    };
    let setup = sectors.saturating_add(1).saturating_mul(512);
    if setup > 0x8000 {
        return Err(BiosError::SetupLong { len: setup });
    }
    let need = u64::from(fields::u32(head, 0x1f4)).saturating_mul(16).saturating_add(setup);
    if need > len {
        return Err(BiosError::CutShort { need, len });
    }
    Ok(())
}

/// The head of a kernel of `len` bytes that unpacks itself at 16 MiB and needs 50 MiB and a KiB for that.
#[cfg(test)]
pub(super) fn sample(len: u32) -> Vec<u8> {
    let mut head = vec![0; 4096];
    let mut put = |at: usize, bytes: &[u8]| super::put(&mut head, at, bytes.iter().copied());
    put(0x1f1, &[39]);
    put(0x1f4, &(len.saturating_sub(40 * 512) / 16).to_le_bytes());
    put(0x1fe, &[0x55, 0xaa]);
    put(0x202, b"HdrS\x0f\x02");
    put(0x206, &0x020f_u16.to_le_bytes());
    put(0x211, &[1]);
    put(0x22c, &0x7fff_ffff_u32.to_le_bytes());
    put(0x238, &2047_u32.to_le_bytes());
    put(0x258, &(16_u64 << 20).to_le_bytes());
    put(0x260, &((50_u32 << 20) + 1024).to_le_bytes());
    head
}

#[cfg(test)]
mod tests {
    #![expect(
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing,
        reason = "a test fails by panicking"
    )]

    use super::*;

    fn changed(at: usize, bytes: &[u8]) -> Result<KernelSetup, BiosError> {
        let mut head = sample(40_000);
        head[at..at + bytes.len()].copy_from_slice(bytes);
        KernelSetup::read(&head, 40_000)
    }

    #[test]
    fn kernels_that_cannot_be_started_are_refused_in_words() {
        assert!(KernelSetup::read(&sample(40_000), 40_000).is_ok());
        assert_eq!(changed(0x202, b"sRdH"), Err(BiosError::NotLinux { found: 0x4864_5273 }));
        let old = changed(0x206, &[9, 2]).unwrap_err().to_string();
        assert!(old.contains("too old for the loader: its boot protocol is 2.09, and 2.10 to 2.15"), "{old}");
        let new = changed(0x206, &[16, 2]).unwrap_err().to_string();
        assert!(new.contains("too new for the loader: its boot protocol is 2.16"), "{new}");
        assert_eq!(changed(0x211, &[0x80]), Err(BiosError::Low { flags: 0x80 }));
        assert_eq!(changed(0x1f1, &[64]), Err(BiosError::SetupLong { len: 65 * 512 }));
        assert_eq!(
            changed(0x1f4, &2000_u32.to_le_bytes()),
            Err(BiosError::CutShort { need: 32_000 + 40 * 512, len: 40_000 })
        );
        assert!(matches!(changed(0x258, &[0xff; 8]), Err(BiosError::Memory { end: u64::MAX, .. })));
        assert_eq!(KernelSetup::read(&[0; 100], 100), Err(BiosError::HeadShort { need: 0x264, len: 100 }));
    }

    #[test]
    fn an_initrd_goes_above_the_kernels_memory_and_below_its_bound() {
        let setup = KernelSetup::read(&sample(40_000), 40_000).unwrap();
        assert_eq!(setup.initrd_address(1), Ok(67 << 20));
        assert_eq!(setup.initrd_address(0), Ok(0));
        let most = 0x7fff_ffff;
        let fits = most - (67 << 20);
        assert!(setup.initrd_address(fits).is_ok());
        assert_eq!(setup.initrd_address(fits + 1), Err(BiosError::InitrdHigh { end: most + 1, most }));
    }
}
