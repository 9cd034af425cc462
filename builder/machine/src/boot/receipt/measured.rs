//! The measured part of a receipt: the registers of the TPM, and the event log in a file of its own beside the receipt.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use amiforge_formats::digest::Digest;
use amiforge_formats::event_log;
use serde::{Deserialize, Serialize};

use super::{ImageDigests, ReceiptError, require, write_file};
use crate::boot::Firmware;
use crate::boot::firmware::SecureBoot;
use crate::boot::measured::{Comparison, Prediction, compare, hex};
use crate::boot::tpm::{BANKS, TpmReading, explains};

/// What the TPM of a machine measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeasuredRecord {
    /// Whether Secure Boot was on.
    pub secure_boot: SecureBoot,
    /// Bank, register and value in hexadecimal digits, of all registers.
    pub pcrs: BTreeMap<String, BTreeMap<u32, String>>,
    /// SHA-256 of the event log in the file of [`event_log_path`].
    pub event_log: String,
    /// The registers that had their predicted values.
    pub predicted: Vec<u32>,
    /// The phases that PCR 11 has beyond the prediction.
    pub phases: Vec<String>,
}

/// The path of the event log beside the receipt.
pub fn event_log_path(receipt: &Path, secure_boot: SecureBoot) -> PathBuf {
    let mut name = OsString::from(receipt.file_stem().unwrap_or_default());
    name.push(format!(".secure-boot-{}.eventlog", secure_boot.as_str()));
    receipt.with_file_name(name)
}

impl MeasuredRecord {
    /// The record of a comparison without a difference, and writes the event log of the image. `None` if no log in the
    /// memory of the machine explains the registers.
    ///
    /// # Errors
    /// [`ReceiptError::File`].
    pub fn keep(
        image: &Path,
        secure_boot: SecureBoot,
        reading: &TpmReading,
        comparison: &Comparison,
    ) -> Result<Option<Self>, ReceiptError> {
        let Some((_, bytes)) = &reading.log else { return Ok(None) };
        write_file(&event_log_path(&super::path_for(image)?, secure_boot), bytes)?;
        let values = |values: &Vec<Vec<u8>>| (0..).zip(values.iter().map(|value| hex(value))).collect();
        let pcrs = reading.pcrs.iter().map(|(bank, all)| (bank.as_str().to_owned(), values(all)));
        Ok(Some(Self {
            secure_boot,
            pcrs: pcrs.collect(),
            event_log: Digest::of(bytes).to_string(),
            predicted: comparison.compared.clone(),
            phases: comparison.phases.clone(),
        }))
    }

    /// The registers, without a log.
    fn reading(&self) -> TpmReading {
        let values = |bank: &str| {
            let all = self.pcrs.get(bank).into_iter().flatten();
            all.map(|(_, value)| unhex(value)).collect()
        };
        let pcrs = BANKS.into_iter().map(|bank| (bank, values(bank.as_str()))).collect();
        TpmReading { pcrs, log: None }
    }
}

/// Requires the receipt of a passed boot of an image with these digests and a TPM, whose registers are the predicted
/// ones. Nothing that the receipt says of the comparison counts: the registers are compared again, and the event log
/// replayed.
///
/// # Errors
/// Those of [`require`], [`ReceiptError::NotMeasured`], [`ReceiptError::Unpredicted`], [`ReceiptError::EventLog`].
pub fn require_measured(
    image: &Path,
    digests: ImageDigests,
    secure_boot: SecureBoot,
    prediction: &Prediction,
) -> Result<(), ReceiptError> {
    let path = super::path_for(image)?;
    let receipt = require(image, digests)?;
    let mut boots =
        receipt.boots.iter().filter(|boot| boot.firmware == Firmware::Uefi && !boot.passed.is_empty());
    let record =
        boots.find_map(|boot| boot.measured.as_ref().filter(|measured| measured.secure_boot == secure_boot));
    let Some(record) = record else { return Err(ReceiptError::NotMeasured { path, secure_boot }) };
    let reading = record.reading();
    if let Some(difference) = compare(prediction, &reading).differences.into_iter().next() {
        let (pcr, bank) = (difference.pcr, difference.bank);
        let (measured, predicted) = (difference.measured, difference.predicted);
        return Err(ReceiptError::Unpredicted { path, pcr, bank, measured, predicted });
    }
    check_log(event_log_path(&path, secure_boot), record, &reading)
}

/// Checks the file of the event log against the record.
fn check_log(path: PathBuf, record: &MeasuredRecord, reading: &TpmReading) -> Result<(), ReceiptError> {
    let bytes = match amiforge_progress::regular::read(&path) {
        Ok(bytes) => bytes,
        Err(source) => return Err(ReceiptError::File { path, source }),
    };
    let digest = Digest::of(&bytes).to_string();
    let reason = if digest == record.event_log {
        match event_log::read(&bytes) {
            Ok(log) if explains(&log, &reading.pcrs) => return Ok(()),
            Ok(_) => "does not give the registers of the receipt".to_owned(),
            Err(error) => format!("cannot be read: {error}"),
        }
    } else {
        format!("has the SHA-256 {digest}, and the receipt has {}", record.event_log)
    };
    Err(ReceiptError::EventLog { path, reason })
}

/// The bytes of hexadecimal digits; empty, which no register is, for another text.
fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2).map(|pair| {
        let pair = std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?;
        u8::from_str_radix(pair, 16).ok().filter(|_| !pair.starts_with('+'))
    });
    digits.collect::<Option<Vec<u8>>>().unwrap_or_default()
}
