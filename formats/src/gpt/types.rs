//! Partition types (Discoverable Partitions Specification; UEFI 2.10, table 5.7; GNU GRUB for the BIOS-boot one).
//!
//! The names are those of the Discoverable Partitions Specification, which systemd-repart and util-linux use too.

use crate::guid::Guid;

/// `esp`: the EFI system partition.
pub const ESP: Guid = Guid::from_u128(0xc12a_7328_f81f_11d2_ba4b_00a0_c93e_c93b);

/// `xbootldr`: the extended boot loader partition, mounted at `/boot`.
pub const XBOOTLDR: Guid = Guid::from_u128(0xbc13_c2ff_59e6_4262_a352_b275_fd6f_7172);

/// `bios-boot`: holds the second stage of a BIOS loader.
pub const BIOS_BOOT: Guid = Guid::from_u128(0x2168_6148_6449_6e6f_744e_6565_6445_4649);

/// `root-x86-64`: the root file system of an x86-64 machine.
pub const ROOT_X86_64: Guid = Guid::from_u128(0x4f68_bce3_e8cd_4db1_96e7_fbca_f984_b709);

/// `root-arm64`: the root file system of an aarch64 machine.
pub const ROOT_AARCH64: Guid = Guid::from_u128(0xb921_b045_1df0_41c3_af44_4c6f_280d_3fae);

/// `usr-x86-64`: `/usr` of an x86-64 machine.
pub const USR_X86_64: Guid = Guid::from_u128(0x8484_680c_9521_48c6_9c11_b072_0656_f69e);

/// `usr-arm64`: `/usr` of an aarch64 machine.
pub const USR_AARCH64: Guid = Guid::from_u128(0xb0e0_1050_ee5f_4390_949a_9101_b171_04e9);

/// `root-x86-64-verity`: the hash tree of [`ROOT_X86_64`].
pub const ROOT_VERITY_X86_64: Guid = Guid::from_u128(0x2c73_57ed_ebd2_46d9_aec1_23d4_37ec_2bf5);

/// `root-arm64-verity`: the hash tree of [`ROOT_AARCH64`].
pub const ROOT_VERITY_AARCH64: Guid = Guid::from_u128(0xdf33_00ce_d69f_4c92_978c_9bfb_0f38_d820);

/// `usr-x86-64-verity`: the hash tree of [`USR_X86_64`].
pub const USR_VERITY_X86_64: Guid = Guid::from_u128(0x77ff_5f63_e7b6_4633_acf4_1565_b864_c0e6);

/// `usr-arm64-verity`: the hash tree of [`USR_AARCH64`].
pub const USR_VERITY_AARCH64: Guid = Guid::from_u128(0x6e11_a4e7_fbca_4ded_b9e9_e1a5_12bb_664e);

/// `root-x86-64-verity-sig`: the signature of the root hash of [`ROOT_VERITY_X86_64`].
pub const ROOT_VERITY_SIG_X86_64: Guid = Guid::from_u128(0x4109_2b05_9fc8_4523_994f_2def_0408_b176);

/// `root-arm64-verity-sig`: the signature of the root hash of [`ROOT_VERITY_AARCH64`].
pub const ROOT_VERITY_SIG_AARCH64: Guid = Guid::from_u128(0x6db6_9de6_29f4_4758_a7a5_9621_90f0_0ce3);

/// `usr-x86-64-verity-sig`: the signature of the root hash of [`USR_VERITY_X86_64`].
pub const USR_VERITY_SIG_X86_64: Guid = Guid::from_u128(0xe7bb_33fb_06cf_4e81_8273_e543_b413_e2e2);

/// `usr-arm64-verity-sig`: the signature of the root hash of [`USR_VERITY_AARCH64`].
pub const USR_VERITY_SIG_AARCH64: Guid = Guid::from_u128(0xc23c_e4ff_44bd_4b00_b2d4_b41b_3419_e02a);

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

/// Every type above with its name.
pub const NAMES: [(&str, Guid); 21] = [
    ("esp", ESP),
    ("xbootldr", XBOOTLDR),
    ("bios-boot", BIOS_BOOT),
    ("root-x86-64", ROOT_X86_64),
    ("root-arm64", ROOT_AARCH64),
    ("usr-x86-64", USR_X86_64),
    ("usr-arm64", USR_AARCH64),
    ("root-x86-64-verity", ROOT_VERITY_X86_64),
    ("root-arm64-verity", ROOT_VERITY_AARCH64),
    ("usr-x86-64-verity", USR_VERITY_X86_64),
    ("usr-arm64-verity", USR_VERITY_AARCH64),
    ("root-x86-64-verity-sig", ROOT_VERITY_SIG_X86_64),
    ("root-arm64-verity-sig", ROOT_VERITY_SIG_AARCH64),
    ("usr-x86-64-verity-sig", USR_VERITY_SIG_X86_64),
    ("usr-arm64-verity-sig", USR_VERITY_SIG_AARCH64),
    ("swap", SWAP),
    ("home", HOME),
    ("srv", SRV),
    ("var", VAR),
    ("tmp", TMP),
    ("linux-generic", LINUX_GENERIC),
];

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
