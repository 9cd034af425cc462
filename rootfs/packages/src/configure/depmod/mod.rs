//! `modules.*` of the kernels in the tree, as `depmod -a` writes them: which module needs which, and which aliases and
//! symbols lead to which. Knows nothing of packages.
//!
//! Follows depmod(8), depmod.d(5) for the order of folders that the distributions ship (`updates` first), and kmod's
//! files byte for byte.

mod bucket;
mod entry;
mod index;
mod listing;
mod module;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use amiforge_formats::plan::Sources;
use amiforge_formats::tree::{NodeId, NodeKind, Tree};

use self::entry::{Entry, module_name};
use amiforge_formats::path;

/// Largest module file in the tree, in bytes.
const FILE_MAX: u64 = 128 << 20;

/// The files of one kernel.
#[derive(Debug)]
pub(crate) struct ModuleIndexes {
    /// Name below the kernel's folder and content, sorted by name.
    pub(crate) files: Vec<(&'static str, Vec<u8>)>,
    /// Paths of files that look like modules and are none.
    pub(crate) damaged: Vec<Vec<u8>>,
    /// Number of modules.
    pub(crate) modules: usize,
}

/// Computes the files of the kernel whose folder is `folder`.
///
/// # Errors
/// A read error of a module.
pub(crate) fn depmod(tree: &Tree, sources: &dyn Sources, folder: NodeId) -> std::io::Result<ModuleIndexes> {
    let small = |name: &[u8]| {
        let id = tree.child(folder, name);
        let content = id.and_then(|id| match &tree.node(id).kind {
            NodeKind::File(content) if content.len() <= FILE_MAX => Some(content),
            _ => None,
        });
        content.map_or(Ok(Vec::new()), |content| path::bytes_of(content, sources))
    };
    let (mut entries, damaged) = read_all(tree, sources, folder)?;
    sort(&mut entries, &small(b"modules.order")?);
    link(&mut entries);
    rank(&mut entries);
    let (builtin, modinfo) = (small(b"modules.builtin")?, small(b"modules.builtin.modinfo")?);
    let modules = entries.len();
    Ok(ModuleIndexes { files: listing::files(&entries, &builtin, &modinfo), damaged, modules })
}

/// Every module below a folder, by path; of two of one name the one in `updates` counts, else the first.
fn read_all(
    tree: &Tree,
    sources: &dyn Sources,
    folder: NodeId,
) -> std::io::Result<(Vec<Entry>, Vec<Vec<u8>>)> {
    let mut found: BTreeMap<Vec<u8>, Entry> = BTreeMap::new();
    let (mut damaged, mut pending) = (Vec::new(), vec![(folder, Vec::new())]);
    while let Some((dir, path)) = pending.pop() {
        for (name, &id) in tree.entries(dir).into_iter().flatten() {
            let file = [&path[..], name.as_bytes()].concat();
            let content = match &tree.node(id).kind {
                NodeKind::Dir(_) if path.is_empty() && matches!(name.as_bytes(), b"build" | b"source") => {
                    continue;
                }
                NodeKind::Dir(_) => {
                    pending.push((id, [&file[..], b"/"].concat()));
                    continue;
                }
                NodeKind::File(content) if content.len() <= FILE_MAX => content,
                _ => continue,
            };
            let Some((plain, modname)) = module_name(&file) else { continue };
            let bytes = module::unpacked(name.as_bytes(), path::bytes_of(content, sources)?);
            let Some(module) = bytes.and_then(|bytes| module::read(&bytes)) else {
                damaged.push(file);
                continue;
            };
            let fresh = file.starts_with(b"updates/");
            if found.get(&modname).is_none_or(|_| fresh) {
                let entry =
                    Entry { path: plain, file, name: modname.clone(), module, needs: Vec::new(), rank: 0 };
                found.insert(modname, entry);
            }
        }
    }
    damaged.sort();
    let mut entries: Vec<Entry> = found.into_values().collect();
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    Ok((entries, damaged))
}

/// In the order of `modules.order`; what it does not name comes last.
fn sort(entries: &mut [Entry], order: &[u8]) {
    let places: BTreeMap<&[u8], usize> =
        order.split(|&byte| byte == b'\n').enumerate().map(|(at, line)| (line, at)).collect();
    entries.sort_by_key(|entry| places.get(entry.path.as_slice()).copied().unwrap_or(usize::MAX));
}

/// Finds for every needed symbol the module that has it.
fn link(entries: &mut [Entry]) {
    let mut owners: BTreeMap<&[u8], usize> = BTreeMap::new();
    for (at, entry) in entries.iter().enumerate() {
        owners.extend(entry.module.exports.iter().map(|name| (name.as_slice(), at)));
    }
    let needs: Vec<Vec<usize>> = entries
        .iter()
        .enumerate()
        .map(|(at, entry)| {
            let mut needs = Vec::new();
            for owner in entry.module.needs.iter().filter_map(|name| owners.get(name.as_slice())) {
                if *owner != at && !needs.contains(owner) {
                    needs.push(*owner);
                }
            }
            needs
        })
        .collect();
    entries.iter_mut().zip(needs).for_each(|(entry, needs)| entry.needs = needs);
}

/// Sorts so that users come before what they use, as depmod does: the last module without a remaining user is next.
/// Modules in a circle keep a rank after all others.
fn rank(entries: &mut [Entry]) {
    let mut users = vec![0usize; entries.len()];
    for needed in entries.iter().flat_map(|entry| &entry.needs) {
        if let Some(count) = users.get_mut(*needed) {
            *count += 1;
        }
    }
    let mut roots: Vec<usize> =
        users.iter().enumerate().filter(|(_, count)| **count == 0).map(|(at, _)| at).collect();
    let last = entries.len();
    for entry in entries.iter_mut() {
        entry.rank = last;
    }
    let mut next = 0;
    while let Some(at) = roots.pop() {
        let Some(entry) = entries.get_mut(at) else { break };
        entry.rank = next;
        next += 1;
        for needed in entry.needs.clone() {
            if let Some(count) = users.get_mut(needed) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    roots.push(needed);
                }
            }
        }
    }
}
