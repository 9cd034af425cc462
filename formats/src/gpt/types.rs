//! Partition types (Discoverable Partitions Specification; UEFI 2.10, table 5.7; GNU GRUB for the BIOS-boot one).
//!
//! The names are those of the Discoverable Partitions Specification, which systemd-repart and util-linux use too. The types
//! of an architecture, such as its root, are in [`Arch`].

use crate::arch::{Arch, PARTS};
use crate::guid::Guid;

/// `esp`: the EFI system partition.
pub const ESP: Guid = Guid::from_u128(0xc12a_7328_f81f_11d2_ba4b_00a0_c93e_c93b);

/// `xbootldr`: the extended boot loader partition, mounted at `/boot`.
pub const XBOOTLDR: Guid = Guid::from_u128(0xbc13_c2ff_59e6_4262_a352_b275_fd6f_7172);

/// `bios-boot`: holds the second stage of a BIOS loader.
pub const BIOS_BOOT: Guid = Guid::from_u128(0x2168_6148_6449_6e6f_744e_6565_6445_4649);

/// `swap`: a swap area.
pub const SWAP: Guid = Guid::from_u128(0x0657_fd6d_a4ab_43c4_84e5_0933_c84b_4f4f);

/// `home`: `/home`.
pub const HOME: Guid = Guid::from_u128(0x933a_c7e1_2eb4_4f13_b844_0e14_e2ae_f915);

/// `srv`: `/srv`.
pub const SRV: Guid = Guid::from_u128(0x3b8f_8425_20e0_4f3b_907f_1a25_a76f_98e8);

/// `var`: `/var`.
pub const VAR: Guid = Guid::from_u128(0x4d21_b016_b534_45c2_a9fb_5c16_e091_fd2d);

/// `tmp`: `/var/tmp`.
pub const TMP: Guid = Guid::from_u128(0x7ec6_f557_3bc5_4aca_b293_16ef_5df6_39d1);

/// `linux-generic`: any Linux data.
pub const LINUX_GENERIC: Guid = Guid::from_u128(0x0fc6_3daf_8483_4772_8e79_3d69_d847_7de4);

/// The types that precede those of architectures in [`NAMES`].
const FIRST: [(&str, Guid); 3] = [("esp", ESP), ("xbootldr", XBOOTLDR), ("bios-boot", BIOS_BOOT)];

/// The types that follow those of architectures in [`NAMES`].
const LAST: [(&str, Guid); 6] = [
    ("swap", SWAP),
    ("home", HOME),
    ("srv", SRV),
    ("var", VAR),
    ("tmp", TMP),
    ("linux-generic", LINUX_GENERIC),
];

/// Every type with its name: those above, and those of each architecture.
pub const NAMES: [(&str, Guid); FIRST.len() + PARTS * Arch::ALL.len() + LAST.len()] = names();

#[expect(clippy::indexing_slicing, reason = "a constant: a wrong index does not compile")]
const fn names() -> [(&'static str, Guid); FIRST.len() + PARTS * Arch::ALL.len() + LAST.len()] {
    let mut names = [("", ESP); FIRST.len() + PARTS * Arch::ALL.len() + LAST.len()];
    let of_archs = PARTS * Arch::ALL.len();
    let mut index = 0;
    while index < names.len() {
        names[index] = if index < FIRST.len() {
            FIRST[index]
        } else if index < FIRST.len() + of_archs {
            let index = index - FIRST.len();
            Arch::ALL[index % Arch::ALL.len()].partition_types()[index / Arch::ALL.len()]
        } else {
            LAST[index - FIRST.len() - of_archs]
        };
        index += 1;
    }
    names
}

/// The type of a name.
pub fn by_name(name: &str) -> Option<Guid> {
    NAMES.iter().find(|(known, _)| *known == name).map(|(_, guid)| *guid)
}

/// The name of a type.
pub fn name(guid: Guid) -> Option<&'static str> {
    NAMES.iter().find(|(_, known)| *known == guid).map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_have_one_name_each_both_ways() {
        for (text, guid) in NAMES {
            assert_eq!(by_name(text), Some(guid));
            assert_eq!(name(guid), Some(text));
        }
        assert_eq!(by_name("root"), None);
        assert_eq!(name(Guid::from_u128(0)), None);
    }
}
