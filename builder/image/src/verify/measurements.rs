//! The PCRs of the manifest against those that follow from the image.

use std::path::Path;

use amiforge_formats::pcr::{Bank, PhasePath};

use super::{BundleDifference, VerifyReport};
use crate::bundle::UEFI_DATA;
use crate::inspect::{Medium, chain};
use crate::manifest::Manifest;
use crate::measure::{self, MeasureError, Measurements, Registers};
use crate::pcr_policy;
use crate::secure_boot;

/// Predicts the registers from the image and its variables again, where the manifest has some, and adds a difference for each
/// that is another.
pub(super) fn compare(directory: &Path, manifest: &Manifest, medium: &Medium, report: &mut VerifyReport) {
    let Some(expected) = &manifest.origin.measurements else { return };
    match predicted(directory, medium, expected.secure_boot_on.is_some()) {
        Err(error) => {
            report.differences.push(BundleDifference::Unmeasured { reason: chain(&error) });
        }
        Ok(found) => {
            report.checked.push("PCRs".to_owned());
            registers(false, &expected.secure_boot_off, &found.secure_boot_off, report);
            match (&expected.secure_boot_on, &found.secure_boot_on) {
                (Some(expected), Some(found)) => registers(true, expected, found, report),
                (Some(_), None) => {
                    let reason =
                        format!("the manifest has those with Secure Boot on, and there is no `{UEFI_DATA}`");
                    report.differences.push(BundleDifference::Unmeasured { reason });
                }
                (None, _) => {}
            }
        }
    }
}

/// The registers that follow from the image; those with Secure Boot only where the manifest has them.
fn predicted(directory: &Path, medium: &Medium, secure_boot: bool) -> Result<Measurements, MeasureError> {
    let variables = if secure_boot { measure::bundle_variables(directory)? } else { None };
    let uki = measure::open(medium)?;
    Measurements::predict(uki.bytes.as_ref(), variables.as_ref(), &PhasePath::default(), None)
        .map_err(|source| MeasureError::Pcr { path: uki.path, source })
}

fn registers(secure_boot: bool, expected: &Registers, found: &Registers, report: &mut VerifyReport) {
    for (register, value) in found {
        let Some(stored) = expected.get(register) else { continue };
        for bank in Bank::ALL.into_iter().filter(|bank| stored.in_bank(*bank) != value.in_bank(*bank)) {
            report.differences.push(BundleDifference::Measurement {
                register: *register,
                bank: bank.name(),
                secure_boot,
                expected: stored.hex(bank),
                found: value.hex(bank),
            });
        }
    }
}

/// Checks the policies for PCR 11 of the image against the manifest, where that has some.
pub(super) fn policies(manifest: &Manifest, medium: &Medium, report: &mut VerifyReport) {
    let Some(record) = &manifest.pcr_policy else { return };
    let checked = match secure_boot::open_program(medium, manifest, &record.path) {
        Ok(uki) => pcr_policy::check_bundle(&uki, record).map_err(|error| chain(&error)),
        Err(error) => Err(chain(&error)),
    };
    match checked {
        Ok(line) => report.checked.push(line),
        Err(problem) => report.differences.push(BundleDifference::PcrPolicy { problem }),
    }
}

/// Compares `measurements.json` with the manifest.
pub(super) fn compare_document(manifest: &Manifest, text: &[u8], report: &mut VerifyReport) {
    let expected = manifest.origin.measurements.as_ref().map(Measurements::document);
    if expected.is_none_or(|expected| expected.as_bytes() != text) {
        report.differences.push(BundleDifference::MeasurementsText);
    }
}
