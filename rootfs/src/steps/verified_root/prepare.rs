//! Changes a tree so that a machine runs on it without writing the root.

use amiforge_formats::path::{self, Last, PathError};
use amiforge_formats::plan::Sources;
use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, Meta, Node, NodeKind, Tree};

use super::{DATA_PARTITION, Medium, VerifiedRootError, VerifiedRootSpec};
use crate::steps::error::StepError;
use crate::steps::probe::{has_entry, is_file};
use crate::steps::write::replace_file;

/// Folders that something is mounted on, or that exist on every machine, with their modes. Nothing can make them later.
const FOLDERS: [(&str, u16); 11] = [
    ("/dev", 0o755),
    ("/etc", 0o755),
    ("/home", 0o755),
    ("/mnt", 0o755),
    ("/proc", 0o555),
    ("/root", 0o700),
    ("/run", 0o755),
    ("/srv", 0o755),
    ("/sys", 0o555),
    ("/tmp", 0o1777),
    ("/var", 0o755),
];

/// Folders of users and services, and where they move to: what is below `/var` can be written.
const MOVED: [(&str, &str); 3] = [("/home", "var/home"), ("/root", "var/roothome"), ("/srv", "var/srv")];

/// Programs of e2fsprogs that the first program of the machine runs where there is data.
const DATA_PROGRAMS: [&str; 2] = ["/sbin/mke2fs", "/sbin/e2fsck"];

/// The unit that mounts `/tmp`, where the distribution has one, and the folders that it is looked for in.
const TMP_MOUNT: &str = "/usr/lib/systemd/system/tmp.mount";
const TMP_MOUNTS: [&str; 3] = [TMP_MOUNT, "/lib/systemd/system/tmp.mount", "/usr/share/systemd/tmp.mount"];

/// The unit of a factory reset.
const RESET: (&str, &str) = (
    "/usr/lib/systemd/system/amiforge-factory-reset.service",
    include_str!("image/amiforge-factory-reset.service"),
);

/// Makes the changes; gives warnings.
pub(super) fn prepare(
    tree: &mut Tree,
    sources: &dyn Sources,
    spec: &VerifiedRootSpec<'_>,
) -> Result<Vec<String>, StepError> {
    let prepare = |tree: &mut Tree| -> Result<Vec<String>, VerifiedRootError> {
        FOLDERS.iter().try_for_each(|(folder, mode)| ensure_folder(tree, folder, *mode, spec.time))?;
        if spec.etc == Medium::Data || spec.var == Medium::Data {
            require_data_programs(tree)?;
        }
        ensure_etc(tree, spec.time)?;
        let systemd = has_systemd(tree)?;
        if systemd {
            put_units(tree, spec)?;
        }
        move_folders(tree, spec)?;
        note_update(tree, spec.time)?;
        Ok(warnings(tree, sources, spec, systemd)?)
    };
    prepare(tree).map_err(StepError::VerifiedRoot)
}

pub(super) fn has_systemd(tree: &Tree) -> Result<bool, PathError> {
    Ok(is_file(tree, "/usr/lib/systemd/systemd")? || is_file(tree, "/lib/systemd/systemd")?)
}

fn ensure_folder(tree: &mut Tree, folder: &str, mode: u16, time: Time) -> Result<(), PathError> {
    let resolved = path::resolve_with_parents(tree, folder.as_bytes(), Last::Follow, time)?;
    match resolved.node.map(|id| &tree.node(id).kind) {
        Some(NodeKind::Dir(_)) => Ok(()),
        Some(other) => Err(PathError::NotADir { path: resolved.path, found: other.word() }),
        None => {
            let node = Node { meta: Meta::root_owned(mode, time), kind: NodeKind::dir() };
            path::put(tree, &resolved, node).map(drop)
        }
    }
}

fn require_data_programs(tree: &Tree) -> Result<(), VerifiedRootError> {
    for path in DATA_PROGRAMS {
        if !is_file(tree, path)? {
            return Err(VerifiedRootError::Needs { path, package: "e2fsprogs" });
        }
    }
    Ok(())
}

/// Files of `/etc` that programs expect or would write.
fn ensure_etc(tree: &mut Tree, time: Time) -> Result<(), PathError> {
    // Empty, so that systemd gives the machine an id for the time it runs (or keeps one that it can store), and does not take
    // every boot for the first, which the word `uninitialized` or no file would make it do (machine-id(5)).
    let empty = match path::find(tree, b"/etc/machine-id")? {
        Some(id) => matches!(&tree.node(id).kind, NodeKind::File(content) if content.is_empty()),
        None => false,
    };
    if !empty {
        replace_file(tree, "/etc/machine-id", Content::empty(), 0o444, time)?;
    }
    if !has_entry(tree, "/etc/mtab")? {
        let at = path::resolve_with_parents(tree, b"/etc/mtab", Last::Keep, time)?;
        let kind = NodeKind::Symlink(b"../proc/self/mounts".as_slice().into());
        path::put(tree, &at, Node { meta: Meta::root_owned(0o777, time), kind })?;
    }
    Ok(())
}

/// Units for systemd: `/tmp` in memory, and the factory reset.
fn put_units(tree: &mut Tree, spec: &VerifiedRootSpec<'_>) -> Result<(), PathError> {
    let mut text = None;
    for path in TMP_MOUNTS {
        if text.is_none() && is_file(tree, path)? {
            text = path::find(tree, path.as_bytes())?.map(|id| tree.node(id).kind.clone());
        }
    }
    let content = match text {
        Some(NodeKind::File(content)) => content,
        _ => Content::Inline(include_bytes!("image/tmp.mount").as_slice().into()),
    };
    if !is_file(tree, TMP_MOUNT)? {
        replace_file(tree, TMP_MOUNT, content, 0o644, spec.time)?;
    }
    // A recipe may have one of its own, or mask it and mount something else.
    if !has_entry(tree, "/etc/systemd/system/tmp.mount")? {
        let link = b"/etc/systemd/system/local-fs.target.wants/tmp.mount";
        let at = path::resolve_with_parents(tree, link, Last::Keep, spec.time)?;
        if at.node.is_none() {
            let kind = NodeKind::Symlink(TMP_MOUNT.as_bytes().into());
            path::put(tree, &at, Node { meta: Meta::root_owned(0o777, spec.time), kind })?;
        }
    }
    if spec.etc == Medium::Data || spec.var == Medium::Data {
        replace_file(tree, RESET.0, Content::Inline(RESET.1.as_bytes().into()), 0o644, spec.time)?;
    }
    Ok(())
}

/// Moves the folders of users and services to `/var`, where that can be written.
fn move_folders(tree: &mut Tree, spec: &VerifiedRootSpec<'_>) -> Result<(), PathError> {
    if spec.var == Medium::None {
        return Ok(());
    }
    for (from, to) in MOVED {
        let below = |mount: &&str| {
            mount.strip_prefix(from).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        if spec.mounts.iter().any(below) {
            continue;
        }
        let Some(old) = path::resolve(tree, from.as_bytes(), Last::Keep)? else { continue };
        let (Some(id), Some(name)) = (old.node, old.name.clone()) else { continue };
        // A link leads elsewhere already.
        let NodeKind::Dir(entries) = &mut tree.node_mut(id).kind else { continue };
        let kind = NodeKind::Dir(std::mem::take(entries));
        let meta = tree.node(id).meta.clone();
        let new = path::resolve_with_parents(tree, format!("/{to}").as_bytes(), Last::Keep, spec.time)?;
        path::put(tree, &new, Node { meta, kind })?;
        tree.unlink(old.dir, name.as_bytes());
        let link = path::resolve_with_parents(tree, from.as_bytes(), Last::Keep, spec.time)?;
        let kind = NodeKind::Symlink(to.as_bytes().into());
        path::put(tree, &link, Node { meta: Meta::root_owned(0o777, spec.time), kind })?;
    }
    Ok(())
}

/// Notes that `/etc` and `/var` are as new as `/usr`: else systemd would do at every boot what it does after an update
/// (systemd-update-done.service(8)), such as making the caches of the linker and of hardware names.
fn note_update(tree: &mut Tree, time: Time) -> Result<(), PathError> {
    let usr = path::find(tree, b"/usr")?.map_or(time, |id| tree.node(id).meta.mtime);
    for file in ["/etc/.updated", "/var/.updated"] {
        let text = b"# As new as /usr of the image.\n".as_slice();
        replace_file(tree, file, Content::Inline(text.into()), 0o644, usr.max(time))?;
    }
    Ok(())
}

/// What the machine will not be able to do.
fn warnings(
    tree: &Tree,
    sources: &dyn Sources,
    spec: &VerifiedRootSpec<'_>,
    systemd: bool,
) -> Result<Vec<String>, PathError> {
    let mut warnings = Vec::new();
    if systemd && spec.var == Medium::None {
        warnings.push(
            "`/var` is read-only, so services that keep something there will not start; `[trust] writable = { var = \
             \"tmpfs\" }` gives them memory"
                .to_owned(),
        );
    }
    if !spec.has_data && (spec.etc == Medium::Data || spec.var == Medium::Data) {
        warnings.push(format!(
            "the disk has no data partition, so the machine starts with another volume only, on which one is named \
             `{DATA_PARTITION}`; to have it on the disk, add a `[[partition]]` of role `data` with a `size`"
        ));
    }
    if spec.etc == Medium::None {
        let written = path::resolve(tree, b"/etc/resolv.conf", Last::Keep)?.and_then(|at| at.node);
        let linked = written.is_none_or(|id| matches!(tree.node(id).kind, NodeKind::Symlink(_)));
        if !linked && path::read(tree, sources, b"/etc/resolv.conf")?.is_some_and(|text| text.is_empty()) {
            warnings.push(
                "`/etc/resolv.conf` is an empty file that no program can write: make it a link into `/run`, or `etc` \
                 writable"
                    .to_owned(),
            );
        }
    }
    Ok(warnings)
}
