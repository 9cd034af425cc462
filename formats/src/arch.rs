//! Architectures of machines and how their firmware boots an image: the only registry of both.
//!
//! One row for each architecture has its names in every format and service that names one, and the files that its firmware looks for.
//! What QEMU needs for it is a row in the crate that runs QEMU; a first program for an initrd is a file of its own.

use crate::guid::Guid;

/// Architecture of machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Arch {
    /// Intel and AMD, 64 bit.
    X86_64,
    /// Arm, 64 bit.
    Aarch64,
}

/// Files and names that UEFI firmware and its loaders know by architecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FirmwareNames {
    /// The file that firmware starts from a disk that it does not know (UEFI 2.10, section 3.5.1.1).
    pub default: &'static str,
    /// The architecture in names of files of systemd, such as `linuxx64.efi.stub`.
    pub suffix: &'static str,
    /// GRUB as one file, as Debian packages it.
    pub grub: &'static str,
    /// The package of that file.
    pub grub_package: &'static str,
}

/// Partition types of an architecture with their names (Discoverable Partitions Specification), in the order of [`PARTS`].
type PartitionTypes = [(&'static str, Guid); PARTS];

/// Partition types that each architecture has: root, `/usr`, the hash trees of both, the signatures of both.
pub(crate) const PARTS: usize = 6;

/// The values that differ between architectures.
struct ArchRow {
    name: &'static str,
    description: &'static str,
    deb: &'static str,
    oci: &'static str,
    ec2: &'static str,
    has_bios: bool,
    pe_machine: u16,
    elf_machine: u16,
    firmware: FirmwareNames,
    consoles: &'static str,
    partition_types: PartitionTypes,
}

const X86_64: ArchRow = ArchRow {
    name: "x86_64",
    description: "Intel and AMD, 64 bit",
    deb: "amd64",
    oci: "linux/amd64",
    ec2: "x86_64",
    has_bios: true,
    pe_machine: 0x8664,
    elf_machine: 62,
    firmware: FirmwareNames {
        default: "BOOTX64.EFI",
        suffix: "x64",
        grub: "/usr/lib/grub/x86_64-efi/monolithic/grubx64.efi",
        grub_package: "grub-efi-amd64-bin",
    },
    consoles: "console=tty0 console=ttyS0,115200n8",
    partition_types: [
        ("root-x86-64", Guid::from_u128(0x4f68_bce3_e8cd_4db1_96e7_fbca_f984_b709)),
        ("usr-x86-64", Guid::from_u128(0x8484_680c_9521_48c6_9c11_b072_0656_f69e)),
        ("root-x86-64-verity", Guid::from_u128(0x2c73_57ed_ebd2_46d9_aec1_23d4_37ec_2bf5)),
        ("usr-x86-64-verity", Guid::from_u128(0x77ff_5f63_e7b6_4633_acf4_1565_b864_c0e6)),
        ("root-x86-64-verity-sig", Guid::from_u128(0x4109_2b05_9fc8_4523_994f_2def_0408_b176)),
        ("usr-x86-64-verity-sig", Guid::from_u128(0xe7bb_33fb_06cf_4e81_8273_e543_b413_e2e2)),
    ],
};

const AARCH64: ArchRow = ArchRow {
    name: "aarch64",
    description: "Arm, 64 bit, such as Graviton",
    deb: "arm64",
    oci: "linux/arm64",
    ec2: "arm64",
    has_bios: false,
    pe_machine: 0xaa64,
    elf_machine: 183,
    firmware: FirmwareNames {
        default: "BOOTAA64.EFI",
        suffix: "aa64",
        grub: "/usr/lib/grub/arm64-efi/monolithic/grubaa64.efi",
        grub_package: "grub-efi-arm64-bin",
    },
    // The first is that of EC2, the second that of QEMU: only an existing one becomes the console. `tty0` would replace it.
    consoles: "console=ttyS0,115200n8 console=ttyAMA0,115200n8",
    partition_types: [
        ("root-arm64", Guid::from_u128(0xb921_b045_1df0_41c3_af44_4c6f_280d_3fae)),
        ("usr-arm64", Guid::from_u128(0xb0e0_1050_ee5f_4390_949a_9101_b171_04e9)),
        ("root-arm64-verity", Guid::from_u128(0xdf33_00ce_d69f_4c92_978c_9bfb_0f38_d820)),
        ("usr-arm64-verity", Guid::from_u128(0x6e11_a4e7_fbca_4ded_b9e9_e1a5_12bb_664e)),
        ("root-arm64-verity-sig", Guid::from_u128(0x6db6_9de6_29f4_4758_a7a5_9621_90f0_0ce3)),
        ("usr-arm64-verity-sig", Guid::from_u128(0xc23c_e4ff_44bd_4b00_b2d4_b41b_3419_e02a)),
    ],
};

impl Arch {
    /// All architectures.
    pub const ALL: [Self; 2] = [Self::X86_64, Self::Aarch64];

    const fn row(self) -> &'static ArchRow {
        match self {
            Self::X86_64 => &X86_64,
            Self::Aarch64 => &AARCH64,
        }
    }

    /// As recipes, manifests and Linux name it.
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// From the name that recipes or EC2 have for it.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|arch| arch.name() == name || arch.ec2_name() == name)
    }

    /// From the name that Debian has for it.
    pub fn by_deb_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|arch| arch.deb_name() == name)
    }

    /// A description for help texts.
    pub const fn description(self) -> &'static str {
        self.row().description
    }

    /// As Debian names it.
    pub const fn deb_name(self) -> &'static str {
        self.row().deb
    }

    /// As a platform of container images.
    pub const fn oci_platform(self) -> &'static str {
        self.row().oci
    }

    /// As EC2 names it.
    pub const fn ec2_name(self) -> &'static str {
        self.row().ec2
    }

    /// Whether machines may have a legacy BIOS; all have UEFI.
    pub const fn has_bios(self) -> bool {
        self.row().has_bios
    }

    /// `Machine` in the header of PE images (Microsoft PE/COFF specification).
    pub const fn pe_machine(self) -> u16 {
        self.row().pe_machine
    }

    /// `e_machine` in the header of ELF files (System V ABI, ELF header).
    pub const fn elf_machine(self) -> u16 {
        self.row().elf_machine
    }

    /// The names that UEFI firmware and loaders know.
    pub const fn firmware(self) -> FirmwareNames {
        self.row().firmware
    }

    /// The arguments for the kernel that name its consoles: EC2 has a serial console on every machine.
    pub const fn consoles(self) -> &'static str {
        self.row().consoles
    }

    /// Its partition types with their names: root, `/usr`, their hash trees, the signatures of these.
    pub(crate) const fn partition_types(self) -> PartitionTypes {
        self.row().partition_types
    }

    /// Partition type of a root file system.
    pub const fn root_type(self) -> Guid {
        self.row().partition_types[0].1
    }

    /// Partition type of the hash tree over a root file system.
    pub const fn root_verity_type(self) -> Guid {
        self.row().partition_types[2].1
    }

    /// Partition type of `/usr`.
    pub const fn usr_type(self) -> Guid {
        self.row().partition_types[1].1
    }
}

/// How firmware boots an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BootMode {
    /// By UEFI only.
    Uefi,
    /// By a legacy BIOS only.
    Bios,
    /// By either.
    Hybrid,
}

impl BootMode {
    /// All of them, in the order in which EC2 lists them.
    pub const ALL: [Self; 3] = [Self::Uefi, Self::Hybrid, Self::Bios];

    /// Whether UEFI boots it.
    pub const fn uefi(self) -> bool {
        !matches!(self, Self::Bios)
    }

    /// Whether a legacy BIOS boots it.
    pub const fn bios(self) -> bool {
        !matches!(self, Self::Uefi)
    }

    /// As EC2 names it, in manifests too.
    pub const fn ec2_name(self) -> &'static str {
        match self {
            Self::Uefi => "uefi",
            Self::Bios => "legacy-bios",
            Self::Hybrid => "uefi-preferred",
        }
    }

    /// From the name that EC2 has for it.
    pub fn by_ec2_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.ec2_name() == name)
    }

    /// The boot mode that the partitions of an image allow: UEFI reads an EFI system partition, a legacy BIOS starts code
    /// in a BIOS-boot partition. `None` when firmware of that architecture finds neither.
    pub fn of_partitions(arch: Arch, esp: bool, bios_boot: bool) -> Option<Self> {
        match (esp, bios_boot && arch.has_bios()) {
            (true, false) => Some(Self::Uefi),
            (true, true) => Some(Self::Hybrid),
            (false, true) => Some(Self::Bios),
            (false, false) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_their_architecture() {
        for arch in Arch::ALL {
            assert_eq!(Arch::by_name(arch.name()), Some(arch));
            assert_eq!(Arch::by_name(arch.ec2_name()), Some(arch));
        }
        assert_eq!(Arch::by_name("amd64"), None);
        for mode in BootMode::ALL {
            assert_eq!(BootMode::by_ec2_name(mode.ec2_name()), Some(mode));
        }
    }

    #[test]
    fn boot_modes_follow_from_partitions() {
        let modes = |arch| {
            [(true, false), (true, true), (false, true), (false, false)]
                .map(|(esp, bios_boot)| BootMode::of_partitions(arch, esp, bios_boot))
        };
        let (uefi, hybrid, bios) = (Some(BootMode::Uefi), Some(BootMode::Hybrid), Some(BootMode::Bios));
        assert_eq!(modes(Arch::X86_64), [uefi, hybrid, bios, None]);
        assert_eq!(modes(Arch::Aarch64), [uefi, uefi, None, None]);
    }
}
