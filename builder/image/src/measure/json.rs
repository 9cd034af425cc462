//! The JSON of measurements: the key `measurements` of a manifest. Keys are sorted, values are lower-case hexadecimal digits.

use std::collections::BTreeMap;

use amiforge_formats::pcr::{Bank, BankDigests, PREDICTED};
use amiforge_formats::tree::Printable;
use serde::{Deserialize, Serialize};

use super::{Measurements, Registers};

/// The text's structure: `secure_boot_off` and, where keys are known, `secure_boot_on`, each with the banks `sha256` and
/// `sha384`, each with the values by the register's number; and the version of the stub.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeasurementsJson {
    secure_boot_off: BanksJson,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    secure_boot_on: Option<BanksJson>,
    stub: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BanksJson {
    sha256: BTreeMap<String, String>,
    sha384: BTreeMap<String, String>,
}

impl From<&Measurements> for MeasurementsJson {
    fn from(measurements: &Measurements) -> Self {
        Self {
            secure_boot_off: BanksJson::from(&measurements.secure_boot_off),
            secure_boot_on: measurements.secure_boot_on.as_ref().map(BanksJson::from),
            stub: measurements.stub.clone(),
        }
    }
}

impl From<&Registers> for BanksJson {
    fn from(registers: &Registers) -> Self {
        let bank =
            |bank| registers.iter().map(|(number, value)| (number.to_string(), value.hex(bank))).collect();
        Self { sha256: bank(Bank::Sha256), sha384: bank(Bank::Sha384) }
    }
}

/// A value of the JSON that cannot be, with its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WrongValue {
    pub(crate) key: String,
    pub(crate) value: String,
    pub(crate) rule: &'static str,
}

impl MeasurementsJson {
    /// The measurements; every register that is predicted has to be there, in both banks, and no other.
    pub(crate) fn into_measurements(self) -> Result<Measurements, WrongValue> {
        let stub = self.stub.as_bytes();
        if stub.len() > 64 || !stub.iter().all(u8::is_ascii_graphic) {
            return Err(wrong("measurements.stub", &self.stub, "a version of systemd-stub"));
        }
        let on = self.secure_boot_on.map(|banks| banks.into_registers("measurements.secure_boot_on"));
        Ok(Measurements {
            stub: self.stub,
            secure_boot_off: self.secure_boot_off.into_registers("measurements.secure_boot_off")?,
            secure_boot_on: on.transpose()?,
        })
    }
}

impl BanksJson {
    fn into_registers(self, key: &str) -> Result<Registers, WrongValue> {
        for (bank, values) in [("sha256", &self.sha256), ("sha384", &self.sha384)] {
            if let Some(other) =
                values.keys().find(|name| !PREDICTED.iter().any(|pcr| pcr.to_string() == **name))
            {
                return Err(wrong(&format!("{key}.{bank}"), other, "a register that is predicted"));
            }
        }
        let mut registers = Registers::new();
        for number in PREDICTED {
            let value = BankDigests {
                sha256: hex(&format!("{key}.sha256"), &self.sha256, number)?,
                sha384: hex(&format!("{key}.sha384"), &self.sha384, number)?,
            };
            registers.insert(number, value);
        }
        Ok(registers)
    }
}

/// The value of a register.
fn hex<const N: usize>(
    key: &str,
    values: &BTreeMap<String, String>,
    number: u8,
) -> Result<[u8; N], WrongValue> {
    let key = format!("{key}.{number}");
    let text = values.get(&number.to_string()).map_or("", String::as_str);
    let mut bytes = [0; N];
    let lower = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if text.len() != 2 * N || !lower {
        return Err(wrong(&key, text, "the value of a register in lower-case hexadecimal digits"));
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let pair = std::str::from_utf8(pair).unwrap_or_default();
        *byte = u8::from_str_radix(pair, 16).unwrap_or_default();
    }
    Ok(bytes)
}

fn wrong(key: &str, value: &str, rule: &'static str) -> WrongValue {
    WrongValue { key: key.to_owned(), value: Printable(value.as_bytes()).to_string(), rule }
}
