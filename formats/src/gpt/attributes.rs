//! Attribute bits of a partition (UEFI 2.10, table 5.8; Discoverable Partitions Specification, "Partition Flags").

/// The platform needs this partition: tools must not delete it.
pub const REQUIRED: u64 = 1;

/// Firmware makes no block device for it.
pub const NO_BLOCK_IO: u64 = 1 << 1;

/// A legacy BIOS loader may boot from it.
pub const LEGACY_BIOS_BOOTABLE: u64 = 1 << 2;

/// The file system in it is grown to fill it when it is first mounted.
pub const GROW_FILE_SYSTEM: u64 = 1 << 59;

/// It is mounted read-only.
pub const READ_ONLY: u64 = 1 << 60;

/// It is not mounted by itself.
pub const NO_AUTO: u64 = 1 << 63;

/// The bits with a name, lowest first, as recipes and listings write them.
pub const NAMES: [(&str, u64); 6] = [
    ("required", REQUIRED),
    ("no-block-io", NO_BLOCK_IO),
    ("legacy-bios-bootable", LEGACY_BIOS_BOOTABLE),
    ("growfs", GROW_FILE_SYSTEM),
    ("read-only", READ_ONLY),
    ("no-auto", NO_AUTO),
];

/// The bit of a name.
pub fn by_name(name: &str) -> Option<u64> {
    NAMES.iter().find(|(known, _)| *known == name).map(|(_, bit)| *bit)
}

/// The names of the bits that are set, and a bit without one as `bit-N`; lowest first.
pub fn names(bits: u64) -> Vec<String> {
    let name = |bit: u32| {
        let known = NAMES.iter().find(|(_, mask)| *mask == 1 << bit);
        known.map_or_else(|| format!("bit-{bit}"), |(name, _)| (*name).to_owned())
    };
    (0..u64::BITS).filter(|bit| bits >> bit & 1 == 1).map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_have_names_both_ways() {
        assert_eq!(names(1 << 63 | 1 << 59 | 1 << 5 | 1), ["required", "bit-5", "growfs", "no-auto"]);
        for (name, bit) in NAMES {
            assert_eq!(by_name(name), Some(bit));
            assert_eq!(names(bit), [name]);
        }
        assert_eq!(by_name("bit-5"), None);
    }
}
