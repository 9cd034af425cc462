//! Images written from plans, and trees to plan.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use amiforge_formats::plan::{Data, NoSources, Plan};
use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, Meta, Name, Node, NodeKind, Tree};

/// Writes a plan without sources to a file; free ranges are filled with `garbage`, as on a volume that was used before.
///
/// # Panics
/// When it cannot be written.
pub fn write(plan: &Plan, path: &Path, garbage: u8) {
    let file = File::create(path).expect("image");
    file.set_len(plan.len()).expect("length");
    for extent in plan.extents() {
        match &extent.data {
            Data::Zero => {}
            Data::Free if garbage == 0 => {}
            Data::Free => {
                let chunk = vec![garbage; 1 << 16];
                let mut at = extent.offset;
                while at < extent.end() {
                    let len = (extent.end() - at).min(chunk.len() as u64);
                    file.write_all_at(&chunk[..len as usize], at).expect("garbage");
                    at += len;
                }
            }
            Data::Bytes { .. } | Data::Slice { .. } => {
                let mut bytes = vec![0; extent.len as usize];
                plan.read_exact_at(&NoSources, extent.offset, &mut bytes).expect("plan");
                file.write_all_at(&bytes, extent.offset).expect("write");
            }
        }
    }
}

/// The bytes of a plan without sources, with `garbage` in free ranges.
///
/// # Panics
/// When it has sources.
pub fn bytes(plan: &Plan, garbage: u8) -> Vec<u8> {
    let mut bytes = vec![0; plan.len() as usize];
    plan.read_exact_at(&NoSources, 0, &mut bytes).expect("plan");
    for extent in plan.extents().iter().filter(|extent| extent.data == Data::Free) {
        bytes[extent.offset as usize..extent.end() as usize].fill(garbage);
    }
    bytes
}

/// A tree of files by path, with their parent directories. All times are `secs` since 1970.
///
/// # Panics
/// When a path is not valid in a tree.
pub fn tree(files: &[(&str, Vec<u8>)], secs: i64) -> Tree {
    let meta = Meta::root_owned(0o755, Time::from_secs(secs));
    let mut tree = Tree::new(meta.clone());
    for (path, bytes) in files {
        let mut dir = tree.root();
        let (parents, name) = path.rsplit_once('/').unwrap_or(("", path));
        for parent in parents.split('/').filter(|parent| !parent.is_empty()) {
            dir = tree.child(dir, parent.as_bytes()).unwrap_or_else(|| {
                let node = Node { meta: meta.clone(), kind: NodeKind::dir() };
                tree.add(dir, Name::new(parent.as_bytes()).expect("name"), node).expect("directory")
            });
        }
        let kind = NodeKind::File(Content::Inline(bytes.as_slice().into()));
        let node = Node { meta: Meta::root_owned(0o644, Time::from_secs(secs)), kind };
        tree.add(dir, Name::new(name.as_bytes()).expect("name"), node).expect("file");
    }
    tree
}
