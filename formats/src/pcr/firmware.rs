//! What firmware measures: the programs that it starts (PCR 4) and the state of Secure Boot (PCR 7).

use super::measure::UkiDigests;
use super::{BankDigests, Pcr, PcrError};
use crate::guid::Guid;
use crate::uefi_vars::{GLOBAL_VARIABLE, IMAGE_SECURITY_DATABASE};

/// The action before the first program (PC Client Platform Firmware Profile, section 3.3.4.5).
const CALLING_APPLICATION: &[u8] = b"Calling EFI Application from Boot Option";

/// The variables of Secure Boot as firmware stores them: signature lists, byte for byte; empty where a variable is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Variables {
    /// Platform key. Firmware enforces signatures when there is one.
    pub pk: Vec<u8>,
    /// Keys that may change the two others.
    pub kek: Vec<u8>,
    /// Certificates and digests that allow an image.
    pub db: Vec<u8>,
    /// Those that refuse one.
    pub dbx: Vec<u8>,
}

/// The firmware that starts an image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Firmware {
    /// Its variables. Empty ones are those of a machine without Secure Boot.
    pub variables: Variables,
    /// The entry of `db` that the image is verified with, as it is in a list: owner (16 bytes) and certificate or digest
    /// (`EFI_SIGNATURE_DATA`, UEFI 2.10, section 32.4.1). Counts where Secure Boot is on.
    pub authority: Option<Vec<u8>>,
}

impl Firmware {
    /// Whether images without a valid signature are refused: a platform key is enrolled (UEFI 2.10, section 32.3).
    pub fn secure_boot(&self) -> bool {
        !self.variables.pk.is_empty()
    }

    /// PCR 4: the action, the separator, the image, and the kernel in it where the stub has the firmware load it.
    pub(super) fn boot_programs(&self, image: &UkiDigests) -> Pcr {
        let mut pcr = Pcr::after(&[BankDigests::of(CALLING_APPLICATION), separator(), image.image]);
        if let Some(kernel) = image.kernel.filter(|_| !self.secure_boot()) {
            pcr.extend(&kernel);
        }
        pcr
    }

    /// PCR 7: the variables, the separator, and the entry that verified the image (PC Client Platform Firmware Profile,
    /// section 3.3.4.8).
    pub(super) fn secure_boot_pcr(&self) -> Result<Pcr, PcrError> {
        let Variables { pk, kek, db, dbx } = &self.variables;
        let state = [u8::from(self.secure_boot())];
        let mut pcr = Pcr::after(&[
            variable(GLOBAL_VARIABLE, "SecureBoot", &state),
            variable(GLOBAL_VARIABLE, "PK", pk),
            variable(GLOBAL_VARIABLE, "KEK", kek),
            variable(IMAGE_SECURITY_DATABASE, "db", db),
            variable(IMAGE_SECURITY_DATABASE, "dbx", dbx),
            separator(),
        ]);
        if self.secure_boot() {
            let entry = self.authority.as_deref().ok_or(PcrError::NoAuthority)?;
            pcr.extend(&variable(IMAGE_SECURITY_DATABASE, "db", entry));
        }
        Ok(pcr)
    }
}

/// The event that ends what firmware measures before programs run, 4 bytes of zero in each of the registers 0 to 7.
pub(super) fn separator() -> BankDigests {
    BankDigests::of(&[0; 4])
}

/// The event of a variable (`UEFI_VARIABLE_DATA`, PC Client Platform Firmware Profile, section 10.2.6).
fn variable(vendor: Guid, name: &str, value: &[u8]) -> BankDigests {
    let name: Vec<u16> = name.encode_utf16().collect();
    let mut event = vendor.to_bytes_le().to_vec();
    event.extend((name.len() as u64).to_le_bytes());
    event.extend((value.len() as u64).to_le_bytes());
    event.extend(name.iter().flat_map(|unit| unit.to_le_bytes()));
    event.extend(value);
    BankDigests::of(&event)
}
