//! What each kind of file system says of itself.

use std::error::Error;

use amiforge_formats::ext4;
use amiforge_formats::fat;
use amiforge_formats::read_at::{ReadAt, Window};
use amiforge_formats::swap;
use amiforge_formats::time::Time;
use amiforge_formats::tree::Printable;

use super::disk::escape;
use super::volume::{ReadFileSystem, SOURCE, VolumeFacts};
use super::{Medium, Utc};

/// What the readers' errors become.
type Failed = Box<dyn Error + Send + Sync>;

/// Reads an ext4 file system with its files.
pub(super) fn ext4(window: Window<&Medium>) -> Result<ReadFileSystem, Failed> {
    let system = ext4::read::open(&window)?;
    let superblock = system.superblock();
    let block = u64::from(superblock.block_size);
    let bytes = |blocks: u64| blocks.saturating_mul(block);
    let journal = match superblock.journal_inode {
        0 => "none".to_owned(),
        inode => format!("{} bytes in inode {inode}", system.journal_len()?),
    };
    let time = |time: Time| if time == Time::EPOCH { "never".to_owned() } else { Utc(time).to_string() };
    let state = match superblock.state {
        1 => "clean".to_owned(),
        other => format!("{other:#x}"),
    };
    let more = [
        ("state", state),
        ("journal", journal),
        ("reserved", format!("{} bytes", bytes(superblock.reserved_blocks))),
        ("groups", superblock.groups().to_string()),
        ("inode size", superblock.inode_size.to_string()),
        ("created", time(superblock.mkfs_time)),
        ("last write", time(superblock.write_time)),
        ("last mount", time(superblock.mount_time)),
    ];
    let facts = VolumeFacts {
        kind: "ext4".to_owned(),
        uuid: Some(superblock.uuid.to_string()),
        label: label(&superblock.label),
        block_size: Some(block),
        size: Some(bytes(superblock.blocks)),
        free: Some(bytes(superblock.free_blocks)),
        inodes: Some(superblock.inodes.into()),
        free_inodes: Some(superblock.free_inodes.into()),
        features: superblock.features.names(),
        more: more.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        files: None,
    };
    Ok(ReadFileSystem { facts, tree: Some(system.tree(SOURCE)?) })
}

/// Reads a FAT file system with its files.
pub(super) fn fat(window: Window<&Medium>) -> Result<ReadFileSystem, Failed> {
    let volume = fat::read::read(&window, SOURCE, 0)?;
    let mut boot = [0; 512];
    window.read_exact_at(0, &mut boot)?;
    let sector = u64::from(u16::from_le_bytes([boot[11], boot[12]]));
    let facts = VolumeFacts {
        kind: match volume.width {
            fat::read::FatWidth::Fat12 => "fat12",
            fat::read::FatWidth::Fat16 => "fat16",
            fat::read::FatWidth::Fat32 => "fat32",
        }
        .to_owned(),
        uuid: Some(fat::id_text(volume.volume_id)),
        label: label(volume.label.as_bytes()),
        block_size: Some(sector * u64::from(boot[13])),
        size: Some(sector * sectors(&boot)),
        more: vec![("sector size".to_owned(), sector.to_string())],
        ..VolumeFacts::default()
    };
    Ok(ReadFileSystem { facts, tree: Some(volume.tree) })
}

/// All sectors of a FAT volume, by whichever field counts them.
fn sectors(boot: &[u8; 512]) -> u64 {
    match u16::from_le_bytes([boot[19], boot[20]]) {
        0 => u32::from_le_bytes([boot[32], boot[33], boot[34], boot[35]]).into(),
        few => few.into(),
    }
}

/// Reads a swap area.
pub(super) fn swap(window: Window<&Medium>) -> Result<ReadFileSystem, Failed> {
    let swap = swap::read(&window)?;
    let facts = VolumeFacts {
        kind: "swap".to_owned(),
        uuid: Some(swap.uuid.to_string()),
        label: (!swap.label.is_empty()).then(|| escape(&swap.label)),
        block_size: Some(swap::PAGE),
        size: Some(swap.pages.saturating_mul(swap::PAGE)),
        ..VolumeFacts::default()
    };
    Ok(ReadFileSystem { facts, tree: None })
}

/// A label, unless it is empty.
fn label(bytes: &[u8]) -> Option<String> {
    (!bytes.is_empty()).then(|| Printable(bytes).to_string())
}
