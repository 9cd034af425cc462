//! Inode numbers without history. The nodes of a group share a section of the inode tables that is one block of the image
//! (those of a large group several, by directory), so that an update of the group dirties one. In it the entries of a
//! directory share a home among the blocks of the table (those of a large directory several, by name), and each takes
//! a number there by its own hash. All by consistent hashing; an inode that finds its home full goes to the home's next
//! preference. Smaller groups choose first, and of the large ones the older: what comes or goes with a new kernel displaces
//! nearly none of the others, for a moved inode would dirty its directory too.

use std::ops::Range;

use super::geometry::{Ext4Geometry, RESERVED_INODES};
use crate::ext4::spec::{FIRST_INO, INODES_PER_BLOCK, ROOT_INO};
use crate::stable::identity::{jump, mix};
use crate::stable::nodes::Nodes;
use crate::stable::{SLOT, slots};

/// Most of the inodes in the range of table blocks that are used, in hundredths, where there are inodes enough.
const LOAD: u64 = 60;

/// Nodes of a group to a section.
const SECTION: u32 = 512;

/// The power of two from which on a group is large.
const LARGE: u32 = SECTION.ilog2();

/// Entries of a directory to a home.
const HOME: u32 = 12;

/// Sections and blocks of a section that are tried before they are searched in order.
const PREFERENCES: u64 = 24;

/// An inode that wants a number. The order of these is the one in which they choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Wanting {
    /// Size of its group as a power of two, at most [`LARGE`]; 0 for nodes without one.
    scale: u32,
    /// The newest time in its group, in seconds, where that is large.
    time: i64,
    /// Identity of its section.
    section: u64,
    /// Identity of its home.
    home: u64,
    /// Its own identity.
    hash: u64,
    /// Index in the walk.
    at: u32,
}

/// The inode number of every node by its index in the walk. The geometry has enough.
pub(super) fn number(nodes: &Nodes<'_>, geometry: &Ext4Geometry) -> Vec<u32> {
    let mut wanting = wanting(nodes);
    wanting.sort_unstable();
    let mut blocks = TableBlocks::new(geometry, wanting.len());
    let mut inos = vec![ROOT_INO; nodes.walked.len()];
    inos[nodes.implied as usize] = FIRST_INO;
    for one in wanting {
        let block = blocks.roomy(&one);
        let taken = &mut blocks.used[block as usize];
        let preferred = (0..).map(|i| jump(mix(one.hash, i), INODES_PER_BLOCK));
        // A block with room has a free inode among the first few hashes, or else in order.
        let place = preferred.take(64).chain(0..INODES_PER_BLOCK).find(|place| *taken & 1 << place == 0);
        let place = place.unwrap_or_default();
        *taken |= 1 << place;
        inos[one.at as usize] = RESERVED_INODES + block * INODES_PER_BLOCK + place + 1;
    }
    inos
}

/// All nodes but those with fixed numbers.
fn wanting(nodes: &Nodes<'_>) -> Vec<Wanting> {
    // Nodes, and the newest time of one.
    let mut sizes = vec![(0u32, i64::MIN); nodes.groups.len()];
    for walked in &nodes.walked {
        let (size, newest) = &mut sizes[walked.group as usize];
        (*size, *newest) = (*size + 1, walked.mtime.secs.max(*newest));
    }
    let wanting = |at: u32| {
        let walked = &nodes.walked[at as usize];
        let parent = nodes.walked[walked.parent as usize].hash;
        let (group, (size, newest)) = (nodes.groups[walked.group as usize], sizes[walked.group as usize]);
        let scale = if walked.group == 0 { 0 } else { size.ilog2().min(LARGE) };
        let siblings = nodes.children(walked.parent).len() as u32;
        Wanting {
            scale,
            time: if scale == LARGE { newest } else { 0 },
            section: mix(group, u64::from(jump(mix(parent, 8), size / SECTION + 1))),
            home: mix(parent, u64::from(jump(mix(walked.hash, 6), siblings / HOME + 1))),
            hash: mix(walked.hash, 4),
            at,
        }
    };
    (1..nodes.walked.len() as u32).filter(|at| *at != nodes.implied).map(wanting).collect()
}

/// The blocks of the inode tables in use; the first one, that of the reserved inodes, is left out.
struct TableBlocks {
    /// Inodes taken of each, a bit each.
    used: Vec<u16>,
    /// The sections: those that are whole, or else all in one.
    sections: Vec<Range<u32>>,
}

impl TableBlocks {
    fn new(geometry: &Ext4Geometry, inodes: usize) -> Self {
        let all = geometry.groups * geometry.itable_blocks() - 1;
        // Blocks before the first whole section. Tables of further flex groups may begin elsewhere in a slot, which costs
        // sections that are two blocks of the image.
        let first = geometry.places.first().map_or(0, |places| (places.inode_table + 1) % u64::from(SLOT));
        let before = (SLOT - first as u32) % SLOT;
        let needed = (inodes as u64 * 100).div_ceil(LOAD * u64::from(INODES_PER_BLOCK));
        let whole = slots::rounded(needed.div_ceil(u64::from(SLOT)));
        let whole = whole.min(u64::from(all.saturating_sub(before) / SLOT)) as u32;
        let section = |i: u32| before + i * SLOT..before + (i + 1) * SLOT;
        // Where the whole ones are too few, all that there is.
        let range = before + whole * SLOT;
        let enough = u64::from(range) * u64::from(INODES_PER_BLOCK) >= inodes as u64 && whole > 0;
        let range = if enough { range } else { all };
        let mut sections: Vec<Range<u32>> = (0..whole).map(section).collect();
        if sections.is_empty() {
            sections.push(0..range);
        }
        Self { used: vec![0; range as usize], sections }
    }

    /// The first block that one prefers and that is not full.
    fn roomy(&self, one: &Wanting) -> u32 {
        let free = |block: &u32| self.used[*block as usize] != u16::MAX;
        let within = |section: &Range<u32>| {
            let (start, len) = (section.start, section.end - section.start);
            let preferred = move |i: u64| start + jump(mix(one.home, i), len);
            let found = (0..PREFERENCES).map(preferred).find(free);
            found.or_else(|| section.clone().find(free))
        };
        let count = self.sections.len() as u32;
        let sections = (0..PREFERENCES).map(|i| &self.sections[jump(mix(one.section, i), count) as usize]);
        let found = sections.into_iter().find_map(within);
        found.or_else(|| (0..self.used.len() as u32).find(free)).unwrap_or_default()
    }
}
