//! The content of a partition: its least length, and its plan once the length is known.

use amiforge_formats::guid::Guid;
use amiforge_formats::plan::{Claims, Data, Plan};
use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, Origin};
use amiforge_formats::volume::{FsKind, VolumeDraft, VolumeIds};
use amiforge_formats::{bios, gpt};

use super::MIB;
use super::ranges::DiskRange;
use super::{ContentError, DiskError, Loader, PartitionContent, PartitionSize, PartitionSpec, VolumeSpec};

/// The parts of the specification of the image that contents depend on.
#[derive(Debug, Clone, Copy)]
pub(super) struct ImageParts<'a> {
    /// Name of the image, from which ids are derived.
    pub(super) name: &'a str,
    /// Time of file systems.
    pub(super) time: Time,
}

/// The plan of a partition, and the values that the manifest gives for it.
#[derive(Debug)]
pub(super) struct PlannedContent {
    pub(super) plan: Plan,
    pub(super) file_system: Option<&'static str>,
    pub(super) uuid: Option<String>,
    /// The code that the protective MBR needs to start this content.
    pub(super) boot_code: Option<[u8; gpt::write::BOOT_CODE]>,
}

impl PlannedContent {
    fn plain(plan: Plan) -> Self {
        Self { plan, file_system: None, uuid: None, boot_code: None }
    }

    /// A hash tree.
    pub(super) fn hash_tree(plan: Plan, uuid: Guid) -> Self {
        let file_system = Some(FsKind::Verity.format().written_name());
        Self { plan, file_system, uuid: Some(uuid.to_string()), boot_code: None }
    }
}

/// The length that a partition requests.
#[derive(Debug)]
pub(super) struct SizedPartition<'a> {
    pub(super) len: u64,
    /// The draft of its volume, if the length was computed from one.
    pub(super) draft: Option<VolumeDraft<'a>>,
}

impl SizedPartition<'_> {
    fn plain(len: u64) -> Self {
        Self { len, draft: None }
    }
}

/// The length that a partition requests. A fill requests one MiB where the disk has a size of its own, so that a content
/// that does not fit is an error of the partition and not of the disk.
pub(super) fn requested_len<'a>(
    image: ImageParts,
    partition: &'a PartitionSpec,
    exact_disk: bool,
) -> Result<SizedPartition<'a>, ContentError> {
    match partition.size {
        PartitionSize::Exact(len) => Ok(SizedPartition::plain(len)),
        PartitionSize::Fill if exact_disk => Ok(SizedPartition::plain(MIB)),
        PartitionSize::Fill => minimal_len(image, partition, 0),
        PartitionSize::Minimal { slack } => minimal_len(image, partition, slack),
    }
}

/// The least length of a partition with `slack` bytes of free space, never zero.
fn minimal_len<'a>(
    image: ImageParts,
    partition: &'a PartitionSpec,
    slack: u64,
) -> Result<SizedPartition<'a>, ContentError> {
    let mut draft = None;
    let len = match &partition.content {
        PartitionContent::Empty => slack,
        PartitionContent::Raw(content) => content.len().saturating_add(slack),
        PartitionContent::Loader(loader) => loader.len().saturating_add(slack),
        // Its length follows from that of the data.
        PartitionContent::HashTree { .. } => 0,
        PartitionContent::Volume(volume) => {
            draft.insert(draft_of(image, partition, volume)?).minimal_len(slack)?
        }
    };
    Ok(SizedPartition { len: len.max(MIB), draft })
}

/// Plans what is in a partition, from its draft where there is one.
pub(super) fn compose(
    image: ImageParts,
    partition: &PartitionSpec,
    draft: Option<VolumeDraft<'_>>,
    range: DiskRange,
) -> Result<PlannedContent, DiskError> {
    let failed = |source| DiskError::Partition { id: partition.id.clone(), len: range.len, source };
    planned(image, partition, draft, range).map_err(failed)
}

fn planned(
    image: ImageParts,
    partition: &PartitionSpec,
    draft: Option<VolumeDraft<'_>>,
    range: DiskRange,
) -> Result<PlannedContent, ContentError> {
    match &partition.content {
        PartitionContent::Empty => {
            Ok(PlannedContent::plain(bytes(&Content::empty(), range.len, &Data::Free)?))
        }
        PartitionContent::Raw(content) => Ok(PlannedContent::plain(bytes(content, range.len, &Data::Zero)?)),
        PartitionContent::Loader(loader) => self::loader(loader, range),
        PartitionContent::HashTree { .. } => Err(ContentError::NotHashed),
        PartitionContent::Volume(volume) => {
            let draft = draft.map_or_else(|| draft_of(image, partition, volume), Ok)?;
            let plan = draft.plan(range.start, range.len)?;
            let ids = VolumeIds::derive(image.name, &partition.id);
            Ok(PlannedContent {
                plan,
                file_system: Some(volume.options.kind().format().written_name()),
                uuid: Some(volume.options.id(&ids)),
                boot_code: None,
            })
        }
    }
}

/// Drafts the volume of a partition.
fn draft_of<'a>(
    image: ImageParts,
    partition: &PartitionSpec,
    volume: &'a VolumeSpec,
) -> Result<VolumeDraft<'a>, ContentError> {
    let ids = VolumeIds::derive(image.name, &partition.id);
    Ok(VolumeDraft::new(&volume.options, (&volume.tree, &volume.groups), &ids, image.time)?)
}

/// The loader for a legacy BIOS, which knows its first sector on the disk.
fn loader(loader: &Loader, range: DiskRange) -> Result<PlannedContent, ContentError> {
    let Loader { kernel, head, initrd, cmdline } = loader;
    let boot = bios::load(range.start / gpt::SECTOR, kernel, head, initrd.as_ref(), cmdline)?;
    let plan = bytes(&boot.content, range.len, &Data::Free)?;
    Ok(PlannedContent { boot_code: Some(boot.mbr), ..PlannedContent::plain(plan) })
}

/// The bytes of `content`, then `rest` up to `len`.
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
