//! The clusters of directories and files, and the room to grow between them.
//!
//! Everything is contiguous: the directories first, then files under 1 MiB by path, then the others by path. So that a
//! change moves little else, the range of the directories is rounded up to 64 KiB, a file starts at a multiple of 4 KiB and
//! is followed by room to grow: its length is rounded up to an eighth of its largest power of two. That costs at most
//! an eighth of the contents; a volume too small for it has less room between files, down to none.

use super::draft::FatDraft;
use super::geometry::FatGeometry;

/// The range of the files starts at a multiple of this number of bytes.
const DIRS_ROOM: u64 = 64 << 10;

/// Files of at least this number of bytes come last: one of them growing moves none of the small ones.
const LARGE: u64 = 1 << 20;

/// The unit of the room after a file in bytes.
const PAGE: u64 = 4096;

/// The room that is left after files, in parts of their largest power of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    /// The largest power of two in the length, shifted right.
    Shift(u32),
    /// Whole clusters only.
    None,
}

/// The kinds of room that are tried, the widest first.
const ROOMS: [Room; 5] = [ROOMY, Room::Shift(4), Room::Shift(5), Room::Shift(7), Room::None];

/// The room that a volume of minimal length has.
pub(super) const ROOMY: Room = Room::Shift(3);

/// A run of clusters. An empty file has none, and its entry has 0 as the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ClusterRun {
    pub(super) first: u32,
    pub(super) count: u32,
}

/// The clusters of every directory and file of a draft.
#[derive(Debug)]
pub(super) struct Placement {
    pub(super) dirs: Vec<ClusterRun>,
    pub(super) files: Vec<ClusterRun>,
    /// Clusters that hold something.
    pub(super) used: u64,
    /// Clusters up to the last one that holds something, and its room.
    pub(super) reach: u64,
}

/// Clusters from the first to the end of the last room, and where the files start, all in clusters from 0.
struct ClusterWalk {
    cluster: u64,
    room: Room,
    next: u64,
    used: u64,
}

impl ClusterWalk {
    /// Moves to a multiple of `bytes`, unless the placement has no room for that.
    fn align(&mut self, bytes: u64) {
        if self.room != Room::None {
            self.next = self.next.next_multiple_of(bytes.div_ceil(self.cluster));
        }
    }

    /// Takes the clusters of `len` bytes.
    fn take(&mut self, len: u64) -> ClusterRun {
        let count = len.div_ceil(self.cluster);
        if count == 0 {
            return ClusterRun { first: 0, count: 0 };
        }
        let first = self.next + 2;
        self.next += count;
        self.used += count;
        // Runs past what 32 bits count belong to a placement that is given up for being too long.
        ClusterRun {
            first: u32::try_from(first).unwrap_or(u32::MAX),
            count: u32::try_from(count).unwrap_or(u32::MAX),
        }
    }
}

/// Gives the directories and files of a draft their clusters, with the widest room that fits.
///
/// # Errors
/// The clusters that it takes without any room, when even they are too many.
pub(super) fn allocate(draft: &FatDraft, geometry: &FatGeometry) -> Result<Placement, u64> {
    let mut least = 0;
    for room in ROOMS {
        let placement = walk(draft, geometry.cluster(), room);
        if placement.reach <= geometry.clusters {
            return Ok(placement);
        }
        least = placement.used;
    }
    Err(least)
}

/// Clusters of `cluster` bytes that a draft takes with that room.
pub(super) fn reach(draft: &FatDraft, cluster: u64, room: Room) -> u64 {
    walk(draft, cluster, room).reach
}

/// Gives every directory and file its clusters, whatever their number comes to.
fn walk(draft: &FatDraft, cluster: u64, room: Room) -> Placement {
    let mut walk = ClusterWalk { cluster, room, next: 0, used: 0 };
    // The root has a cluster even when it has no entries.
    let dirs = draft.dirs.iter().map(|dir| walk.take(dir.len().max(1))).collect();
    walk.align(DIRS_ROOM);
    let mut order: Vec<usize> = (0..draft.files.len()).collect();
    order.sort_by_key(|index| {
        let file = &draft.files[*index];
        (file.content.len() >= LARGE, &file.path)
    });
    let mut files = vec![ClusterRun { first: 0, count: 0 }; draft.files.len()];
    for index in order {
        let len = draft.files[index].content.len();
        files[index] = walk.take(len);
        if let Room::Shift(shift) = room
            && let Some(log) = len.checked_ilog2()
        {
            let unit = (1_u64 << log >> shift).max(PAGE);
            let start = u64::from(files[index].first).saturating_sub(2);
            walk.next = walk.next.max(start + len.next_multiple_of(unit).div_ceil(cluster));
            walk.align(PAGE);
        }
    }
    Placement { dirs, files, used: walk.used, reach: walk.next }
}
