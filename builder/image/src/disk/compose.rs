//! What stands in a partition: its least length, and its plan once the length is known.

use amiforge_formats::ext4::write::Ext4Draft;
use amiforge_formats::guid::Guid;
use amiforge_formats::plan::{Claims, Data, Plan};
use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, Origin};
use amiforge_formats::{bios, ext4, fat, gpt, swap};

use super::place::{DiskRange, MIB};
use super::{ContentError, Loader, PartitionContent, PartitionSize, PartitionSpec, ids};

/// The parts of the specification that contents are made with.
#[derive(Debug, Clone, Copy)]
pub(super) struct ContentParts<'a> {
    pub(super) name: &'a str,
    pub(super) time: Time,
}

/// A partition's plan and what the manifest says of it.
#[derive(Debug)]
pub(super) struct Composed {
    pub(super) plan: Plan,
    pub(super) file_system: Option<&'static str>,
    pub(super) uuid: Option<String>,
    /// What the protective MBR holds to start what stands here.
    pub(super) code: Option<[u8; gpt::write::BOOT_CODE]>,
}

impl Composed {
    fn plain(plan: Plan) -> Self {
        Self { plan, file_system: None, uuid: None, code: None }
    }

    fn formatted(plan: Plan, file_system: &'static str, uuid: String) -> Self {
        Self { plan, file_system: Some(file_system), uuid: Some(uuid), code: None }
    }
}

/// A partition with the length that it asks for.
#[derive(Debug)]
pub(super) struct SizedPartition<'a> {
    pub(super) len: u64,
    /// What was learned of an ext4 tree when it was measured.
    pub(super) draft: Option<Ext4Draft<'a>>,
}

impl SizedPartition<'_> {
    fn plain(len: u64) -> Self {
        Self { len, draft: None }
    }
}

/// The length that a partition asks for. A fill asks for one MiB where the disk has a size of its own, so that what its
/// content lacks is told as the partition's fault and not the disk's.
pub(super) fn wanted<'a>(
    image: ContentParts,
    partition: &'a PartitionSpec,
    exact_disk: bool,
) -> Result<SizedPartition<'a>, ContentError> {
    match partition.size {
        PartitionSize::Exact(len) => Ok(SizedPartition::plain(len)),
        PartitionSize::Fill if exact_disk => Ok(SizedPartition::plain(MIB)),
        PartitionSize::Fill => minimal(image, partition, 0),
        PartitionSize::Minimal { slack } => minimal(image, partition, slack),
    }
}

/// The least length of a partition with so many bytes of free space, never zero.
fn minimal<'a>(
    image: ContentParts,
    partition: &'a PartitionSpec,
    slack: u64,
) -> Result<SizedPartition<'a>, ContentError> {
    let mut draft = None;
    let len = match &partition.content {
        PartitionContent::Empty | PartitionContent::Swap { .. } => slack,
        PartitionContent::Raw(content) => content.len().saturating_add(slack),
        PartitionContent::Loader(loader) => loader.len().saturating_add(slack),
        PartitionContent::Fat32 { tree, .. } => {
            let start = DiskRange { start: 0, len: 0 };
            fat::write::minimal_len(tree, &fat_options(image, partition, start), slack)?
        }
        PartitionContent::Ext4 { tree, .. } => {
            draft.insert(Ext4Draft::new(tree, &ext4_options(image, partition))?).minimal_len(slack)?
        }
    };
    Ok(SizedPartition { len: len.max(MIB), draft })
}

/// Plans what stands in a partition, from its draft where there is one.
pub(super) fn compose(
    image: ContentParts,
    partition: &PartitionSpec,
    draft: Option<Ext4Draft<'_>>,
    stretch: DiskRange,
) -> Result<Composed, ContentError> {
    match &partition.content {
        PartitionContent::Empty => Ok(Composed::plain(bytes(&Content::empty(), stretch.len, &Data::Free)?)),
        PartitionContent::Raw(content) => Ok(Composed::plain(bytes(content, stretch.len, &Data::Zero)?)),
        PartitionContent::Loader(loader) => self::loader(loader, stretch),
        PartitionContent::Fat32 { tree, .. } => {
            let options = fat_options(image, partition, stretch);
            let plan = fat::write::plan(tree, &options, stretch.len)?;
            Ok(Composed::formatted(plan, "fat32", fat::id_text(options.volume_id)))
        }
        PartitionContent::Ext4 { tree, .. } => {
            let options = ext4_options(image, partition);
            let draft = draft.map_or_else(|| Ext4Draft::new(tree, &options), Ok)?;
            let plan = draft.plan(stretch.len)?;
            Ok(Composed::formatted(plan, "ext4", options.uuid.to_string()))
        }
        PartitionContent::Swap { uuid, label } => {
            let uuid = uuid.unwrap_or_else(|| ids::file_system_uuid(image.name, &partition.id));
            let plan = swap::plan(uuid, label, stretch.len)?;
            Ok(Composed::formatted(plan, "swap", uuid.to_string()))
        }
    }
}

/// What a FAT32 volume at that place should be.
fn fat_options(image: ContentParts, partition: &PartitionSpec, stretch: DiskRange) -> fat::write::FatOptions {
    let (label, volume_id) = match &partition.content {
        PartitionContent::Fat32 { label, volume_id, .. } => (label.clone(), *volume_id),
        _ => (String::new(), None),
    };
    fat::write::FatOptions {
        volume_id: volume_id.unwrap_or_else(|| ids::volume_id(image.name, &partition.id)),
        label,
        time: image.time,
        // The field cannot say more, and no reader of a partitioned disk believes it.
        hidden_sectors: u32::try_from(stretch.start / gpt::SECTOR).unwrap_or(0),
    }
}

/// What an ext4 file system should be.
fn ext4_options(image: ContentParts, partition: &PartitionSpec) -> ext4::write::Ext4Options {
    let derived: Guid = ids::file_system_uuid(image.name, &partition.id);
    let (uuid, label, journal, reserved) = match &partition.content {
        PartitionContent::Ext4 { uuid, label, journal, reserved, .. } => {
            (uuid.unwrap_or(derived), label.clone(), *journal, *reserved)
        }
        _ => (derived, String::new(), ext4::write::JournalSize::Auto, 0),
    };
    let hash_seed = ids::hash_seed(image.name, &partition.id);
    ext4::write::Ext4Options { uuid, hash_seed, label, time: image.time, journal, reserved }
}

/// The loader for a legacy BIOS, at that place of the disk.
fn loader(loader: &Loader, stretch: DiskRange) -> Result<Composed, ContentError> {
    let Loader { kernel, head, initrd, cmdline } = loader;
    let boot = bios::load(stretch.start / gpt::SECTOR, kernel, head, initrd.as_ref(), cmdline)?;
    let plan = bytes(&boot.content, stretch.len, &Data::Free)?;
    Ok(Composed { code: Some(boot.mbr), ..Composed::plain(plan) })
}

/// Bytes as they are, then what the rest is.
fn bytes(content: &Content, len: u64, rest: &Data) -> Result<Plan, ContentError> {
    if content.len() > len {
        return Err(ContentError::NoSpace { needed: content.len(), available: len });
    }
    let mut claims = Claims::new(len);
    let mut end = 0;
    for segment in content.segments() {
        let data = match segment.origin {
            Origin::Inline { bytes, at } => Data::Bytes { bytes, at },
            Origin::Slice { source, at } => Data::Slice { source, at },
        };
        // A hole reads as zero.
        claims.claim(end, segment.offset - end, Data::Zero);
        claims.claim(segment.offset, segment.len, data);
        end = segment.offset + segment.len;
    }
    claims.claim(end, content.len() - end, Data::Zero);
    Ok(claims.finish(rest)?)
}
