//! The files of an image as its system sees them: every volume that can be read, below the folder where fstab(5) mounts
//! it; and the partitions that cannot be read.

use std::collections::BTreeMap;
use std::io;

use amiforge_formats::plan::{SourceId, Sources};
use amiforge_formats::read_at::{ReadAt as _, Window};
use amiforge_formats::residue::VolumeOnDisk;
use amiforge_formats::time::Time;
use amiforge_formats::tree::{NodeId, NodeKind, Tree};
use amiforge_formats::volume::FsKind;
use amiforge_formats::volume::format::ReadVolume;
use amiforge_image::inspect::{DiskView, Medium, PartitionSlot};
use amiforge_rootfs::insert::insert_subtree;

/// Longest text that is read of the system's settings.
const TEXT_MAX: u64 = 1 << 20;

/// The bytes of the volumes, by the number of the volume.
#[derive(Debug, Default)]
pub(crate) struct VolumeBytes<'a> {
    windows: Vec<Option<Window<&'a Medium>>>,
}

impl Sources for VolumeBytes<'_> {
    fn read_exact_at(&self, source: SourceId, at: u64, buf: &mut [u8]) -> io::Result<()> {
        let window = self.windows.get(source.0 as usize).copied().flatten();
        window.ok_or(io::ErrorKind::UnexpectedEof)?.read_exact_at(at, buf)
    }
}

/// Files with one root.
#[derive(Debug)]
pub(crate) struct ImageSystemTree {
    /// Before each path, for people: `/`, or the partition of files that are mounted nowhere.
    pub(crate) prefix: String,
    /// The files.
    pub(crate) tree: Tree,
}

/// The files of an image.
#[derive(Debug)]
pub(crate) struct ImageSystem<'a> {
    /// The system first, if there is one, then volumes that it does not mount.
    pub(crate) trees: Vec<ImageSystemTree>,
    pub(crate) bytes: VolumeBytes<'a>,
    /// Partitions whose files are not known, and why.
    pub(crate) unread: Vec<String>,
}

/// A volume with files.
struct SystemVolume {
    slot: PartitionSlot,
    read: ReadVolume,
    tree: Tree,
}

impl<'a> ImageSystem<'a> {
    /// The files of a disk's partitions: of the volumes that its survey has read, and of those of which it could not say what
    /// is below the files.
    pub(crate) fn of(medium: &'a Medium, view: DiskView, surveyed: Vec<VolumeOnDisk>) -> Self {
        // Contents are slices of the volume of this number.
        let window = |volume: &VolumeOnDisk| Window::new(medium, volume.start, volume.len);
        let mut windows: Vec<_> = surveyed.iter().map(window).collect();
        let mut surveyed: BTreeMap<u64, VolumeOnDisk> =
            surveyed.into_iter().map(|volume| (volume.start, volume)).collect();
        let (mut volumes, mut unread) = (Vec::new(), Vec::new());
        for slot in view.slots {
            let Some(kind) = slot.content.kind() else { continue };
            let Some(window) = slot.window(medium) else {
                unread.push(format!("{} reaches past the end of the disk", slot.title()));
                continue;
            };
            let known = surveyed.remove(&slot.start).filter(|volume| volume.len == slot.len);
            let read = if let Some(volume) = known {
                Ok(volume.read)
            } else {
                windows.push(Some(window));
                kind.format().read(&window, SourceId(windows.len() as u32 - 1))
            };
            match read {
                Ok(mut read) => {
                    if let Some(tree) = read.tree.take() {
                        volumes.push(SystemVolume { slot, read, tree });
                    }
                }
                Err(error) => unread.push(format!("the files of {} cannot be read: {error}", slot.title())),
            }
        }
        let bytes = VolumeBytes { windows };
        Self { trees: mounted(volumes, &bytes), bytes, unread }
    }
}

/// The volumes below their mount points.
fn mounted(mut volumes: Vec<SystemVolume>, bytes: &VolumeBytes<'_>) -> Vec<ImageSystemTree> {
    let is_root = |volume: &SystemVolume| {
        let has = |path: &[u8]| volume.tree.lookup(path).is_some();
        has(b"etc") && (has(b"usr") || has(b"bin"))
    };
    // An image with no system has one volume with files all the same, beside the one that firmware reads.
    let holds_files = |volume: &SystemVolume| volume.slot.content.kind() != Some(FsKind::Fat);
    let only = |volumes: &[SystemVolume]| {
        let mut with_files = (0..volumes.len()).filter(|at| holds_files(&volumes[*at]));
        with_files.next().filter(|_| with_files.next().is_none())
    };
    let Some(root) = volumes.iter().position(is_root).or_else(|| only(&volumes)) else {
        return volumes.into_iter().map(SystemVolume::apart).collect();
    };
    let mut system = volumes.remove(root).tree;
    let fstab = read_text(&system, b"etc/fstab", bytes).unwrap_or_default();
    let mut apart = Vec::new();
    for volume in volumes {
        let point = mount_points(&fstab).find(|(device, _)| volume.is_device(device)).map(|(_, point)| point);
        let Some(point) = point.filter(|point| !point.is_empty()) else {
            apart.push(volume.apart());
            continue;
        };
        // Where files are below the mount point already, those of the volume keep a tree of their own.
        let hidden = system
            .lookup(&point)
            .and_then(|id| system.entries(id))
            .is_some_and(|entries| !entries.is_empty());
        if hidden
            || insert_subtree(&volume.tree, volume.tree.root(), &mut system, &point, Time::EPOCH).is_err()
        {
            apart.push(volume.apart());
        }
    }
    let mut trees = vec![ImageSystemTree { prefix: "/".to_owned(), tree: system }];
    trees.append(&mut apart);
    trees
}

/// Devices and mount points of an fstab, these without `/` at either end.
fn mount_points(fstab: &[u8]) -> impl Iterator<Item = (String, Vec<u8>)> + '_ {
    fstab.split(|byte| *byte == b'\n').filter_map(|line| {
        let line = String::from_utf8_lossy(line);
        let mut fields = line.split_whitespace();
        let (device, point) = (fields.next()?, fields.next()?);
        let absolute = !device.starts_with('#') && point.starts_with('/');
        absolute.then(|| (device.to_owned(), point.trim_matches('/').as_bytes().to_vec()))
    })
}

impl SystemVolume {
    /// The volume as one that the system does not mount.
    fn apart(self) -> ImageSystemTree {
        let prefix = match self.slot.partition {
            Some(_) => format!("{}:/", self.slot.title()),
            None => "/".to_owned(),
        };
        ImageSystemTree { prefix, tree: self.tree }
    }

    /// Whether a device of fstab is this partition: by GUID, UUID or label.
    fn is_device(&self, device: &str) -> bool {
        let by_link = device.strip_prefix("/dev/disk/by-").and_then(|rest| rest.split_once('/'));
        let Some((key, value)) = device.split_once('=').or(by_link) else { return false };
        let value = value.trim_matches('"');
        let is = |known: &str| known.eq_ignore_ascii_case(value);
        let partition = self.slot.partition.as_ref();
        match key.to_ascii_uppercase().as_str() {
            "UUID" => self.read.id.as_deref().is_some_and(is),
            "LABEL" => self.read.label == value.as_bytes(),
            "PARTUUID" => partition.is_some_and(|partition| is(&partition.guid.to_string())),
            "PARTLABEL" => partition.is_some_and(|partition| partition.name == value),
            _ => false,
        }
    }
}

/// The bytes of a short file of a tree.
pub(crate) fn read_text(tree: &Tree, path: &[u8], sources: &dyn Sources) -> Option<Vec<u8>> {
    let id: NodeId = tree.lookup(path)?;
    let NodeKind::File(content) = &tree.node(id).kind else { return None };
    let len = usize::try_from(content.len().min(TEXT_MAX)).ok()?;
    let mut bytes = vec![0; len];
    content.read_at(sources, 0, &mut bytes).ok()?;
    Some(bytes)
}
