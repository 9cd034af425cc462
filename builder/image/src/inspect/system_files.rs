//! Files of the operating system on a disk, read by their paths alone: the partition table, and in one file system what is on
//! the way. For a disk far away, of which every block costs a request.

use std::path::Path;

use amiforge_formats::gpt;
use amiforge_formats::read_at::{ReadAt, Window};
use amiforge_formats::volume::{VolumeContent, probe};

use super::disk::PartitionSlot;
use super::{InspectError, volume};

/// The folder that may have a partition of its own.
const USR: &str = "usr/";

/// Files of an operating system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemFiles {
    /// The partition that holds them, as [`PartitionSlot::title`] names it.
    pub partition: String,
    /// Name of its file system.
    pub file_system: &'static str,
    /// Their bytes, in the order of the paths; `None` for a file that is not there.
    pub files: Vec<Option<Vec<u8>>>,
}

/// Reads files by their paths (names joined by `/`, without a first `/`; links are not followed) from the partition that has
/// the first of them: the root, else that of `/usr`, else the first of the others. `None` where none has. `name` is that of
/// the disk in errors; a file of more than `most` bytes is refused.
///
/// # Errors
/// [`InspectError::Table`], [`InspectError::Medium`], [`InspectError::FileSystem`].
pub fn system_files(
    disk: &dyn ReadAt,
    name: &Path,
    paths: &[&str],
    most: u64,
) -> Result<Option<SystemFiles>, InspectError> {
    let mut slots = slots(disk)?;
    slots.sort_by_key(|slot| match slot.role() {
        Some("root") | None => 0,
        Some("usr") => 1,
        Some(_) => 2,
    });
    for mut slot in slots {
        let Some(window) = Window::new(disk, slot.start, slot.len) else { continue };
        let failed = |source| InspectError::Medium { path: name.to_owned(), source };
        slot.content = probe(&window).map_err(failed)?;
        if let Some(files) = read(&slot, &window, paths, most)? {
            return Ok(Some(files));
        }
    }
    Ok(None)
}

/// The partitions, not yet probed; the whole disk where it has no partition table.
fn slots(disk: &dyn ReadAt) -> Result<Vec<PartitionSlot>, InspectError> {
    let content = VolumeContent::Unknown;
    match gpt::read::read(disk) {
        Ok(reading) => {
            let partitions = reading.table.partitions.into_iter();
            Ok(partitions
                .map(|partition| PartitionSlot {
                    start: partition.first.offset(),
                    len: partition.len(),
                    partition: Some(partition),
                    content,
                })
                .collect())
        }
        Err(gpt::read::GptReadError::NoTable { .. }) => {
            Ok(vec![PartitionSlot { partition: None, start: 0, len: disk.size(), content }])
        }
        Err(error) => Err(InspectError::Table(error)),
    }
}

/// The files of a partition that has the first of them.
fn read(
    slot: &PartitionSlot,
    window: &dyn ReadAt,
    paths: &[&str],
    most: u64,
) -> Result<Option<SystemFiles>, InspectError> {
    let Some(format) = slot.content.kind().map(amiforge_formats::volume::FsKind::format) else {
        return Ok(None);
    };
    let is_usr = slot.role() == Some("usr");
    let mut files = Vec::new();
    for path in paths {
        let path = path.strip_prefix(USR).filter(|_| is_usr).unwrap_or(path);
        let file = format.file(window, path.as_bytes(), most);
        let file = file.map_err(|source| volume::damaged(slot, source))?;
        if files.is_empty() && file.is_none() {
            return Ok(None);
        }
        files.push(file);
    }
    let (partition, file_system) = (slot.title(), slot.content.name());
    Ok(Some(SystemFiles { partition, file_system, files }))
}

#[cfg(test)]
mod tests {
    use amiforge_formats::path;
    use amiforge_formats::plan::NoSources;
    use amiforge_formats::time::Time;
    use amiforge_formats::tree::{ChangeGroups, Meta, Tree};
    use amiforge_formats::volume::{VolumeDraft, VolumeIds, VolumeOptions};

    use super::*;

    fn image(entries: &[(&str, &str)]) -> Vec<u8> {
        let mut tree = Tree::new(Meta::root_owned(0o755, Time::EPOCH));
        for (name, text) in entries {
            path::write(&mut tree, name.as_bytes(), text.as_bytes(), 0o600, Time::EPOCH).unwrap();
        }
        let (groups, ids) = (ChangeGroups::default(), VolumeIds::derive("x", "root"));
        let options = VolumeOptions::Erofs { label: String::new(), uuid: None };
        let mut draft = VolumeDraft::new(&options, (&tree, &groups), &ids, Time::EPOCH).unwrap();
        let len = draft.minimal_len(0).unwrap();
        let plan = draft.plan(0, len).unwrap();
        let mut bytes = vec![0; len as usize];
        plan.read_exact_at(&NoSources, 0, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn files_are_read_where_the_first_of_them_is() {
        let disk = image(&[("/usr/lib/x/a", "one"), ("/usr/lib/x/b", "two")]);
        let paths = ["usr/lib/x/a", "usr/lib/x/none", "usr/lib/x/b"];
        let read = system_files(&disk, Path::new("disk"), &paths, 100).unwrap().unwrap();
        assert_eq!(read.files, [Some(b"one".to_vec()), None, Some(b"two".to_vec())]);
        assert_eq!((read.partition.as_str(), read.file_system), ("the image", "erofs"));
        assert_eq!(system_files(&disk, Path::new("disk"), &["usr/lib/x/none"], 100).unwrap(), None);
        assert_eq!(system_files(&vec![0; 1 << 20], Path::new("disk"), &paths, 100).unwrap(), None);
        let refused = system_files(&disk, Path::new("disk"), &paths, 2).unwrap_err();
        assert!(matches!(refused, InspectError::FileSystem { kind: "erofs", .. }), "{refused}");
    }
}
