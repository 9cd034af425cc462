//! The files of an image as the running system will see them: the root, with the other partitions mounted by its
//! fstab(5). Follows symbolic links; does not interpret any file but fstab.

use amiforge_formats::tree::{Content, NodeId, NodeKind, Tree};
use amiforge_image::inspect::{
    Contents, DiskView, InspectError, Medium, PartitionSlot, ReadFileSystem, VolumeFacts, send,
};

/// Maximum number of symbolic links in a path, as in the kernel (`path_resolution(7)`).
const LINKS_MAX: u32 = 40;

/// Maximum size of a file that is read, in bytes.
const FILE_MAX: u64 = 512 << 20;

/// Targets that are part of every start.
const WANTED_BY: [&str; 5] =
    ["multi-user.target", "sockets.target", "basic.target", "sysinit.target", "cloud-init.target"];

/// A partition whose files can be read.
#[derive(Debug)]
pub(super) struct Mounted {
    /// The partition.
    pub(super) slot: PartitionSlot,
    /// Facts of its file system.
    pub(super) facts: VolumeFacts,
    /// Its files.
    pub(super) tree: Tree,
}

/// Every partition whose files can be read.
pub(super) fn volumes(medium: &Medium, view: &DiskView) -> Result<Vec<Mounted>, InspectError> {
    let mut volumes = Vec::new();
    for slot in &view.slots {
        if let Some(ReadFileSystem { facts, tree: Some(tree) }) = ReadFileSystem::read(medium, slot)? {
            volumes.push(Mounted { slot: slot.clone(), facts, tree });
        }
    }
    Ok(volumes)
}

/// The bytes of a file of a partition; `None` if it is too long or cannot be read.
pub(super) fn bytes(medium: &Medium, volume: &Mounted, content: &Content) -> Option<Vec<u8>> {
    if content.len() > FILE_MAX {
        return None;
    }
    let mut bytes = Vec::new();
    send(content, &Contents(volume.slot.window(medium)?), &mut bytes).ok()?;
    Some(bytes)
}

/// The files of a system.
pub(super) struct SystemFiles<'a> {
    medium: &'a Medium,
    volumes: &'a [Mounted],
    /// Mount points with the index of their partition: absolute paths without a final `/`, empty for the root.
    mounts: Vec<(String, usize)>,
}

impl<'a> SystemFiles<'a> {
    /// The files of the system whose root is the partition `root` of `volumes`.
    pub(super) fn new(medium: &'a Medium, volumes: &'a [Mounted], root: usize) -> Self {
        let mut files = Self { medium, volumes, mounts: vec![(String::new(), root)] };
        let fstab = files.text("/etc/fstab").unwrap_or_default();
        for line in fstab.lines().filter(|line| !line.trim_start().starts_with('#')) {
            let mut fields = line.split_whitespace();
            let (Some(device), Some(point)) = (fields.next(), fields.next()) else { continue };
            let volume = volumes.iter().position(|volume| volume.matches_device(device));
            if let (Some(volume), Some(point)) = (volume, point.strip_suffix('/').or(Some(point)))
                && point.starts_with('/')
            {
                files.mounts.push((point.to_owned(), volume));
            }
        }
        files
    }

    /// Resolves a path, following symbolic links.
    fn find(&self, path: &str) -> Option<(&'a Mounted, NodeId)> {
        let mut rest: Vec<Vec<u8>> = names(path.as_bytes());
        let mut resolved: Vec<Vec<u8>> = Vec::new();
        let mut links = 0;
        let mut node = self.lookup(&resolved)?;
        while let Some(name) = rest.pop() {
            if name == b".." {
                resolved.pop();
                node = self.lookup(&resolved)?;
                continue;
            }
            resolved.push(name);
            node = self.lookup(&resolved)?;
            let NodeKind::Symlink(target) = &node.0.tree.node(node.1).kind else { continue };
            links += 1;
            if links > LINKS_MAX {
                return None;
            }
            resolved.pop();
            if target.starts_with(b"/") {
                resolved.clear();
            }
            rest.extend(names(target));
            node = self.lookup(&resolved)?;
        }
        Some(node)
    }

    /// Resolves a path without following symbolic links.
    fn lookup(&self, path: &[Vec<u8>]) -> Option<(&'a Mounted, NodeId)> {
        let joined = [b"/".as_slice(), &path.join(&b'/')].concat();
        let under = |point: &str| {
            let rest = joined.strip_prefix(point.as_bytes())?;
            (rest.is_empty() || rest.starts_with(b"/")).then_some(rest)
        };
        let mount = self.mounts.iter().filter(|(point, _)| under(point).is_some());
        let (point, volume) = mount.max_by_key(|(point, _)| point.len())?;
        let volume = self.volumes.get(*volume)?;
        Some((volume, volume.tree.lookup(under(point)?)?))
    }

    /// Permission bits and owner of the file at a path.
    pub(super) fn mode(&self, path: &str) -> Option<(u16, u32)> {
        let (volume, id) = self.find(path)?;
        let meta = &volume.tree.node(id).meta;
        Some((meta.mode, meta.uid))
    }

    /// Whether a path is a regular file, after symbolic links.
    pub(super) fn is_file(&self, path: &str) -> bool {
        self.find(path).is_some_and(|(volume, id)| matches!(volume.tree.node(id).kind, NodeKind::File(_)))
    }

    /// Whether a path is an executable file, after symbolic links.
    pub(super) fn is_program(&self, path: &str) -> bool {
        let mode = self.find(path).map(|(volume, id)| volume.tree.node(id).meta.mode);
        self.is_file(path) && mode.is_some_and(|mode| mode & 0o111 != 0)
    }

    /// Whether a folder has an entry of this name, a dangling symbolic link included.
    pub(super) fn is_named(&self, folder: &str, name: &str) -> bool {
        self.names(folder).iter().any(|entry| entry == name)
    }

    /// Whether one of the usual targets wants a unit (systemd.unit(5), `Wants=` by symbolic link).
    pub(super) fn is_wanted(&self, unit: &str) -> bool {
        ["/etc/systemd/system", "/usr/lib/systemd/system"].iter().any(|folder| {
            WANTED_BY.iter().any(|target| self.is_named(&format!("{folder}/{target}.wants"), unit))
        })
    }

    /// The partitions that are mounted besides the root, with their mount points.
    pub(super) fn mounted(&self) -> impl Iterator<Item = (&str, &'a Mounted)> {
        let mounts = self.mounts.iter().filter(|(point, _)| !point.is_empty());
        mounts.filter_map(|(point, volume)| Some((point.as_str(), self.volumes.get(*volume)?)))
    }

    /// The bytes of a file.
    pub(super) fn read(&self, path: &str) -> Option<Vec<u8>> {
        let (volume, id) = self.find(path)?;
        let NodeKind::File(content) = &volume.tree.node(id).kind else { return None };
        bytes(self.medium, volume, content)
    }

    /// The text of a file.
    pub(super) fn text(&self, path: &str) -> Option<String> {
        self.read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The names in a folder, sorted; empty if there is no folder.
    pub(super) fn names(&self, folder: &str) -> Vec<String> {
        let entries = self.find(folder).and_then(|(volume, id)| volume.tree.entries(id));
        let names = entries.into_iter().flat_map(|entries| entries.keys());
        names.map(|name| String::from_utf8_lossy(name.as_bytes()).into_owned()).collect()
    }
}

impl Mounted {
    /// Whether a device of fstab or of `root=` is this partition: by GUID, UUID or label.
    pub(super) fn matches_device(&self, device: &str) -> bool {
        let Some((key, value)) = device.split_once('=') else {
            return device
                .strip_prefix("/dev/disk/by-")
                .and_then(|rest| rest.split_once('/'))
                .is_some_and(|(key, value)| self.matches_device(&format!("{}={value}", key.to_uppercase())));
        };
        let value = value.trim_matches('"');
        let partition = self.slot.partition.as_ref();
        let is = |known: Option<&str>| known.is_some_and(|known| known.eq_ignore_ascii_case(value));
        match key {
            "UUID" => is(self.facts.uuid.as_deref()),
            "LABEL" => self.facts.label.as_deref() == Some(value),
            "PARTUUID" => is(partition.map(|partition| partition.guid.to_string()).as_deref()),
            "PARTLABEL" => partition.is_some_and(|partition| partition.name == value),
            _ => false,
        }
    }
}

/// The names of a path, last first.
fn names(path: &[u8]) -> Vec<Vec<u8>> {
    let names = path.split(|byte| *byte == b'/').rev();
    names.filter(|name| !name.is_empty() && *name != b".").map(<[u8]>::to_vec).collect()
}
