//! Why the blocks of an image differ from another's: what an update of its snapshot sends, and for what.
//!
//! Looks at each page that differs, by what it is in the second image. Content is new where its file has other bytes there
//! in the first image, or none; else it is only elsewhere.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::Path;

use amiforge_formats::digest::BLOCK;
use amiforge_formats::ext4::read::BlockMapping;
use amiforge_formats::read_at::ReadAt;
use amiforge_formats::volume::{FsKind, VolumeContent};
use serde::Serialize;

use super::equal_ranges::{PAGE, PairedRange};
use super::erofs::{ErofsPages, PageContent};
use super::ext4::{Ext4Side, Role, Roles};
use super::images::RangeBytes;
use super::{DiffError, DiffOptions, compared, manifests, name, open};
use crate::inspect::{DiskView, Medium, PartitionSlot};

/// What a block that differs holds of what differs; of several the first counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BlockCause {
    /// Content that its file does not have in the first image.
    NewContent,
    /// Content of a file that is elsewhere in the first image.
    MovedContent,
    /// Directories, and the extents and attributes of files.
    Directories,
    /// Inodes.
    Inodes,
    /// The superblock, descriptors of groups, and bitmaps.
    Maps,
    /// Hashes of a verified partition whose data differs.
    HashTree,
    /// Nothing: only what the first image has there is gone.
    Removed,
    /// Bytes of a partition whose files are not looked at, or of none.
    Bytes,
}

/// The blocks of a partition with one cause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CauseCount {
    /// The partition by number and name; none for bytes of no partition.
    pub partition: Option<String>,
    /// The cause.
    pub cause: BlockCause,
    /// How many blocks of 512 KiB.
    pub blocks: u64,
}

/// The blocks that differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BlockReport {
    /// How the user named the first image.
    pub a: String,
    /// How the user named the second.
    pub b: String,
    /// Whether no block differs.
    pub equal: bool,
    /// Blocks of 512 KiB that differ. Those that only become zeros are sent too: else what was deleted would be in the new
    /// snapshot.
    pub sent: u64,
    /// Files of the second image with new content.
    pub new_files: u64,
    /// Bytes of those files in whole blocks of their file system, and of all that differs in partitions whose files are not
    /// looked at.
    pub new_bytes: u64,
    /// The blocks by partition and cause.
    pub causes: Vec<CauseCount>,
}

impl BlockCause {
    fn words(self) -> &'static str {
        match self {
            Self::NewContent => "new content",
            Self::MovedContent => "moved content",
            Self::Directories => "directories",
            Self::Inodes => "inodes",
            Self::Maps => "superblock and bitmaps",
            Self::HashTree => "hash tree",
            Self::Removed => "removed content",
            Self::Bytes => "bytes",
        }
    }
}

impl BlockReport {
    /// The report as text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail, here and below.
        let _ = writeln!(
            text,
            "{} blocks of {BLOCK} bytes differ, {} bytes are new: as much as {} blocks",
            self.sent,
            self.new_bytes,
            self.new_bytes.div_ceil(BLOCK)
        );
        for count in &self.causes {
            let partition = count.partition.as_ref();
            let partition =
                partition.map_or_else(|| "no partition".to_owned(), |title| format!("partition {title}"));
            let _ = writeln!(text, "{:>8}  {partition}: {}", count.blocks, count.cause.words());
        }
        text
    }
}

/// Says for each block of the second of two images or bundles that differs from the first why it does. What is behind the
/// end of the first one counts too.
///
/// # Errors
/// [`DiffError`] when one of them cannot be read.
pub fn blocks(a: &Path, b: &Path, options: DiffOptions<'_>) -> Result<BlockReport, DiffError> {
    let names = (name(a), name(b));
    let (a, b) = (open(a)?, open(b)?);
    let view = |medium: &Medium| {
        let failed = |source| DiffError::Inspect { path: medium.path().to_owned(), source };
        DiskView::read(medium).map_err(failed)
    };
    let (view_a, view_b) = (view(&a)?, view(&b)?);
    let len = a.size().min(b.size());
    let manifests = manifests::of_bundles(&a, &b)?;
    let runs = compared((&a, &b), manifests.as_ref(), options, |comparison| {
        Ok(comparison.pages(PairedRange { a: 0, b: 0, len })?.runs(len))
    })?;
    let behind = b.data_ranges(len, b.size()).map_err(|error| DiffError::medium(&b, error))?;
    let pages = runs.into_iter().chain(behind).flat_map(|(from, to)| from / PAGE..to.div_ceil(PAGE));
    let mut of_slots: BTreeMap<Option<usize>, Vec<u64>> = BTreeMap::new();
    for page in pages.map(|page| page * PAGE) {
        let within = |slot: &PartitionSlot| slot.start <= page && page - slot.start < slot.len;
        of_slots.entry(view_b.slots.iter().position(within)).or_default().push(page);
    }
    let equal = of_slots.is_empty() && a.size() == b.size();
    let mut counting = Counting { b: &b, found: BTreeMap::new(), new_files: 0, new_bytes: 0 };
    for (index, pages) in of_slots {
        let slot = index.map(|index| &view_b.slots[index]);
        let former = slot.and_then(|slot| view_a.slots.iter().find(|former| former.start == slot.start));
        let windows = former.zip(slot).and_then(|(former, slot)| windows((&a, former), (&b, slot)));
        let volume = windows.as_ref().map(VolumePages::read).transpose()?.flatten();
        match (volume, slot) {
            (Some(volume), Some(slot)) => counting.volume((index, slot.start), volume, &pages)?,
            (None, Some(slot)) if slot.content == VolumeContent::Known(FsKind::Verity) => {
                counting.hash_tree(index, &pages)?;
            }
            _ => counting.bytes(index, &pages)?,
        }
    }
    Ok(counting.report(names, equal, &view_b))
}

/// The bytes of two partitions, and the format of both.
type Windows<'a> = (FsKind, RangeBytes<'a>, RangeBytes<'a>);

/// The bytes of two partitions that hold one format.
fn windows<'a>(
    (a, former): (&'a Medium, &PartitionSlot),
    (b, slot): (&'a Medium, &PartitionSlot),
) -> Option<Windows<'a>> {
    let VolumeContent::Known(kind) = slot.content else { return None };
    let both = (former.content == slot.content).then(|| former.window(a).zip(slot.window(b)));
    both.flatten().map(|(a, b)| (kind, a, b))
}

/// Two file systems whose pages can be explained.
enum VolumePages<'a> {
    Ext4(Box<Ext4Pages<'a>>),
    Erofs(Box<ErofsPages<'a>>),
}

impl<'a> VolumePages<'a> {
    /// Reads both; `None` for another format, or when one is damaged, so that its bytes are counted.
    fn read((kind, a, b): &'a Windows<'a>) -> Result<Option<Self>, DiffError> {
        Ok(match kind {
            FsKind::Ext4 => Ext4Pages::read(a, b)?.map(|pages| Self::Ext4(Box::new(pages))),
            FsKind::Erofs => ErofsPages::read(a, b).map(|pages| Self::Erofs(Box::new(pages))),
            _ => None,
        })
    }

    /// Why the page at an offset differs.
    fn cause(&mut self, at: u64) -> Result<BlockCause, DiffError> {
        match self {
            Self::Ext4(pages) => pages.cause(at),
            Self::Erofs(pages) => Ok(match pages.content(at)? {
                PageContent::New => BlockCause::NewContent,
                PageContent::Moved => BlockCause::MovedContent,
                PageContent::Directory => BlockCause::Directories,
                PageContent::Inode => BlockCause::Inodes,
                PageContent::Superblock => BlockCause::Maps,
                PageContent::Unused => BlockCause::Removed,
            }),
        }
    }

    /// Files with new content, and their bytes in whole blocks.
    fn new_content(&self) -> (u64, u64) {
        match self {
            Self::Ext4(pages) => pages.new_content(),
            Self::Erofs(pages) => pages.new_content(),
        }
    }
}

/// The count under way.
struct Counting<'a> {
    b: &'a Medium,
    /// The first cause of each block, with the index of its partition.
    found: BTreeMap<u64, (BlockCause, Option<usize>)>,
    new_files: u64,
    new_bytes: u64,
}

impl Counting<'_> {
    fn count(&mut self, page: u64, cause: BlockCause, index: Option<usize>) {
        let found = self.found.entry(page / BLOCK).or_insert((cause, index));
        *found = (*found).min((cause, index));
    }

    /// Counts pages, by their offsets on the disk, without looking what they are.
    fn bytes(&mut self, index: Option<usize>, pages: &[u64]) -> Result<(), DiffError> {
        for page in pages {
            let zeros = is_zero(self.b, *page, PAGE).map_err(|error| DiffError::medium(self.b, error))?;
            self.new_bytes += if zeros { 0 } else { PAGE };
            self.count(*page, if zeros { BlockCause::Removed } else { BlockCause::Bytes }, index);
        }
        Ok(())
    }

    /// Counts pages of a hash tree, which hold nothing new.
    fn hash_tree(&mut self, index: Option<usize>, pages: &[u64]) -> Result<(), DiffError> {
        for page in pages {
            let zeros = is_zero(self.b, *page, PAGE).map_err(|error| DiffError::medium(self.b, error))?;
            self.count(*page, if zeros { BlockCause::Removed } else { BlockCause::HashTree }, index);
        }
        Ok(())
    }

    /// Counts pages of a file system.
    fn volume(
        &mut self,
        (index, start): (Option<usize>, u64),
        mut volume: VolumePages<'_>,
        pages: &[u64],
    ) -> Result<(), DiffError> {
        for page in pages {
            let cause = volume.cause(page - start)?;
            self.count(*page, cause, index);
        }
        let (files, bytes) = volume.new_content();
        self.new_files += files;
        self.new_bytes += bytes;
        Ok(())
    }

    fn report(self, (a, b): (String, String), equal: bool, view: &DiskView) -> BlockReport {
        let mut counts: BTreeMap<(Option<usize>, BlockCause), u64> = BTreeMap::new();
        for (cause, index) in self.found.values() {
            *counts.entry((*index, *cause)).or_default() += 1;
        }
        let count = |((index, cause), blocks): (&(Option<usize>, BlockCause), &u64)| CauseCount {
            partition: index.map(|index| view.slots[index].title()),
            cause: *cause,
            blocks: *blocks,
        };
        BlockReport {
            a,
            b,
            equal,
            sent: counts.values().sum(),
            new_files: self.new_files,
            new_bytes: self.new_bytes,
            causes: counts.iter().map(count).collect(),
        }
    }
}

/// Whether `len` bytes at an offset are zeros, as far as there are any.
fn is_zero(medium: &Medium, at: u64, len: u64) -> io::Result<bool> {
    let len = len.min(medium.size().saturating_sub(at));
    if medium.data_ranges(at, at + len)?.is_empty() {
        return Ok(true);
    }
    let mut bytes = vec![0; len as usize];
    medium.read_exact_at(at, &mut bytes)?;
    Ok(bytes.iter().all(|byte| *byte == 0))
}

/// Two ext4 file systems, the second of which is looked at page by page.
struct Ext4Pages<'a> {
    bytes: (&'a RangeBytes<'a>, &'a RangeBytes<'a>),
    sides: (Ext4Side<'a>, Ext4Side<'a>),
    roles: Roles,
    /// The first path of each inode of the second.
    paths: BTreeMap<u32, Vec<u8>>,
    /// Files of the second by their inode, as far as pages of them were met.
    files: BTreeMap<u32, MetFile>,
}

/// A file of the second file system.
struct MetFile {
    mapping: BlockMapping,
    /// The blocks of the file with this path in the first.
    former: Option<BlockMapping>,
    len: u64,
    is_new: bool,
}

impl<'a> Ext4Pages<'a> {
    /// Reads both; `None` when one is damaged, so that its bytes are counted.
    fn read(a: &'a RangeBytes<'a>, b: &'a RangeBytes<'a>) -> Result<Option<Self>, DiffError> {
        let (Ok(side_a), Ok(side_b)) = (Ext4Side::read(a), Ext4Side::read(b)) else { return Ok(None) };
        let roles = Roles::read(&side_b)?;
        let mut paths = BTreeMap::new();
        for entry in side_b.files.tree.walk() {
            if let Some(number) = side_b.files.inode(entry.id) {
                paths.entry(number).or_insert(entry.path);
            }
        }
        let (bytes, sides) = ((a, b), (side_a, side_b));
        Ok(Some(Self { bytes, sides, roles, paths, files: BTreeMap::new() }))
    }

    /// Files with new content, and their bytes in whole blocks.
    fn new_content(&self) -> (u64, u64) {
        let new = self.files.values().filter(|file| file.is_new);
        new.fold((0, 0), |(files, bytes), file| (files + 1, bytes + file.len))
    }

    /// Why the page at an offset differs.
    fn cause(&mut self, at: u64) -> Result<BlockCause, DiffError> {
        let size = u64::from(self.sides.1.system.superblock().block_size);
        let mut cause = BlockCause::Removed;
        for number in at / size..(at + PAGE).div_ceil(size) {
            let of_block = match self.roles.of(number) {
                Role::Content(inode) => self.content(inode, number, size)?,
                Role::Directory(_) | Role::Mapping(_) | Role::Attributes(_) => BlockCause::Directories,
                Role::InodeTable(_) => BlockCause::Inodes,
                Role::Journal => BlockCause::Bytes,
                Role::Free => BlockCause::Removed,
                _ => BlockCause::Maps,
            };
            cause = cause.min(of_block);
        }
        Ok(cause)
    }

    /// Whether the block of a file is new or was elsewhere.
    fn content(&mut self, inode: u32, number: u64, size: u64) -> Result<BlockCause, DiffError> {
        if !self.files.contains_key(&inode) {
            let met = self.meet(inode)?;
            self.files.insert(inode, met);
        }
        let Some(file) = self.files.get_mut(&inode) else { return Ok(BlockCause::NewContent) };
        let runs = &file.mapping.runs;
        let run = runs.iter().find(|run| run.physical <= number && number - run.physical < run.len);
        let logical = run.map(|run| run.logical + number - run.physical);
        let former = logical.and_then(|logical| file.former.as_ref()?.find(logical));
        let read = |bytes: &RangeBytes<'_>, number: u64| -> io::Result<Vec<u8>> {
            let mut buf = vec![0; size as usize];
            bytes.read_exact_at(number * size, &mut buf)?;
            Ok(buf)
        };
        let same = match former {
            None => false,
            Some(former) => {
                let (a, b) = (read(self.bytes.0, former), read(self.bytes.1, number));
                a.map_err(DiffError::Partition)? == b.map_err(DiffError::Partition)?
            }
        };
        file.is_new |= !same;
        Ok(if same { BlockCause::MovedContent } else { BlockCause::NewContent })
    }

    fn meet(&self, inode: u32) -> Result<MetFile, DiffError> {
        let (a, b) = &self.sides;
        let read = b.system.inode(inode)?;
        let mapping = b.system.mapping(&read)?;
        let node = self.paths.get(&inode).and_then(|path| a.files.tree.lookup(path));
        let former = node.and_then(|node| a.files.inode(node)).map(|number| a.system.inode(number));
        let former = former.transpose()?.filter(|former| former.kind() == read.kind());
        let former = former.map(|former| a.system.mapping(&former)).transpose()?;
        let len = read.size.next_multiple_of(b.system.superblock().block_size.into());
        Ok(MetFile { mapping, former, len, is_new: false })
    }
}
