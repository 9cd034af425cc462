//! `/etc/ld.so.cache` and the links of shared libraries, as `ldconfig` makes them: which folders, which libraries, under
//! which names. Knows nothing of packages.
//!
//! Follows ldconfig(8) and ld.so.conf(5). `glibc-hwcaps` folders are not read: the loader finds the plain library.

mod format;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use amiforge_formats::plan::Sources;
use amiforge_formats::tree::{NodeKind, Tree};

use self::format::Library;
use super::elf::{self, Class, Elf, Soname};
use amiforge_formats::path::PathError;
use amiforge_formats::path::{self, Last};
use amiforge_rootfs::wildcard::matches;

/// Largest library that is looked into.
const LIBRARY_MAX: u64 = 1 << 30;

/// `include` lines followed before they count as a circle.
const INCLUDES_MAX: usize = 64;

/// The output of `ldconfig`.
#[derive(Debug)]
pub(crate) struct LdCache {
    /// The bytes of `/etc/ld.so.cache`.
    pub(crate) cache: Vec<u8>,
    /// Links to make: path and target.
    pub(crate) links: Vec<(Vec<u8>, Vec<u8>)>,
    /// Number of libraries in the cache.
    pub(crate) libraries: usize,
}

/// Looks through the folders of the loader.
///
/// # Errors
/// A path of the tree that cannot be followed or read.
pub(crate) fn ldconfig(tree: &Tree, sources: &dyn Sources) -> Result<LdCache, PathError> {
    let mut folders = Vec::new();
    let mut left = INCLUDES_MAX;
    read_config(tree, sources, b"/etc/ld.so.conf", &mut folders, &mut left)?;
    folders.extend(builtin_folders(tree, sources)?);
    let (mut libraries, mut links, mut seen) = (Vec::new(), Vec::new(), Vec::new());
    for folder in folders {
        let Some(id) = path::find(tree, &folder)? else { continue };
        if seen.contains(&id) || tree.entries(id).is_none() {
            continue;
        }
        seen.push(id);
        let found = scan(tree, sources, &folder)?;
        for (soname, library) in found {
            let path = [&folder[..], b"/", &soname].concat();
            if library.file != soname && !library.is_link {
                links.push((path.clone(), library.file));
            }
            libraries.push(Library { flags: library.flags, soname, path });
        }
    }
    let generator = generator(tree, sources)?;
    let count = libraries.len();
    Ok(LdCache { cache: format::encoded(libraries, generator.as_deref()), links, libraries: count })
}

/// The folders that a configuration file names; those of an `include` come where the line is.
fn read_config(
    tree: &Tree,
    sources: &dyn Sources,
    path: &[u8],
    folders: &mut Vec<Vec<u8>>,
    left: &mut usize,
) -> Result<(), PathError> {
    let Some(bytes) = path::read(tree, sources, path)? else { return Ok(()) };
    for line in bytes.split(|&byte| byte == b'\n') {
        let line = line.split(|&byte| byte == b'#').next().unwrap_or_default().trim_ascii();
        if line.is_empty() || line.starts_with(b"hwcap ") {
            continue;
        }
        let Some(pattern) =
            line.strip_prefix(b"include").filter(|rest| rest.starts_with(b" ") || rest.starts_with(b"\t"))
        else {
            let folder = line.split(|&byte| byte == b'=').next().unwrap_or_default().trim_ascii_end();
            let folder = folder.strip_suffix(b"/").unwrap_or(folder);
            if folder.starts_with(b"/") {
                folders.push(folder.to_vec());
            }
            continue;
        };
        for included in expand_include(tree, path, pattern.trim_ascii())? {
            if *left == 0 {
                return Ok(());
            }
            *left -= 1;
            read_config(tree, sources, &included, folders, left)?;
        }
    }
    Ok(())
}

/// The files that an `include` names: its last part may be a pattern.
fn expand_include(tree: &Tree, of: &[u8], pattern: &[u8]) -> Result<Vec<Vec<u8>>, PathError> {
    let cut = |path: &[u8]| path.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
    let absolute = if pattern.starts_with(b"/") {
        pattern.to_vec()
    } else {
        [of.get(..cut(of)).unwrap_or_default(), b"/", pattern].concat()
    };
    let (folder, name) = absolute.split_at(cut(&absolute));
    let name = name.get(1..).unwrap_or_default();
    let Some(id) = path::find(tree, folder)? else { return Ok(Vec::new()) };
    let names = tree.entries(id).into_iter().flatten().map(|(entry, _)| entry.as_bytes());
    Ok(names
        .filter(|entry| !entry.starts_with(b".") && matches(name, entry))
        .map(|entry| [folder, b"/", entry].concat())
        .collect())
}

/// The built-in folders of Debian's loader: those of its architecture, which hold the C library, first.
fn builtin_folders(tree: &Tree, sources: &dyn Sources) -> Result<Vec<Vec<u8>>, PathError> {
    let mut folders = Vec::new();
    if let Some(id) = path::find(tree, b"/usr/lib")? {
        let names: Vec<_> = tree.entries(id).into_iter().flatten().map(|(name, _)| name.clone()).collect();
        for name in names.iter().map(amiforge_formats::tree::Name::as_bytes) {
            let own = [b"/lib/", name].concat();
            let libc = [&own[..], b"/libc.so.6"].concat();
            if name.ends_with(b"-linux-gnu") && path::find(tree, &libc)?.is_some() {
                let native = native_machine(tree, sources)?;
                if native.is_none() || machine_of(tree, sources, &libc)? == native {
                    folders.extend([own, [b"/usr/lib/", name].concat()]);
                }
            }
        }
    }
    folders.extend([b"/lib".to_vec(), b"/usr/lib".to_vec()]);
    Ok(folders)
}

fn native_machine(tree: &Tree, sources: &dyn Sources) -> Result<Option<u16>, PathError> {
    machine_of(tree, sources, b"/sbin/ldconfig")
}

fn machine_of(tree: &Tree, sources: &dyn Sources, path: &[u8]) -> Result<Option<u16>, PathError> {
    let bytes = library_bytes(tree, sources, path)?;
    Ok(bytes.and_then(|bytes| Elf::parse(&bytes).map(|elf| elf.machine)))
}

/// A library of one folder, under its soname.
struct FolderLibrary {
    flags: u32,
    file: Vec<u8>,
    is_link: bool,
}

/// The libraries of one folder by soname; of several with one soname the newest counts.
fn scan(
    tree: &Tree,
    sources: &dyn Sources,
    folder: &[u8],
) -> Result<BTreeMap<Vec<u8>, FolderLibrary>, PathError> {
    let mut found: BTreeMap<Vec<u8>, FolderLibrary> = BTreeMap::new();
    let Some(id) = path::find(tree, folder)? else { return Ok(found) };
    for (name, id) in tree.entries(id).into_iter().flatten() {
        let name = name.as_bytes();
        if !is_library(name) {
            continue;
        }
        let path = [folder, b"/", name].concat();
        let symlink = matches!(tree.node(*id).kind, NodeKind::Symlink(_));
        let Some(bytes) = library_bytes(tree, sources, &path)? else { continue };
        let Some((flags, soname)) = Elf::parse(&bytes).and_then(|elf| {
            let soname = elf.soname()?;
            let soname = match soname {
                Soname::Is(soname) => soname.to_vec(),
                Soname::Missing => name.to_vec(),
            };
            Some((flags(&elf)?, soname))
        }) else {
            continue;
        };
        // A link `libX.so` for the compiler is no name for the loader.
        let for_compiler =
            symlink && name.ends_with(b".so") && name != soname.as_slice() && soname.starts_with(name);
        if for_compiler {
            continue;
        }
        let new = FolderLibrary { flags, file: name.to_vec(), is_link: symlink && name == soname.as_slice() };
        let newer = |old: &FolderLibrary| {
            old.file != soname && (new.file == soname || format::compare(&new.file, &old.file).is_gt())
        };
        if found.get(&soname).is_none_or(newer) {
            found.insert(soname, new);
        }
    }
    Ok(found)
}

fn is_library(name: &[u8]) -> bool {
    let named = name.starts_with(b"lib") || name.starts_with(b"ld-") || name.starts_with(b"ld.so");
    let unfinished = [&b".dpkg-new"[..], b".dpkg-tmp", b"-gdb.py"].iter().any(|end| name.ends_with(end));
    named && !unfinished && name.windows(3).any(|part| part == b".so")
}

fn library_bytes(tree: &Tree, sources: &dyn Sources, path: &[u8]) -> Result<Option<Vec<u8>>, PathError> {
    let location = match path::resolve(tree, path, Last::Follow) {
        Ok(location) => location,
        // A dangling link is not a library.
        Err(PathError::NotADir { .. } | PathError::Loop { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    match location {
        Some(location) if location.node.is_some_and(|id| matches!(tree.node(id).kind, NodeKind::File(_))) => {
            path::contents(tree, sources, &location, LIBRARY_MAX)
        }
        _ => Ok(None),
    }
}

/// The flags that the loader of an architecture requires: the kind of C library in the low byte, the architecture above.
#[expect(clippy::match_same_arms, reason = "arms are sorted by architecture")]
fn flags(elf: &Elf<'_>) -> Option<u32> {
    const ELF_LIBC6: u32 = 3;
    let arch = match (elf.machine, elf.class) {
        (elf::EM_386, Class::Narrow) => 0,
        (elf::EM_X86_64, Class::Wide) => 0x0300,
        (elf::EM_X86_64, Class::Narrow) => 0x0800,
        (elf::EM_PPC64, Class::Wide) => 0x0500,
        (elf::EM_AARCH64, Class::Wide) => 0x0a00,
        // EF_ARM_ABI_FLOAT_HARD and _SOFT.
        (elf::EM_ARM, Class::Narrow) if elf.flags & 0x400 != 0 => 0x0900,
        (elf::EM_ARM, Class::Narrow) if elf.flags & 0x200 != 0 => 0x0b00,
        (elf::EM_ARM, Class::Narrow) => 0,
        // EF_RISCV_FLOAT_ABI: double, or soft.
        (elf::EM_RISCV, Class::Wide) if elf.flags & 6 == 4 => 0x1000,
        (elf::EM_RISCV, Class::Wide) if elf.flags & 6 == 0 => 0x0f00,
        _ => return None,
    };
    Some(arch | ELF_LIBC6)
}

/// The version text of the tree's own ldconfig: `ldconfig (PACKAGE) stable release version 2.36`.
fn generator(tree: &Tree, sources: &dyn Sources) -> Result<Option<Vec<u8>>, PathError> {
    let Some(bytes) = library_bytes(tree, sources, b"/sbin/ldconfig")? else { return Ok(None) };
    let texts = bytes.split(|&byte| byte == 0);
    let mut texts = texts.filter(|text| text.starts_with(b"ldconfig (") && text.is_ascii());
    Ok(texts.find(|text| text.windows(16).any(|part| part == b" release version")).map(<[u8]>::to_vec))
}
