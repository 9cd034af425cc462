//! The partitions of a disk, by GPT, by MBR, or one file system without a table.

use amiforge_formats::arch::Arch;
use amiforge_formats::gpt::read::GptReadError;
use amiforge_formats::gpt::{self, types};
use amiforge_formats::guid::Guid;
use amiforge_formats::mbr;
use amiforge_formats::read_at::{ReadAt, Window};
use amiforge_formats::tree::Printable;
use amiforge_formats::volume::{VolumeContent, probe};

use super::error::DiskSourceError;

/// A range of the disk that may hold a file system.
#[derive(Debug)]
pub(super) struct DiskPart {
    /// Its number; 0 for a disk that is one file system.
    pub(super) number: u32,
    /// Its name in the GPT.
    pub(super) name: String,
    /// Its `PARTUUID`, in lower case.
    pub(super) part_uuid: Option<String>,
    /// Its type in a GPT.
    pub(super) type_guid: Option<Guid>,
    /// First byte on the disk.
    pub(super) start: u64,
    /// Length in bytes.
    pub(super) len: u64,
    /// What it holds.
    pub(super) content: VolumeContent,
}

impl DiskPart {
    /// Its name in messages.
    pub(super) fn title(&self) -> String {
        match (self.number, self.name.as_str()) {
            (0, _) => "the image".to_owned(),
            (number, "") => format!("partition {number}"),
            (number, name) => format!("partition {number} `{}`", Printable(name.as_bytes())),
        }
    }

    /// Whether its type is that of a root file system.
    pub(super) fn is_root_type(&self) -> bool {
        Arch::ALL.into_iter().any(|arch| self.type_guid == Some(arch.root_type()))
    }

    /// Whether the recipe means it by `named`: its number, its name, or the name of its type.
    pub(super) fn is_named(&self, named: &str) -> bool {
        let kind = self.type_guid.and_then(types::name);
        self.number.to_string() == named
            || (!self.name.is_empty() && self.name == named)
            || kind == Some(named)
            || (named == "root" && self.is_root_type())
    }

    /// Its bytes.
    pub(super) fn window<'a>(&self, disk: &'a dyn ReadAt) -> Result<Window<&'a dyn ReadAt>, DiskSourceError> {
        let past = || DiskSourceError::Read(std::io::ErrorKind::UnexpectedEof.into());
        Window::new(disk, self.start, self.len).ok_or_else(past)
    }
}

/// The partitions of a disk.
///
/// # Errors
/// A damaged table, or sectors that are not read.
pub(super) fn read(disk: &dyn ReadAt) -> Result<Vec<DiskPart>, DiskSourceError> {
    let error = match gpt::read::read(disk) {
        Ok(reading) => return of_gpt(disk, reading.table.partitions),
        Err(error @ GptReadError::Io { .. }) => return Err(error.into()),
        Err(error) => error,
    };
    let whole = probe(disk).map_err(DiskSourceError::Read)?;
    if whole.kind().is_none() {
        if signature(disk, 4096) {
            return Err(DiskSourceError::Sectors);
        }
        match mbr::read(disk)? {
            Some(table) if table.protective => return Err(error.into()),
            Some(table) => return of_mbr(disk, &table),
            None if signature(disk, gpt::SECTOR) => return Err(error.into()),
            None => {}
        }
    }
    let (name, len) = (String::new(), disk.size());
    Ok(vec![DiskPart { number: 0, name, part_uuid: None, type_guid: None, start: 0, len, content: whole }])
}

fn of_gpt(disk: &dyn ReadAt, partitions: Vec<gpt::Partition>) -> Result<Vec<DiskPart>, DiskSourceError> {
    let part = |partition: gpt::Partition| {
        Ok(DiskPart {
            number: partition.number,
            part_uuid: Some(partition.guid.to_string()),
            type_guid: Some(partition.type_guid),
            start: partition.first.offset(),
            len: partition.len(),
            content: content(disk, partition.first.offset(), partition.len())?,
            name: partition.name,
        })
    };
    partitions.into_iter().map(part).collect()
}

fn of_mbr(disk: &dyn ReadAt, table: &mbr::MbrTable) -> Result<Vec<DiskPart>, DiskSourceError> {
    let part = |partition: &mbr::MbrPartition| {
        Ok(DiskPart {
            number: partition.number,
            name: String::new(),
            part_uuid: Some(table.part_uuid(partition.number)),
            type_guid: None,
            start: partition.start,
            len: partition.len,
            content: content(disk, partition.start, partition.len)?,
        })
    };
    table.partitions.iter().map(part).collect()
}

/// What a range holds; a range that is not on the disk is of no known content.
fn content(disk: &dyn ReadAt, start: u64, len: u64) -> Result<VolumeContent, DiskSourceError> {
    match Window::new(disk, start, len) {
        Some(window) => probe(&window).map_err(DiskSourceError::Read),
        None => Ok(VolumeContent::Unknown),
    }
}

/// Whether a GPT header begins at byte `at`.
fn signature(disk: &dyn ReadAt, at: u64) -> bool {
    let mut found = [0; 8];
    disk.read_exact_at(at, &mut found).is_ok() && found == *b"EFI PART"
}

/// A partition for tests.
#[cfg(test)]
pub(super) fn of_test(number: u32, name: &str, part_uuid: &str, content: VolumeContent) -> DiskPart {
    let (name, part_uuid) = (name.to_owned(), Some(part_uuid.to_owned()));
    DiskPart { number, name, part_uuid, type_guid: None, start: 0, len: 0, content }
}
