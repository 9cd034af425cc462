//! The PCRs of a NitroTPM, and what each of them stands for.

/// A PCR of the bank SHA-384.
pub type Sha384Pcr = [u8; PCR_LEN];

/// The bytes of a PCR of the bank SHA-384.
pub const PCR_LEN: usize = 48;

/// What a PCR stands for, and what it means that it differs from the one of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PcrMeaning {
    /// What firmware and the stub measure there.
    pub measures: &'static str,
    /// What is different on a machine whose value differs.
    pub difference: &'static str,
}

/// What a PCR stands for, in a machine whose firmware starts a unified kernel image directly. TCG PC Client Platform
/// Firmware Profile, 3.3.4; systemd, "TPM2 PCR Measurements Made by systemd".
pub fn meaning(index: u8) -> PcrMeaning {
    let (measures, difference) = match index {
        0 => ("the firmware", "the firmware is another one; it is Amazon's, and no image decides it"),
        1 => ("the configuration of the firmware", "it varies from machine to machine"),
        2 => (
            "drivers that the firmware ran before the image",
            "a UEFI driver or option ROM ran before the kernel, for example by a `Driver####` variable of the AMI's \
             UefiData: it can change everything that runs after it",
        ),
        3 => (
            "the configuration of such drivers",
            "a UEFI driver or option ROM was configured that the image does not have",
        ),
        4 => (
            "the programs that the firmware started: the unified kernel image, which holds stub, kernel, initrd and \
             command line with the root hash, and the kernel in it",
            "another unified kernel image was started, or an add-on or another program besides it",
        ),
        5 => ("the partition table", "it changes when a volume grows"),
        7 => (
            "the state and the keys of Secure Boot: SecureBoot, PK, KEK, db, dbx, and the entry of db that verified",
            "Secure Boot is in another state, has other keys, or another entry of db verified the image",
        ),
        11 => (
            "the sections of the unified kernel image, and the phases of the boot that systemd adds",
            "another unified kernel image was started, or the machine is in another phase of its boot",
        ),
        12 => (
            "load options, add-ons and credentials of the stub",
            "load options, command line add-ons or credentials were passed that the image does not have, for example by \
             a `Boot####` variable of the AMI's UefiData or a file in `\\loader` of the EFI system partition",
        ),
        13 => (
            "system extensions of the stub",
            "a system extension was passed that the image does not have: a `*.raw` file on the EFI system partition",
        ),
        _ => ("nothing that an image decides", "something extended it after the start"),
    };
    PcrMeaning { measures, difference }
}
