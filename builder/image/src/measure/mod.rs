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

use std::collections::BTreeMap;

use amiforge_formats::pcr::{self, BankDigests, Firmware, PcrError, PhasePath, StubVersion};
use amiforge_formats::read_at::ReadAt;

pub use aws::{AWS_PCRS, aws_json};
pub use error::MeasureError;
pub use json::MeasurementsJson;
pub use kms::{KmsStatement, NotAPrincipal, Principal};
pub use uki::{ContentReader, UkiFile, find, open};

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
    /// Predicts the registers of an image: without keys, and with those of `enrolled`. A stub that names no version counts
    /// as one of `assumed`.
    ///
    /// # Errors
    /// [`PcrError`].
    pub fn predict(
        uki: &dyn ReadAt,
        enrolled: Option<&Firmware>,
        phases: &PhasePath,
        assumed: Option<&StubVersion>,
    ) -> Result<Self, PcrError> {
        let digests = pcr::measure(uki, assumed)?;
        let registers = |firmware: &Firmware| pcr::predict(&digests, firmware, phases);
        Ok(Self {
            stub: digests.stub.text().to_owned(),
            secure_boot_off: registers(&Firmware::default())?,
            secure_boot_on: enrolled.map(registers).transpose()?,
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

#[cfg(test)]
mod tests;
