//! What QEMU needs for each architecture: program, boards, firmware, and the packages of these. One row for each.

use super::Arch;

/// The values of an architecture.
pub(super) struct QemuArch {
    /// The program that runs its machines.
    pub(super) program: &'static str,
    /// Board and processor with KVM.
    pub(super) kvm: (&'static str, &'static str),
    /// Board and processor with QEMU's own emulation.
    pub(super) tcg: (&'static str, &'static str),
    /// Whether the board has I/O ports: that of the firmware's debug console, and those that end a trial of KVM.
    pub(super) io_ports: bool,
    /// The common name of its UEFI firmware.
    pub(super) firmware: &'static str,
    /// How descriptors of firmware begin the names of its boards.
    pub(super) firmware_board: &'static str,
    /// Code and variables of firmware where the host has no descriptors, in the order in which they are looked for.
    pub(super) firmware_files: &'static [(&'static str, &'static str)],
    /// Code and variables of firmware with Secure Boot and without keys, as above.
    pub(super) secure_firmware_files: &'static [(&'static str, &'static str)],
    /// Whether that firmware needs system management mode, which protects its variables.
    pub(super) has_smm: bool,
    /// The device of a TPM.
    pub(super) tpm_device: &'static str,
    /// Packages of QEMU, in the order of `DistroFamily`.
    pub(super) qemu_packages: [&'static str; 5],
    /// Packages of the firmware, in the order of `DistroFamily`.
    pub(super) firmware_packages: [&'static str; 5],
}

/// The row of an architecture.
pub(super) const fn qemu_arch(arch: Arch) -> &'static QemuArch {
    match arch {
        Arch::X86_64 => &X86_64,
        Arch::Aarch64 => &AARCH64,
    }
}

const X86_64: QemuArch = QemuArch {
    program: "qemu-system-x86_64",
    kvm: ("q35", "host"),
    tcg: ("q35", "max"),
    io_ports: true,
    firmware: "OVMF",
    firmware_board: "pc-q35-",
    firmware_files: &[
        ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
        ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"),
        ("/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"),
        ("/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"),
        ("/usr/share/qemu/edk2-x86_64-code.fd", "/usr/share/qemu/edk2-i386-vars.fd"),
    ],
    secure_firmware_files: &[
        ("/usr/share/OVMF/OVMF_CODE_4M.secboot.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
        ("/usr/share/OVMF/OVMF_CODE.secboot.fd", "/usr/share/OVMF/OVMF_VARS.fd"),
        ("/usr/share/edk2/x64/OVMF_CODE.secboot.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"),
        ("/usr/share/edk2/ovmf/OVMF_CODE.secboot.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"),
        ("/usr/share/qemu/edk2-x86_64-secure-code.fd", "/usr/share/qemu/edk2-i386-vars.fd"),
    ],
    has_smm: true,
    tpm_device: "tpm-crb",
    qemu_packages: [
        "qemu-system-x86",
        "qemu-system-x86-core",
        "qemu-system-x86",
        "qemu-x86",
        "qemu-system-x86_64",
    ],
    firmware_packages: ["ovmf", "edk2-ovmf", "edk2-ovmf", "qemu-ovmf-x86_64", "ovmf"],
};

const AARCH64: QemuArch = QemuArch {
    program: "qemu-system-aarch64",
    kvm: ("virt,gic-version=host", "host"),
    // Pointer authentication as specified halves the speed.
    tcg: ("virt,gic-version=3", "max,pauth-impdef=on"),
    io_ports: false,
    firmware: "AAVMF",
    firmware_board: "virt-",
    firmware_files: &[
        ("/usr/share/AAVMF/AAVMF_CODE.fd", "/usr/share/AAVMF/AAVMF_VARS.fd"),
        ("/usr/share/edk2/aarch64/QEMU_EFI-pflash.raw", "/usr/share/edk2/aarch64/vars-template-pflash.raw"),
        ("/usr/share/qemu/edk2-aarch64-code.fd", "/usr/share/qemu/edk2-arm-vars.fd"),
    ],
    secure_firmware_files: &[
        ("/usr/share/AAVMF/AAVMF_CODE.secboot.fd", "/usr/share/AAVMF/AAVMF_VARS.fd"),
        ("/usr/share/AAVMF/AAVMF_CODE.ms.fd", "/usr/share/AAVMF/AAVMF_VARS.fd"),
    ],
    has_smm: false,
    tpm_device: "tpm-tis-device",
    qemu_packages: [
        "qemu-system-arm",
        "qemu-system-aarch64-core",
        "qemu-system-aarch64",
        "qemu-arm",
        "qemu-system-aarch64",
    ],
    firmware_packages: ["qemu-efi-aarch64", "edk2-aarch64", "edk2-aarch64", "qemu-uefi-aarch64", "aavmf"],
};
