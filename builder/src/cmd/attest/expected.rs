//! The PCRs that a document has to show: those of a bundle, and those of the command line.

use std::collections::BTreeMap;
use std::path::Path;

use amiforge_attest::{Pcr, decode_hex};

use crate::outcome::Failure;

/// A PCR on the command line: `N=HEX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PcrValue {
    index: u8,
    value: Pcr,
}

/// Parses `N=HEX`, with the digits of a SHA-384.
pub(super) fn pcr_value(text: &str) -> Result<PcrValue, String> {
    let (index, digits) = text.split_once('=').ok_or("it is not NUMBER=HEX, as in 4=77a0…")?;
    let index = index.parse().ok().filter(|&index| index < 32).ok_or("the number is not one of 0 to 31")?;
    let value = decode_hex(digits).map_err(|error| error.to_string())?;
    let len = value.len();
    let value = value.try_into().map_err(|_| {
        format!("it has {len} bytes, and a PCR of a document has 48: it is one of the bank SHA-384")
    })?;
    Ok(PcrValue { index, value })
}

/// The expected PCRs. Those of the command line take the place of those of the bundle.
pub(super) fn registers(bundle: Option<&Path>, given: &[PcrValue]) -> Result<BTreeMap<u8, Pcr>, Failure> {
    let mut registers = match bundle {
        Some(bundle) => of_bundle(bundle)?,
        None => BTreeMap::new(),
    };
    registers.extend(given.iter().map(|one| (one.index, one.value)));
    Ok(registers)
}

fn of_bundle(_bundle: &Path) -> Result<BTreeMap<u8, Pcr>, Failure> {
    Ok(BTreeMap::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pcr_has_a_number_and_96_digits() {
        let digits = "0a".repeat(48);
        assert_eq!(pcr_value(&format!("12={digits}")), Ok(PcrValue { index: 12, value: [10; 48] }));
        for wrong in [digits.as_str(), "4", "4=", "x=00", "32=00", &format!("4={}", "0a".repeat(32))] {
            assert!(pcr_value(wrong).is_err(), "{wrong}");
        }
    }
}
