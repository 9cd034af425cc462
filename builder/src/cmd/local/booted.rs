//! The PCRs that the TPM of a machine measured, by the receipt of its boot.

use std::collections::BTreeMap;
use std::path::Path;

use amiforge_attest::{Sha384Pcr, decode_hex};
use amiforge_image::bundle::MANIFEST;
use amiforge_image::manifest::Manifest;
use amiforge_machine::boot::receipt::{ImageDigests, MeasuredRecord, require};
use anyhow::{Context as _, anyhow};

/// The bank of documents, as receipts name it.
const BANK: &str = "sha384";

/// The registers that the TPM of a machine had when this bundle was booted. Where it was booted with Secure Boot off and on,
/// those of the state that its image is made for.
pub(super) fn registers(bundle: &Path) -> anyhow::Result<BTreeMap<u8, Sha384Pcr>> {
    let path = bundle.join(MANIFEST);
    let text =
        amiforge_progress::regular::read(&path).with_context(|| format!("reading `{}`", path.display()))?;
    let manifest = Manifest::parse(&text).with_context(|| format!("reading `{}`", path.display()))?;
    let keys = manifest.origin.measurements.as_ref().is_some_and(|measurements| measurements.intended().1);
    let receipt = require(bundle, ImageDigests::from(&manifest))?;
    let mut records: Vec<&MeasuredRecord> =
        receipt.boots.iter().filter_map(|boot| boot.measured.as_ref()).collect();
    records.sort_by_key(|record| (record.secure_boot.as_str() == "on") != keys);
    let record = records.first().ok_or_else(|| anyhow!("its receipt has no boot with a TPM"))?;
    let bank = record.pcrs.get(BANK).ok_or_else(|| anyhow!("its receipt has no PCRs of the bank {BANK}"))?;
    bank.iter().map(|(&index, value)| Ok((u8::try_from(index)?, pcr(value)?))).collect()
}

fn pcr(text: &str) -> anyhow::Result<Sha384Pcr> {
    let value = decode_hex(text)?;
    value.try_into().map_err(|value: Vec<u8>| anyhow!("a PCR of {} bytes", value.len()))
}
