//! A sound volume, the offsets of its structures, and changes of its bytes.

use amiforge_formats::fat::corruption::{VolumeCorruption, VolumeLocation};
use amiforge_formats::fat::{check, write};
use amiforge_formats::plan::NoSources;
use amiforge_formats::read_at::ReadAt;
use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, Meta, Name, Node, NodeId, NodeKind, Tree};

/// 34 MiB: fewer than 2^17 clusters, of one sector each.
pub(crate) const SECTORS: usize = 69_632;

const RESERVED: usize = 32;

pub(crate) const TABLE: usize = 536 * 512;

pub(crate) const DATA: usize = RESERVED * 512 + 2 * TABLE;

pub(crate) const CLUSTERS: u32 = (SECTORS - DATA / 512) as u32;

/// The root has the label, `A.TXT` (clusters 130 to 132), `DIR` (3) and `a long name.txt` (146, 147), which takes three
/// entries; `DIR` has `.`, `..` and `B.BIN` (138).
pub(crate) fn volume() -> Vec<u8> {
    let meta = Meta::root_owned(0o755, Time::from_secs(1_700_000_000));
    let mut tree = Tree::new(meta.clone());
    let mut add = |dir: NodeId, name: &str, kind: NodeKind| {
        tree.add(dir, Name::new(name.as_bytes()).unwrap(), Node { meta: meta.clone(), kind }).unwrap()
    };
    let file = |len: usize| NodeKind::File(Content::Inline(vec![b'x'; len].into()));
    let root = {
        let other = Tree::new(meta.clone());
        other.root()
    };
    let dir = add(root, "DIR", NodeKind::dir());
    add(root, "A.TXT", file(1500));
    add(root, "a long name.txt", file(600));
    add(dir, "B.BIN", file(100));
    let time = Time::from_secs(1_700_000_000);
    let options = write::FatOptions { volume_id: 1, label: "ESP".to_owned(), time, hidden_sectors: 0 };
    let plan = write::plan(&tree, &options, SECTORS as u64 * 512).unwrap();
    let mut bytes = vec![0; SECTORS * 512];
    plan.read_exact_at(&NoSources, 0, &mut bytes).unwrap();
    bytes
}

/// Offset of an entry of the root.
pub(crate) fn root(index: usize) -> usize {
    DATA + index * 32
}

pub(crate) fn dir(index: usize) -> usize {
    DATA + 512 + index * 32
}

/// Offset of a cluster's entry in the first table.
pub(crate) fn link(cluster: usize) -> usize {
    RESERVED * 512 + cluster * 4
}

/// The structures that are updated after the corruption.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Repair {
    /// The backup boot sector, the second table, and the count of free clusters.
    Copies,
    Nothing,
}

/// Bytes that are written at offsets, the structures that are updated, and the findings.
pub(crate) type Case = (Vec<(usize, &'static [u8])>, Repair, Vec<(VolumeLocation, VolumeCorruption)>);

pub(crate) fn corrupt(volume: &mut [u8], patches: &[(usize, &[u8])], repair: Repair) {
    for (at, bytes) in patches {
        volume[*at..at + bytes.len()].copy_from_slice(bytes);
    }
    if repair == Repair::Nothing {
        return;
    }
    volume.copy_within(0..512, 6 * 512);
    volume.copy_within(RESERVED * 512..RESERVED * 512 + TABLE, RESERVED * 512 + TABLE);
    let free = (2..2 + CLUSTERS as usize).filter(|cluster| volume[link(*cluster)..][..4] == [0; 4]).count();
    for sector in [1, 7] {
        volume[sector * 512 + 488..][..4].copy_from_slice(&(free as u32).to_le_bytes());
    }
}

pub(crate) fn path(text: &str) -> VolumeLocation {
    VolumeLocation::Path(text.as_bytes().to_vec())
}

pub(crate) fn one(
    location: VolumeLocation,
    corruption: VolumeCorruption,
) -> Vec<(VolumeLocation, VolumeCorruption)> {
    vec![(location, corruption)]
}

pub(crate) fn findings(volume: &dyn ReadAt) -> Vec<(VolumeLocation, VolumeCorruption)> {
    check::check(volume).unwrap().into_iter().map(|finding| (finding.location, finding.corruption)).collect()
}
