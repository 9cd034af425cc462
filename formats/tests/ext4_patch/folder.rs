//! Trees written to folders and read back, so that mke2fs and the kernel make bases and judge what became of them.

use std::ffi::{CString, OsStr};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown, lchown, symlink};
use std::path::Path;
use std::sync::Arc;

use amiforge_formats::plan::Sources;
use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, Meta, Name, Node, NodeId, NodeKind, Tree};
use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps, XattrFlags};

/// Writes a tree into a folder that exists: contents, links, devices, owners, modes, times, attributes. Needs root.
pub(crate) fn write(tree: &Tree, sources: &dyn Sources, folder: &Path) {
    let mut first: std::collections::HashMap<NodeId, std::path::PathBuf> = std::collections::HashMap::new();
    for entry in tree.walk() {
        let path = folder.join(OsStr::from_bytes(&entry.path));
        if let Some(known) = first.get(&entry.id) {
            fs::hard_link(known, &path).unwrap();
            continue;
        }
        first.insert(entry.id, path.clone());
        create(&tree.node(entry.id).kind, sources, &path, entry.path.is_empty());
        set_attributes(&tree.node(entry.id).meta, &path);
    }
    // Times last, and those of directories after what is in them.
    let entries: Vec<_> = tree.walk().collect();
    for entry in entries.iter().rev() {
        let meta = &tree.node(entry.id).meta;
        let time = Timespec { tv_sec: meta.mtime.secs, tv_nsec: meta.mtime.nanos.into() };
        let times = Timestamps { last_access: time, last_modification: time };
        let path = folder.join(OsStr::from_bytes(&entry.path));
        rustix::fs::utimensat(CWD, &path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
    }
}

fn create(kind: &NodeKind, sources: &dyn Sources, path: &Path, is_root: bool) {
    let node =
        |kind, device| rustix::fs::mknodat(CWD, path, kind, Mode::from_raw_mode(0o600), device).unwrap();
    match kind {
        NodeKind::Dir(_) if is_root || path.is_dir() => {}
        NodeKind::Dir(_) => fs::create_dir(path).unwrap(),
        NodeKind::File(content) => {
            let file = fs::File::create(path).unwrap();
            file.set_len(content.len()).unwrap();
            for segment in content.segments() {
                let mut bytes = vec![0; segment.len as usize];
                content.read_at(sources, segment.offset, &mut bytes).unwrap();
                std::os::unix::fs::FileExt::write_all_at(&file, &bytes, segment.offset).unwrap();
            }
        }
        NodeKind::Symlink(target) => symlink(OsStr::from_bytes(target), path).unwrap(),
        NodeKind::CharDevice { major, minor } => {
            node(FileType::CharacterDevice, rustix::fs::makedev(*major, *minor));
        }
        NodeKind::BlockDevice { major, minor } => {
            node(FileType::BlockDevice, rustix::fs::makedev(*major, *minor));
        }
        NodeKind::Fifo => node(FileType::Fifo, 0),
        NodeKind::Socket => node(FileType::Socket, 0),
    }
}

fn set_attributes(meta: &Meta, path: &Path) {
    let is_link = path.symlink_metadata().unwrap().is_symlink();
    lchown(path, Some(meta.uid), Some(meta.gid)).unwrap();
    if !is_link {
        chown(path, Some(meta.uid), Some(meta.gid)).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(meta.mode.into())).unwrap();
    }
    for (name, value) in meta.xattrs.iter().flat_map(|xattrs| xattrs.iter()) {
        let name = CString::new(name.to_vec()).unwrap();
        rustix::fs::lsetxattr(path, name.as_c_str(), value, XattrFlags::empty()).unwrap();
    }
}

/// Reads a folder into a tree; contents are held in memory.
pub(crate) fn read(folder: &Path) -> Tree {
    let mut tree = Tree::new(meta(folder));
    let mut known = std::collections::HashMap::new();
    let mut pending = vec![(folder.to_owned(), tree.root())];
    while let Some((path, dir)) = pending.pop() {
        let mut entries: Vec<_> = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()).collect();
        entries.sort();
        for path in entries {
            let name = Name::new(path.file_name().unwrap().as_bytes()).unwrap();
            let status = path.symlink_metadata().unwrap();
            if let Some(node) = known.get(&status.ino()) {
                tree.link(dir, name, *node).unwrap();
                continue;
            }
            let id = tree.add(dir, name, Node { meta: meta(&path), kind: kind(&path, &status) }).unwrap();
            known.insert(status.ino(), id);
            if status.is_dir() {
                pending.push((path, id));
            }
        }
    }
    tree
}

fn kind(path: &Path, status: &fs::Metadata) -> NodeKind {
    let (major, minor) = (rustix::fs::major(status.rdev()), rustix::fs::minor(status.rdev()));
    let file_type = status.file_type();
    if file_type.is_dir() {
        NodeKind::dir()
    } else if file_type.is_symlink() {
        NodeKind::Symlink(fs::read_link(path).unwrap().as_os_str().as_bytes().into())
    } else if file_type.is_char_device() {
        NodeKind::CharDevice { major, minor }
    } else if file_type.is_block_device() {
        NodeKind::BlockDevice { major, minor }
    } else if file_type.is_fifo() {
        NodeKind::Fifo
    } else if file_type.is_socket() {
        NodeKind::Socket
    } else {
        NodeKind::File(Content::Inline(Arc::from(fs::read(path).unwrap())))
    }
}

fn meta(path: &Path) -> Meta {
    let status = path.symlink_metadata().unwrap();
    let mut names = vec![0; 65536];
    let len = rustix::fs::llistxattr(path, &mut names[..]).unwrap();
    let mut xattrs = amiforge_formats::tree::Xattrs::new();
    for name in names[..len].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let mut value = vec![0; 65536];
        let key = CString::new(name).unwrap();
        let len = rustix::fs::lgetxattr(path, key.as_c_str(), &mut value[..]).unwrap();
        xattrs.insert(name.into(), value[..len].into());
    }
    Meta {
        mode: (status.mode() & 0o7777) as u16,
        uid: status.uid(),
        gid: status.gid(),
        mtime: Time { secs: status.mtime(), nanos: status.mtime_nsec() as u32 },
        xattrs: (!xattrs.is_empty()).then(|| Box::new(xattrs)),
    }
}
