//! PCRs: the platform configuration registers of a TPM, predicted from a unified kernel image before a machine starts it.
//!
//! Owns the events that firmware, the stub of systemd and systemd itself measure, and the digests of them in SHA-256 and
//! SHA-384. It reads a finished image once and needs neither a TPM nor a key. What depends on the machine (0, 1, 5, 9, 10)
//! is never predicted. Where an image may be measured in more than one way there is an error and no value.
//!
//! Follows the TCG PC Client Platform Firmware Profile Specification 1.06 (sections 3.3.4 and 10), UEFI 2.10 (section 32),
//! and systemd-stub(7), systemd-measure(1) and systemd-pcrphase.service(8).

mod authority;
mod bank;
mod error;
mod firmware;
mod measure;
mod policy;
mod signed_policy;
mod stub;

use std::collections::BTreeMap;

pub use authority::authority;
pub use bank::{Bank, BankDigests, Pcr};
pub use error::PcrError;
pub use firmware::{Firmware, Variables};
pub use measure::{UkiDigests, measure};
pub use policy::{PhasePath, policy_digest};
pub use signed_policy::{
    PUBLIC_KEY_SECTION, PolicyKey, PolicyKeyError, PolicySignature, SIGNATURE_SECTION, pcrsig,
};
pub use stub::StubVersion;

/// The registers that are predicted.
pub const PREDICTED: [u8; 7] = [2, 3, 4, 7, 11, 12, 13];

/// Register of the drivers and option ROMs that firmware ran: a variable `Driver####` shows only here.
pub const DRIVERS: u8 = 2;
/// Register of their configuration.
pub const DRIVER_CONFIG: u8 = 3;
/// Register of the programs that firmware started.
pub const BOOT_PROGRAMS: u8 = 4;
/// Register of the state and the keys of Secure Boot, and of the key that the image was verified with.
pub const SECURE_BOOT: u8 = 7;
/// Register of the sections of the unified kernel image, and of the phases of the boot.
pub const KERNEL_IMAGE: u8 = 11;
/// Register of what is added to the image at boot: command lines, add-ons, credentials, configuration extensions.
pub const KERNEL_PARAMETERS: u8 = 12;
/// Register of system extensions that are added at boot.
pub const SYSTEM_EXTENSIONS: u8 = 13;

/// The registers of a machine whose firmware starts this image, after the phases that `phases` lists. Phases are measured by the
/// system that runs, if it has the services for that, and change PCR 11 only.
///
/// The values hold while nothing is added on the ESP or in the variables: [`DRIVERS`], [`KERNEL_PARAMETERS`] and
/// [`SYSTEM_EXTENSIONS`] show such additions.
///
/// # Errors
/// [`PcrError::NoAuthority`] where Secure Boot is on and [`Firmware::authority`] is not known.
pub fn predict(
    image: &UkiDigests,
    firmware: &Firmware,
    phases: &PhasePath,
) -> Result<BTreeMap<u8, BankDigests>, PcrError> {
    let separator = firmware::separator();
    let empty = Pcr::after(&[separator]);
    Ok(BTreeMap::from([
        (DRIVERS, empty),
        (DRIVER_CONFIG, empty),
        (BOOT_PROGRAMS, firmware.boot_programs(image)),
        (SECURE_BOOT, firmware.secure_boot_pcr()?),
        (KERNEL_IMAGE, phases.extend(image.sections_pcr())),
        (KERNEL_PARAMETERS, Pcr::ZERO),
        (SYSTEM_EXTENSIONS, Pcr::ZERO),
    ])
    .into_iter()
    .map(|(number, pcr)| (number, pcr.value()))
    .collect())
}

#[cfg(test)]
mod tests;
