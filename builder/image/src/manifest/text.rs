//! The text of a manifest: JSON with sorted keys, strictly read.
//!
//! Reading refuses unknown keys, another schema, and more blocks than the size has room for; what it gives back may
//! still be wrong about the image, which is for `verify` to find.

mod blocks;
mod value;
mod verity;

use std::collections::BTreeMap;

use amiforge_formats::digest::BLOCK;
use serde::{Deserialize, Serialize};

use self::blocks::{read_blocks, write_blocks};
pub use self::value::{ManifestError, TEXT_MAX};
use self::value::{digest, guid, wrong};
use self::verity::VerityText;
use super::{AllowedLeak, Cleaned, ImageOrigin, Manifest, ManifestInput, ManifestPartition, SCHEMA, Secret};
use crate::image::Aggregate;
use crate::measure::{Measurements, MeasurementsJson};
use crate::pcr_policy::PcrPolicyRecord;
use crate::secure_boot::SecureBootRecord;

/// Largest disk, that of EBS: 64 TiB.
const SIZE_MAX: u64 = 1 << 46;

/// How a third party recomputes the digests; part of the text so that it need not be looked up.
const NOTES: [&str; 4] = [
    "a block is block_size bytes of the image; the last one is filled up with zeros; an entry of blocks is the \
     SHA-256 of one block, or zero*N or free*N for N blocks of zeros; free blocks are space that nobody reads \
     before writing it",
    "ebs.*.sha256 is SHA-256 over the raw digests of the blocks written, in order; base64 of it is the LINEAR \
     checksum of CompleteSnapshot; without_zero is right only for volumes that are not encrypted",
    "merkle_root is that of RFC 9162, 2.1.1, over the raw digests of all blocks as leaves",
    "sha256 is that of the whole image",
];

// The fields of the structures below are in the order of their names, which makes the keys of the text sorted.

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    block_size: u64,
    blocks: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    cleaned: Vec<Cleaned>,
    disk: DiskText,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    documents: BTreeMap<String, String>,
    ebs: EbsText,
    image: ImageText,
    inputs: Vec<InputText>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    leaks_allowed: Vec<AllowedLeak>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lock_sha256: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    measurements: Option<MeasurementsJson>,
    merkle_root: String,
    notes: Vec<String>,
    partitions: Vec<PartitionText>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pcr_policy: Option<PcrPolicyRecord>,
    /// How earlier versions named keys; read only.
    #[serde(default, skip_serializing)]
    private_keys: Vec<String>,
    recipe_sha256: String,
    schema: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    secrets: Vec<Secret>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    secrets_unknown: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    secure_boot: Option<SecureBootRecord>,
    sha256: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    skipped: Vec<String>,
    tool: ToolText,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    verity: Vec<VerityText>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DiskText {
    guid: String,
    size: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PartitionText {
    #[serde(skip_serializing_if = "Option::is_none")]
    file_system: Option<String>,
    guid: String,
    id: String,
    label: String,
    len: u64,
    number: u32,
    start: u64,
    type_guid: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    uuid: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EbsText {
    without_free: AggregateText,
    without_zero: AggregateText,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AggregateText {
    blocks: u64,
    sha256: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ImageText {
    arch: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    boot_mode: Option<String>,
    epoch: i64,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct InputText {
    kind: String,
    name: String,
    sha256: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ToolText {
    name: String,
    version: String,
}

/// Only the version, read before anything else so that a newer text is named as one.
#[derive(Deserialize)]
struct SchemaText {
    schema: u64,
}

impl Manifest {
    /// The text, ending in a line break.
    pub fn to_text(&self) -> String {
        // Plain structures of strings and numbers cannot fail to become JSON.
        let mut text = serde_json::to_string_pretty(&self.as_text()).unwrap_or_default();
        text.push('\n');
        text
    }

    /// Reads a text.
    ///
    /// # Errors
    /// [`ManifestError`].
    pub fn parse(text: &[u8]) -> Result<Self, ManifestError> {
        if text.len() as u64 > TEXT_MAX {
            return Err(ManifestError::TooLong { len: text.len() as u64 });
        }
        let SchemaText { schema } = serde_json::from_slice(text).map_err(ManifestError::Json)?;
        if schema != SCHEMA {
            return Err(ManifestError::Schema { found: schema });
        }
        serde_json::from_slice::<Text>(text).map_err(ManifestError::Json)?.into_manifest()
    }

    fn as_text(&self) -> Text {
        let (origin, documents) = (&self.origin, self.documents.iter());
        Text {
            block_size: BLOCK,
            blocks: write_blocks(&self.blocks),
            cleaned: origin.cleaned.clone(),
            disk: DiskText { guid: self.disk.to_string(), size: self.size },
            documents: documents.map(|(name, sha256)| (name.clone(), sha256.to_string())).collect(),
            ebs: EbsText { without_free: self.without_free.into(), without_zero: self.without_zero.into() },
            image: ImageText {
                arch: origin.arch.clone(),
                boot_mode: origin.boot_mode.clone(),
                epoch: origin.epoch,
                name: origin.name.clone(),
                version: origin.version.clone(),
            },
            inputs: origin.inputs.iter().map(InputText::from).collect(),
            leaks_allowed: origin.leaks_allowed.clone(),
            lock_sha256: origin.lock.map(|digest| digest.to_string()),
            measurements: origin.measurements.as_ref().map(MeasurementsJson::from),
            merkle_root: self.merkle_root.to_string(),
            notes: NOTES.map(str::to_owned).to_vec(),
            partitions: self.partitions.iter().map(PartitionText::from).collect(),
            pcr_policy: self.pcr_policy.clone(),
            private_keys: Vec::new(),
            recipe_sha256: origin.recipe.to_string(),
            schema: SCHEMA,
            secrets: origin.secrets.clone(),
            secrets_unknown: origin.secrets_unknown.clone(),
            secure_boot: self.secure_boot.clone(),
            sha256: self.plain.to_string(),
            skipped: origin.skipped.clone(),
            tool: ToolText { name: "amiforge".to_owned(), version: self.tool.clone() },
            verity: self.verity.iter().map(VerityText::from).collect(),
        }
    }
}

impl Text {
    fn into_manifest(self) -> Result<Manifest, ManifestError> {
        if self.block_size != BLOCK {
            return Err(wrong("block_size", &self.block_size.to_string(), "524288"));
        }
        if self.disk.size > SIZE_MAX {
            return Err(wrong("disk.size", &self.disk.size.to_string(), "at most 64 TiB"));
        }
        let inputs = self.inputs.into_iter().map(InputText::into_input);
        let keys = self.private_keys.into_iter();
        let keys = keys.map(|path| Secret { allowed: None, path, what: vec!["private-key".to_owned()] });
        let partitions = self.partitions.into_iter().map(PartitionText::into_partition);
        let documents = self.documents.into_iter();
        let documents = documents.map(|(name, text)| digest("documents", &text).map(|sha256| (name, sha256)));
        Ok(Manifest {
            tool: self.tool.version,
            origin: ImageOrigin {
                name: self.image.name,
                version: self.image.version,
                arch: self.image.arch,
                epoch: self.image.epoch,
                boot_mode: self.image.boot_mode,
                recipe: digest("recipe_sha256", &self.recipe_sha256)?,
                lock: self.lock_sha256.map(|text| digest("lock_sha256", &text)).transpose()?,
                inputs: inputs.collect::<Result<_, _>>()?,
                cleaned: self.cleaned,
                secrets: self.secrets.into_iter().chain(keys).collect(),
                secrets_unknown: self.secrets_unknown,
                leaks_allowed: self.leaks_allowed,
                skipped: self.skipped,
                measurements: self.measurements.map(measurements).transpose()?,
            },
            size: self.disk.size,
            disk: guid("disk.guid", &self.disk.guid)?,
            partitions: partitions.collect::<Result<_, _>>()?,
            documents: documents.collect::<Result<_, _>>()?,
            secure_boot: self.secure_boot,
            pcr_policy: self.pcr_policy,
            blocks: read_blocks(&self.blocks, self.disk.size)?,
            plain: digest("sha256", &self.sha256)?,
            merkle_root: digest("merkle_root", &self.merkle_root)?,
            without_free: self.ebs.without_free.into_aggregate("ebs.without_free.sha256")?,
            without_zero: self.ebs.without_zero.into_aggregate("ebs.without_zero.sha256")?,
            verity: self.verity.into_iter().map(VerityText::into_layout).collect::<Result<_, _>>()?,
        })
    }
}

fn measurements(text: MeasurementsJson) -> Result<Measurements, ManifestError> {
    text.into_measurements().map_err(|error| wrong(&error.key, &error.value, error.rule))
}

impl From<&ManifestPartition> for PartitionText {
    fn from(partition: &ManifestPartition) -> Self {
        Self {
            file_system: partition.file_system.clone(),
            guid: partition.guid.to_string(),
            id: partition.id.clone(),
            label: partition.label.clone(),
            number: partition.number,
            len: partition.len,
            start: partition.start,
            type_guid: partition.type_guid.to_string(),
            uuid: partition.uuid.clone(),
        }
    }
}

impl PartitionText {
    fn into_partition(self) -> Result<ManifestPartition, ManifestError> {
        Ok(ManifestPartition {
            type_guid: guid("partitions.type_guid", &self.type_guid)?,
            guid: guid("partitions.guid", &self.guid)?,
            id: self.id,
            number: self.number,
            start: self.start,
            len: self.len,
            label: self.label,
            file_system: self.file_system,
            uuid: self.uuid,
        })
    }
}

impl From<Aggregate> for AggregateText {
    fn from(aggregate: Aggregate) -> Self {
        Self { blocks: aggregate.blocks, sha256: aggregate.sha256.to_string() }
    }
}

impl AggregateText {
    fn into_aggregate(self, key: &str) -> Result<Aggregate, ManifestError> {
        Ok(Aggregate { blocks: self.blocks, sha256: digest(key, &self.sha256)? })
    }
}

impl From<&ManifestInput> for InputText {
    fn from(input: &ManifestInput) -> Self {
        Self {
            kind: input.kind.clone(),
            name: input.name.clone(),
            sha256: input.sha256.map(|digest| digest.to_string()),
        }
    }
}

impl InputText {
    fn into_input(self) -> Result<ManifestInput, ManifestError> {
        let sha256 = self.sha256.map(|text| digest("inputs.sha256", &text)).transpose()?;
        Ok(ManifestInput { kind: self.kind, name: self.name, sha256 })
    }
}

#[cfg(test)]
mod tests;
