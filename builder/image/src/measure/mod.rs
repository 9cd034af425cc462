//! Measurements: the PCRs that a machine of an image will show, as a manifest holds them and as others read them.
//!
//! Owns the way from a bundle, an image or a file to its unified kernel image, the JSON of the values, the form that AWS's
//! calculator prints, and the statement of a KMS key policy. The prediction itself is [`amiforge_formats::pcr`]. Knows no
//! recipe and no terminal.

mod aws;
mod error;
mod json;
mod kms;
mod uki;
mod variables;

use std::collections::BTreeMap;

use amiforge_formats::der::Certificate;
use amiforge_formats::pcr::{
    self, BankDigests, Firmware, PcrError, PhasePath, StubVersion, UkiDigests, Variables,
};
use amiforge_formats::pe::{self, TableEntry};
use amiforge_formats::read_at::ReadAt;

pub use aws::{AWS_PCRS, aws_json};
pub use error::{MeasureError, VariablesError};
pub use json::MeasurementsJson;
pub use kms::{KmsStatement, NotAPrincipal, Principal};
pub use uki::{ContentReader, UkiFile, find, open};
pub use variables::{bundle_variables, of_store, parse_variables, read_variables};

/// Predicted registers by number.
pub type Registers = BTreeMap<u8, BankDigests>;

/// Registers that a policy has to name so that nothing which an operator can add goes unseen, besides the image itself:
/// drivers, the image, what is added to it, and with Secure Boot the keys.
pub fn policy_pcrs(secure_boot: bool) -> &'static [u8] {
    if secure_boot { &[2, 3, 4, 7, 12, 13] } else { &[2, 3, 4, 12, 13] }
}

/// The registers of the machines of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measurements {
    /// Version of the stub, such as `252.39-1~deb12u2`.
    pub stub: String,
    /// With Secure Boot off and no key enrolled.
    pub secure_boot_off: Registers,
    /// With the variables of the image, where it has some.
    pub secure_boot_on: Option<Registers>,
}

impl Measurements {
    /// Predicts the registers of an image: without keys, and with the variables `enrolled`. A stub that names no version
    /// counts as one of `assumed`.
    ///
    /// # Errors
    /// [`PcrError`].
    pub fn predict(
        uki: &dyn ReadAt,
        enrolled: Option<&Variables>,
        phases: &PhasePath,
        assumed: Option<&StubVersion>,
    ) -> Result<Self, PcrError> {
        let digests = pcr::measure(uki, assumed)?;
        let registers = |firmware: &Firmware| pcr::predict(&digests, firmware, phases);
        let enrolled = enrolled.map(|variables| firmware(uki, variables, &digests)).transpose()?;
        Ok(Self {
            stub: digests.stub.text().to_owned(),
            secure_boot_off: registers(&Firmware::default())?,
            secure_boot_on: enrolled.as_ref().map(registers).transpose()?,
        })
    }

    /// The registers of one state of Secure Boot; nothing where no keys are known.
    pub fn registers(&self, secure_boot: bool) -> Option<&Registers> {
        if secure_boot { self.secure_boot_on.as_ref() } else { Some(&self.secure_boot_off) }
    }

    /// The registers of the state that the image is made for: with its keys, if it has some.
    pub fn intended(&self) -> (&Registers, bool) {
        match &self.secure_boot_on {
            Some(registers) => (registers, true),
            None => (&self.secure_boot_off, false),
        }
    }

    /// The text of a bundle's `measurements.json`: the form of AWS's calculator, of the intended state, with every register
    /// that a policy has to name.
    pub fn document(&self) -> String {
        let (registers, _) = self.intended();
        aws_json(registers, &[2, 3, 4, 7, 12, 13])
    }
}

/// Firmware with these variables, and the entry of `db` by which it starts the image.
///
/// # Errors
/// [`PcrError`] where no entry of `db`, or none for certain, verifies the image.
pub fn firmware(uki: &dyn ReadAt, variables: &Variables, digests: &UkiDigests) -> Result<Firmware, PcrError> {
    let entry = |chain: &[Certificate]| pcr::authority(&variables.db, chain, digests);
    let authority = match signers(uki)?.as_slice() {
        [] => entry(&[])?,
        // Firmware tries one signature after another.
        [first, more @ ..] => more.iter().fold(entry(first), |found, next| found.or_else(|_| entry(next)))?,
    };
    Ok(Firmware { variables: variables.clone(), authority: Some(authority) })
}

/// The certificates of each signature of an image, the signer's first.
fn signers(uki: &dyn ReadAt) -> Result<Vec<Vec<Certificate>>, PcrError> {
    let headers = pe::read(uki)?;
    let signatures = pe::read_signatures(uki, &headers)?.into_iter().filter_map(|entry| match entry {
        TableEntry::Signature(signature) => Some(signature),
        _ => None,
    });
    let chain = |signature: Box<pe::PeSignature>| {
        let signer = signature.signer().cloned();
        let others = signature.certificates.into_iter().filter(|one| Some(one) != signer.as_ref());
        signer.iter().cloned().chain(others).collect()
    };
    Ok(signatures.map(chain).collect())
}

/// What a register stands for, in a few words.
pub fn meaning(register: u8) -> &'static str {
    match register {
        pcr::DRIVERS => "no driver ran before the image",
        pcr::DRIVER_CONFIG => "no driver was configured",
        pcr::BOOT_PROGRAMS => "the image, with the kernel where firmware loads it",
        pcr::SECURE_BOOT => "Secure Boot: its state, its keys, and the key that verified the image",
        pcr::KERNEL_IMAGE => "the sections of the image, and the phases of the boot",
        pcr::KERNEL_PARAMETERS => "no command line, add-on, credential or configuration was added",
        pcr::SYSTEM_EXTENSIONS => "no system extension was added",
        _ => "not predicted",
    }
}

#[cfg(test)]
mod tests;
