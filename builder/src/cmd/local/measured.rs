//! The PCRs that a machine of an image shows: from the unified kernel image on its disk, and the variables that the AMI was
//! registered with.

use std::collections::BTreeMap;
use std::path::Path;

use amiforge_attest::Sha384Pcr;
use amiforge_formats::pcr::{PhasePath, Variables};
use amiforge_formats::uefi_vars::decode_ec2;
use amiforge_image::inspect::Medium;
use amiforge_image::measure::{self, Measurements};
use anyhow::Context as _;

/// The PCRs in SHA-384 that can be predicted, for a machine that starts this disk.
pub(super) fn registers(disk: &Path, uefi_data: Option<&str>) -> anyhow::Result<BTreeMap<u8, Sha384Pcr>> {
    let medium = Medium::open(disk)?;
    let uki = measure::open(&medium)?;
    let variables = uefi_data.map(enrolled).transpose().context("reading the AMI's UEFI variables")?;
    // Without a platform key firmware enforces nothing.
    let variables = variables.filter(|variables| !variables.pk.is_empty());
    let measurements =
        Measurements::predict(uki.bytes.as_ref(), variables.as_ref(), &PhasePath::default(), None);
    let measurements = measurements.with_context(|| format!("predicting the PCRs of `{}`", uki.path))?;
    let (registers, _) = measurements.intended();
    Ok(registers.iter().map(|(&index, value)| (index, value.sha384)).collect())
}

/// The variables of an AMI, in EC2's form.
fn enrolled(uefi_data: &str) -> anyhow::Result<Variables> {
    Ok(measure::of_store(&decode_ec2(uefi_data)?)?)
}
