//! The PCRs that a document has to show: those of a bundle, and those of the command line.

use std::collections::BTreeMap;
use std::path::Path;

use amiforge_attest::{Sha384Pcr, decode_hex};
use amiforge_formats::pcr::PhasePath;
use amiforge_image::bundle::MANIFEST;
use amiforge_image::inspect::Medium;
use amiforge_image::manifest::Manifest;
use amiforge_image::measure::{self, Measurements};
use anyhow::Context as _;

use crate::outcome::Failure;

/// A PCR on the command line: `N=HEX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PcrValue {
    /// The number, below 32.
    pub(crate) index: u8,
    /// The value.
    pub(crate) value: Sha384Pcr,
}

/// Parses `N=HEX`, with the digits of a SHA-384.
pub(crate) fn pcr_value(text: &str) -> Result<PcrValue, String> {
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
pub(super) fn registers(
    bundle: Option<&Path>,
    given: &[PcrValue],
) -> Result<BTreeMap<u8, Sha384Pcr>, Failure> {
    let mut registers = match bundle {
        Some(bundle) => of_bundle(bundle)?,
        None => BTreeMap::new(),
    };
    registers.extend(given.iter().map(|one| (one.index, one.value)));
    Ok(registers)
}

/// The PCRs that a policy has to name, as the manifest of a bundle has them; predicted from the image where the manifest has
/// none. They are those of Secure Boot where the image has keys for it.
fn of_bundle(bundle: &Path) -> Result<BTreeMap<u8, Sha384Pcr>, Failure> {
    let cannot = || format!("cannot tell the PCRs of machines of `{}`", bundle.display());
    let path = bundle.join(MANIFEST);
    let text = amiforge_progress::regular::read(&path)
        .with_context(|| format!("reading `{}`", path.display()))
        .with_context(cannot)
        .map_err(|error| Failure::from(error).hint("name the folder that `amiforge build -o` wrote"))?;
    let manifest = Manifest::parse(&text).with_context(|| format!("reading `{}`", path.display()));
    let measurements = match manifest.with_context(cannot)?.origin.measurements {
        Some(measurements) => measurements,
        None => predicted(bundle).with_context(cannot)?,
    };
    let (registers, secure_boot) = measurements.intended();
    let named = |index: &u8| registers.get(index).map(|value| (*index, value.sha384));
    Ok(measure::policy_pcrs(secure_boot).iter().filter_map(named).collect())
}

/// The PCRs that follow from the unified kernel image of a bundle, and from its variables for Secure Boot.
fn predicted(bundle: &Path) -> anyhow::Result<Measurements> {
    let medium = Medium::open(bundle)?;
    let uki = measure::open(&medium)?;
    let variables = measure::bundle_variables(bundle)?;
    let measurements =
        Measurements::predict(uki.bytes.as_ref(), variables.as_ref(), &PhasePath::default(), None);
    measurements.with_context(|| format!("predicting the PCRs of `{}`", uki.path))
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
