//! The JSON that AWS's `nitro-tpm-pcr-compute` prints, which AWS's guides take for key policies.

use amiforge_formats::pcr::Bank;
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::Registers;

/// The registers that AWS's calculator prints.
pub const AWS_PCRS: [u8; 3] = [4, 7, 12];

/// The text, ending in a line break. Attestation documents hold the bank of SHA-384, so nothing else is in it. Registers that
/// are not predicted are left out.
pub fn aws_json(registers: &Registers, pcrs: &[u8]) -> String {
    let document = AwsDocument { measurements: AwsMeasurements { registers, pcrs } };
    // Plain maps of strings cannot fail to become JSON.
    let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
    text.push('\n');
    text
}

#[derive(serde::Serialize)]
#[serde(rename_all = "PascalCase")]
struct AwsDocument<'a> {
    measurements: AwsMeasurements<'a>,
}

/// In the order of the numbers, behind the name of the algorithm.
struct AwsMeasurements<'a> {
    registers: &'a Registers,
    pcrs: &'a [u8],
}

impl Serialize for AwsMeasurements<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("HashAlgorithm", "SHA384")?;
        for (number, value) in self.registers.iter().filter(|(number, _)| self.pcrs.contains(number)) {
            map.serialize_entry(&format!("PCR{number}"), &value.hex(Bank::Sha384))?;
        }
        map.end()
    }
}
