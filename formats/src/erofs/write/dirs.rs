//! Directories: entries of a block, then their names; all names of a directory, `.` and `..` among them, in the order of
//! their bytes, for the kernel searches by halves.

use super::BLOCK;
use crate::erofs::spec::DIRENT_SIZE;
use crate::stable::nodes::{Nodes, Walked};

/// A name and the node that it leads to, by its index in the walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct DirName<'a> {
    name: &'a [u8],
    walked: u32,
}

/// The length of a directory in bytes: whole blocks but for the last.
pub(super) fn len(nodes: &Nodes<'_>, dir: u32) -> u64 {
    let (mut blocks, mut used) = (0, 0);
    for one in names(nodes, dir) {
        let size = size(&one);
        if used + size > BLOCK {
            (blocks, used) = (blocks + 1, 0);
        }
        used += size;
    }
    (blocks * BLOCK + used) as u64
}

/// The bytes of a directory; `nids` has the number of each node, `code` its kind.
pub(super) fn encode(nodes: &Nodes<'_>, dir: u32, nids: &[u64], code: &dyn Fn(&Walked<'_>) -> u8) -> Vec<u8> {
    let all = names(nodes, dir);
    let mut out = Vec::new();
    let mut rest = all.as_slice();
    while !rest.is_empty() {
        let mut used = 0;
        let count = rest.iter().take_while(|one| {
            used += size(one);
            used <= BLOCK
        });
        let (block, after) = rest.split_at(count.count());
        rest = after;
        out.resize(out.len().next_multiple_of(BLOCK), 0);
        let mut name_at = block.len() * DIRENT_SIZE;
        for one in block {
            out.extend_from_slice(&nids[one.walked as usize].to_le_bytes());
            out.extend_from_slice(&(name_at as u16).to_le_bytes());
            out.extend_from_slice(&[code(&nodes.walked[one.walked as usize]), 0]);
            name_at += one.name.len();
        }
        for one in block {
            out.extend_from_slice(one.name);
        }
    }
    out
}

fn size(one: &DirName<'_>) -> usize {
    DIRENT_SIZE + one.name.len()
}

/// All names in order.
fn names<'a>(nodes: &'a Nodes<'_>, dir: u32) -> Vec<DirName<'a>> {
    let own = nodes.children(dir).iter().map(|child| DirName { name: child.name, walked: child.walked });
    let parent = nodes.walked[dir as usize].parent;
    let dots = [DirName { name: b".", walked: dir }, DirName { name: b"..", walked: parent }];
    let mut names: Vec<_> = own.chain(dots).collect();
    names.sort_unstable();
    names
}
