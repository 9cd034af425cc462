//! The disk: its size, its partition table and the content of each partition.

use amiforge_formats::arch::Arch;
use amiforge_formats::gpt::{self, attributes, types};
use amiforge_formats::guid::Guid;
use amiforge_formats::read_at::{ReadAt, Window};
use amiforge_formats::tree::Printable;
use amiforge_formats::volume::{VolumeContent, probe};
use serde::Serialize;

use super::{InspectError, Medium};

/// A disk, or an image that is one file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskView {
    /// Length in bytes.
    pub len: u64,
    /// The partition table, if there is one.
    pub table: Option<TableView>,
    /// The partitions by number; without a table, the whole image as the only one.
    pub slots: Vec<PartitionSlot>,
}

/// A partition table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableView {
    /// GUID of the disk.
    pub guid: Guid,
    /// Which copy was read.
    pub copy: gpt::Copy,
    /// What is wrong or odd with either copy.
    pub findings: Vec<String>,
}

/// A range of the disk that may hold a file system: a partition, or all of an image without a partition table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionSlot {
    /// Its entry in the partition table, if there is one.
    pub partition: Option<gpt::Partition>,
    /// First byte on the disk.
    pub start: u64,
    /// Length in bytes.
    pub len: u64,
    /// Its content, by its signatures.
    pub content: VolumeContent,
}

/// How a user names a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Selector<'a>(pub &'a str);

impl DiskView {
    /// Reads the partition table of an image, of which one copy has to be good, and probes the partitions. An image without
    /// a table is one slot; one with neither a good table nor a known signature, but with a GPT header, is an error.
    ///
    /// # Errors
    /// [`InspectError::Medium`], [`InspectError::Table`].
    pub fn read(medium: &Medium) -> Result<Self, InspectError> {
        let failed = |source| InspectError::Medium { path: medium.path().to_owned(), source };
        let len = medium.size();
        let reading = match gpt::read::read(medium) {
            Ok(reading) => reading,
            Err(error) => {
                let content = probe(medium).map_err(failed)?;
                let damaged = content == VolumeContent::Unknown && looks_like_a_disk(medium);
                if damaged || matches!(error, gpt::read::GptReadError::Io { .. }) {
                    return Err(InspectError::Table(error));
                }
                return Ok(Self {
                    len,
                    table: None,
                    slots: vec![PartitionSlot { partition: None, start: 0, len, content }],
                });
            }
        };
        let findings = gpt::check::check(medium).map_err(InspectError::Table)?;
        let findings = findings.iter().map(|finding| escape(&finding.to_string())).collect();
        let slots = reading.table.partitions.into_iter().map(|partition| {
            let (start, len) = (partition.first.offset(), partition.len());
            let content = match Window::new(medium, start, len) {
                Some(window) => probe(&window).map_err(failed)?,
                None => VolumeContent::Unknown,
            };
            Ok(PartitionSlot { partition: Some(partition), start, len, content })
        });
        let slots = slots.collect::<Result<_, InspectError>>()?;
        Ok(Self {
            len,
            table: Some(TableView { guid: reading.table.guid, copy: reading.copy, findings }),
            slots,
        })
    }

    /// A disk whose partition table is not read.
    pub(crate) fn without_table(len: u64) -> Self {
        Self {
            len,
            table: None,
            slots: vec![PartitionSlot { partition: None, start: 0, len, content: VolumeContent::Unknown }],
        }
    }

    /// The slot that `selector` names: by number, partition name or role; an empty one names the only slot.
    ///
    /// # Errors
    /// [`InspectError::NoPartition`], [`InspectError::Ambiguous`].
    pub fn select(&self, selector: Selector<'_>) -> Result<&PartitionSlot, InspectError> {
        let selected = selector.0;
        if let ([slot], true) = (self.slots.as_slice(), selected.is_empty()) {
            return Ok(slot);
        }
        let criteria: [&dyn Fn(&PartitionSlot) -> bool; 3] = [
            &|slot| slot.number().is_some_and(|number| number.to_string() == selected),
            &|slot| slot.partition.as_ref().is_some_and(|partition| partition.name == selected),
            &|slot| slot.role() == Some(selected),
        ];
        for criterion in criteria {
            let matching: Vec<_> = self.slots.iter().filter(|slot| criterion(slot)).collect();
            match matching.as_slice() {
                [] => {}
                [slot] => return Ok(slot),
                several => {
                    let matching = several.iter().map(|slot| slot.title()).collect::<Vec<_>>().join(", ");
                    return Err(InspectError::Ambiguous { selector: selected.to_owned(), matching });
                }
            }
        }
        let available = self.slots.iter().map(PartitionSlot::title).collect::<Vec<_>>().join(", ");
        let available = if available.is_empty() { "none".to_owned() } else { available };
        Err(InspectError::NoPartition { selector: selected.to_owned(), available })
    }
}

impl PartitionSlot {
    /// The partition's number.
    pub fn number(&self) -> Option<u32> {
        self.partition.as_ref().map(|partition| partition.number)
    }

    /// Its number and name, such as ``2 `root` ``; `the image` without a partition table.
    pub fn title(&self) -> String {
        match &self.partition {
            None => "the image".to_owned(),
            Some(partition) if partition.name.is_empty() => partition.number.to_string(),
            Some(partition) => format!("{} `{}`", partition.number, escape(&partition.name)),
        }
    }

    /// The type of the partition by its name in the Discoverable Partitions Specification, else its GUID.
    pub fn type_name(&self) -> String {
        let Some(partition) = &self.partition else { return "none".to_owned() };
        types::name(partition.type_guid).map_or_else(|| partition.type_guid.to_string(), str::to_owned)
    }

    /// The role that a recipe would give the partition: its type's name without the architecture.
    pub fn role(&self) -> Option<&'static str> {
        let type_guid = self.partition.as_ref()?.type_guid;
        if Arch::ALL.into_iter().any(|arch| arch.root_type() == type_guid) {
            return Some("root");
        }
        if Arch::ALL.into_iter().any(|arch| arch.usr_type() == type_guid) {
            return Some("usr");
        }
        types::name(type_guid).map(|name| if name == "linux-generic" { "data" } else { name })
    }

    /// The bytes of the slot; `None` when it reaches past the end of the disk.
    pub fn window<R: ReadAt>(&self, disk: R) -> Option<Window<R>> {
        Window::new(disk, self.start, self.len)
    }

    /// The slot as JSON shows it.
    pub fn json(&self) -> SlotJson {
        let partition = self.partition.as_ref();
        SlotJson {
            number: self.number(),
            name: partition.map(|partition| escape(&partition.name)),
            r#type: partition.map(|_| self.type_name()),
            type_guid: partition.map(|partition| partition.type_guid.to_string()),
            guid: partition.map(|partition| partition.guid.to_string()),
            attributes: partition
                .map(|partition| attributes::names(partition.attributes))
                .unwrap_or_default(),
            start: self.start,
            len: self.len,
            holds: self.content.name(),
        }
    }
}

/// A slot as JSON shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SlotJson {
    pub(super) number: Option<u32>,
    pub(super) name: Option<String>,
    pub(super) r#type: Option<String>,
    pub(super) type_guid: Option<String>,
    pub(super) guid: Option<String>,
    pub(super) attributes: Vec<String>,
    pub(super) start: u64,
    pub(super) len: u64,
    pub(super) holds: &'static str,
}

/// Whether sector 1 or the last one begins with the signature of a GPT header.
fn looks_like_a_disk(medium: &Medium) -> bool {
    let signature = |at: u64| {
        let mut found = [0; 8];
        medium.read_exact_at(at, &mut found).is_ok() && found == *b"EFI PART"
    };
    signature(gpt::SECTOR) || medium.size().checked_sub(gpt::SECTOR).is_some_and(signature)
}

/// A text out of an image with everything escaped that a terminal could take for a command.
pub(crate) fn escape(text: &str) -> String {
    Printable(text.as_bytes()).to_string()
}
