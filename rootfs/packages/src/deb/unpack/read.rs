//! Reading one package: its control archive taken apart, its data archive as a list of entries. Knows nothing of the
//! tree or of other packages.
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::collections::BTreeMap;

use amiforge_formats::plan::SourceId;
use amiforge_formats::read_at::ReadAt;
use amiforge_formats::tree::{Content, NodeKind};
use amiforge_progress::Monitor;
use amiforge_store::OpenEntry;

use super::error::PackageContentError;
use super::package::{Conffile, Interest, Member, Trigger, UnpackedPackage};
use crate::deb::control::Paragraph;
use crate::locked::LockedPackage;
use crate::unpack::spool::EntryParts;
use amiforge_rootfs::sources::tar::{self, ArchiveLocation, TarEntry};

/// Longest member of a control archive that is read; the longest of Debian have a megabyte.
const MEMBER_MAX: u64 = 64 << 20;

/// A package that was read.
#[derive(Debug)]
pub(super) struct ReadPackage {
    pub(super) package: UnpackedPackage,
    /// Entries of the data archive, in its order. Contents are slices of source 0.
    pub(super) entries: Vec<(Vec<u8>, TarEntry)>,
}

/// The source that contents of a package reference before it has its own.
pub(super) const OWN: SourceId = SourceId(0);

/// Reads a package from its entry of the store.
pub(super) fn read(
    locked: &LockedPackage,
    spool: &OpenEntry,
    parts: EntryParts,
    monitor: Monitor<'_>,
) -> Result<ReadPackage, PackageContentError> {
    let mut members = members(spool, parts, monitor)?;
    let control = members.remove("control").ok_or(PackageContentError::NoControl)?.bytes;
    let control = Paragraph::read(&control).map_err(PackageContentError::Fields)?;
    let list = |name: &str| members.get(name).map_or(&b""[..], |member| member.bytes.as_slice());
    let conffiles = conffiles(list("conffiles"))?;
    let triggers = triggers(list("triggers"))?;
    let (mut entries, mut files) = (Vec::new(), Vec::new());
    let data = parts.second(spool);
    let location = ArchiveLocation { source: OWN, at: parts.first };
    tar::visit(&data, location, monitor, &mut |path, entry| {
        files.push(listed(path));
        entries.push((path.to_vec(), entry));
    })
    .map_err(PackageContentError::Data)?;
    let locked = locked.clone();
    let package = UnpackedPackage { locked, control, members, conffiles, triggers, files, filtered: 0 };
    agrees(&package)?;
    Ok(ReadPackage { package, entries })
}

/// A path as dpkg lists it.
fn listed(path: &[u8]) -> Vec<u8> {
    let path = if path.is_empty() { b"." } else { path };
    [b"/", path].concat()
}

/// The lock and the package must speak of the same thing.
fn agrees(package: &UnpackedPackage) -> Result<(), PackageContentError> {
    let locked = &package.locked;
    for (field, expected) in
        [("Package", &locked.name), ("Version", &locked.version), ("Architecture", &locked.arch)]
    {
        let actual = package.field(field).unwrap_or_default();
        if actual != *expected {
            let (expected, actual) = (expected.clone(), actual.to_owned());
            return Err(PackageContentError::Differs { field, expected, actual });
        }
    }
    Ok(())
}

/// The members of the control archive.
fn members(
    spool: &OpenEntry,
    parts: EntryParts,
    monitor: Monitor<'_>,
) -> Result<BTreeMap<String, Member>, PackageContentError> {
    let archive = parts.first(spool);
    let tree = tar::index(&archive, ArchiveLocation { source: OWN, at: 0 }, monitor)
        .map_err(PackageContentError::Control)?
        .tree;
    let mut members = BTreeMap::new();
    for (name, id) in tree.entries(tree.root()).into_iter().flatten() {
        let node = tree.node(*id);
        let NodeKind::File(content) = &node.kind else { continue };
        let name = String::from_utf8_lossy(name.as_bytes()).into_owned();
        if content.len() > MEMBER_MAX {
            return Err(PackageContentError::TooLong { name, len: content.len(), max: MEMBER_MAX });
        }
        let mut bytes = vec![0; usize::try_from(content.len()).unwrap_or(0)];
        match content {
            Content::Slice { at, .. } => {
                archive.read_exact_at(*at, &mut bytes).map_err(PackageContentError::Read)?;
            }
            Content::Inline(_) => {}
            // No writer of packages makes holes.
            Content::Sparse { .. } => return Err(PackageContentError::Sparse { name }),
        }
        members.insert(name, Member { bytes, mode: node.meta.mode, mtime: node.meta.mtime });
    }
    Ok(members)
}

/// Lines of a list without their ends and without empty ones.
fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end).filter(|line| !line.is_empty())
}

/// deb-conffiles(5): a path per line, with a flag before it or none.
fn conffiles(bytes: &[u8]) -> Result<Vec<Conffile>, PackageContentError> {
    lines(bytes)
        .map(|line| {
            let (obsolete, path) = match line.strip_prefix(b"remove-on-upgrade ") {
                Some(path) => (true, path.trim_ascii_start()),
                None => (false, line),
            };
            if !path.starts_with(b"/") {
                return Err(PackageContentError::Conffile { line: line.to_vec() });
            }
            Ok(Conffile { path: path.to_vec(), obsolete })
        })
        .collect()
}

/// deb-triggers(5): a directive and a name per line, comments behind `#`.
fn triggers(bytes: &[u8]) -> Result<Vec<Trigger>, PackageContentError> {
    let mut triggers = Vec::new();
    for line in lines(bytes) {
        let bare = line.split(|byte| *byte == b'#').next().unwrap_or(line);
        let mut words = bare.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let Some(directive) = words.next() else { continue };
        let interest = match directive {
            b"interest" | b"interest-await" => Interest::Await,
            b"interest-noawait" => Interest::NoAwait,
            b"activate" | b"activate-await" | b"activate-noawait" => Interest::Activate,
            _ => return Err(PackageContentError::Trigger { line: line.to_vec() }),
        };
        match (words.next(), words.next()) {
            (Some(name), None) => triggers.push(Trigger { interest, name: name.to_vec() }),
            _ => return Err(PackageContentError::Trigger { line: line.to_vec() }),
        }
    }
    Ok(triggers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_line_by_line_and_odd_lines_are_named() {
        let read = conffiles(b"/etc/a b\nremove-on-upgrade /etc/old\n\n").unwrap();
        let expected = [(&b"/etc/a b"[..], false), (b"/etc/old", true)];
        assert!(read.iter().map(|conffile| (conffile.path.as_slice(), conffile.obsolete)).eq(expected));
        assert!(conffiles(b"etc/a\n").unwrap_err().to_string().contains("`etc/a`"));
        let read = triggers(b"# comment\n\ninterest-noawait /usr/share/man # why\nactivate x\n").unwrap();
        let expected = [(Interest::NoAwait, &b"/usr/share/man"[..]), (Interest::Activate, b"x")];
        assert!(read.iter().map(|trigger| (trigger.interest, trigger.name.as_slice())).eq(expected));
        assert!(triggers(b"interested x\n").is_err() && triggers(b"activate a b\n").is_err());
    }
}
