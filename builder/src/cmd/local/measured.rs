//! The PCRs that a machine of an image shows: from the unified kernel image on its disk, and the variables that the AMI was
//! registered with.

use std::collections::BTreeMap;
use std::path::Path;

use amiforge_attest::Pcr;
use amiforge_formats::pcr::{self, Firmware, PhasePath, UkiDigests, Variables};
use amiforge_formats::uefi_vars::{self, Variable};
use amiforge_image::inspect::Medium;
use amiforge_image::measure;
use anyhow::Context as _;

/// The PCRs in SHA-384 that can be predicted, for a machine that starts this disk.
pub(super) fn registers(disk: &Path, uefi_data: Option<&str>) -> anyhow::Result<BTreeMap<u8, Pcr>> {
    let medium = Medium::open(disk)?;
    let uki = measure::open(&medium)?;
    let predicting = || format!("predicting the PCRs of `{}`", uki.path);
    let digests = pcr::measure(uki.bytes.as_ref(), None).with_context(predicting)?;
    let firmware = match uefi_data {
        Some(text) => enrolled(text, &digests).with_context(predicting)?,
        None => Firmware::default(),
    };
    let predicted = pcr::predict(&digests, &firmware, &PhasePath::default()).with_context(predicting)?;
    Ok(predicted.into_iter().map(|(index, value)| (index, value.sha384)).collect())
}

/// The firmware with the variables of an AMI, in EC2's form.
fn enrolled(uefi_data: &str, image: &UkiDigests) -> anyhow::Result<Firmware> {
    let all = uefi_vars::decode_ec2(uefi_data).context("reading the AMI's UEFI variables")?;
    let value = |name: &str| {
        let found = all.iter().find(|one: &&Variable| one.name == name);
        found.map(|one| one.data.clone()).unwrap_or_default()
    };
    let variables = Variables { pk: value("PK"), kek: value("KEK"), db: value("db"), dbx: value("dbx") };
    let authority =
        if variables.pk.is_empty() { None } else { Some(pcr::authority(&variables.db, &[], image)?) };
    Ok(Firmware { variables, authority })
}
