//! Maps by hand, and maps of volumes with damaged bytes.

use super::*;
use crate::ext4::write::JournalSize;
use crate::plan::NoSources;
use crate::time::Time;
use crate::tree::{ChangeGroups, Content, Meta, Name, Node, NodeKind, Tree};
use crate::volume::{VolumeDraft, VolumeIds, VolumeOptions};

const FREE: Subject = Subject::Free { what: "unallocated" };

fn named(name: &'static str) -> Subject {
    Subject::Structure { name: name.into() }
}

#[test]
fn a_map_covers_every_byte_once_and_joins_free_space() {
    let mut map = MapBuilder::new(100);
    map.add(50, 10, named("b"));
    map.add(0, 10, named("a"));
    map.add(10, 5, FREE);
    map.add(15, 0, named("nothing"));
    let map = map.finish(Some(&FREE)).unwrap();
    let ranges: Vec<_> = map.ranges().iter().map(|range| (range.start, range.len)).collect();
    assert_eq!(ranges, [(0, 10), (10, 40), (50, 10), (60, 40)]);
    assert_eq!(map.within(9..51).len(), 3);
    assert_eq!(map.within(60..60).len(), 0);
    assert_eq!(map.ranges().iter().map(|range| range.len).sum::<u64>(), map.len());
}

#[test]
fn overlaps_gaps_and_ranges_past_the_end_are_named() {
    let mut map = MapBuilder::new(20);
    map.add(0, 10, named("a"));
    map.add(8, 4, named("b"));
    let error = map.finish(Some(&FREE)).unwrap_err();
    assert_eq!(error.to_string(), "bytes 8 to 9 are a and b");
    let mut map = MapBuilder::new(20);
    map.add(0, 10, named("a"));
    assert_eq!(map.finish(None), Err(MapError::Gap { start: 10, last: 19 }));
    let mut map = MapBuilder::new(20);
    map.add(u64::MAX, 10, named("a"));
    assert!(matches!(map.finish(Some(&FREE)), Err(MapError::PastEnd { len: 20, .. })));
}

#[test]
fn bytes_that_files_share_have_the_name_of_the_first() {
    let mut map = MapBuilder::new(30);
    let (a, b) = (map.node(NodeName::of_path(b"a")), map.node(NodeName::of_path(b"b")));
    map.add_shared(0, 20, Subject::Content { node: a, offset: 0 });
    map.add_shared(10, 20, Subject::Content { node: b, offset: 5 });
    map.add_shared(0, 10, Subject::Content { node: b, offset: 0 });
    let map = map.finish(None).unwrap();
    let subjects: Vec<_> = map.ranges().iter().map(|one| (one.start, one.subject.clone())).collect();
    let content = |node, offset| Subject::Content { node, offset };
    assert_eq!(subjects, [(0, content(a, 0)), (20, content(b, 15))]);
    assert_eq!(map.find(b"b"), Some(b));
}

/// A volume of each format with two files and a link.
fn volumes() -> Vec<(VolumeOptions, Vec<u8>)> {
    let mut tree = Tree::new(Meta::root_owned(0o755, Time::EPOCH));
    let root = tree.root();
    let meta = Meta::root_owned(0o644, Time::EPOCH);
    for (name, len) in [("a.efi", 100), ("large", 300_000)] {
        let kind = NodeKind::File(Content::Inline(vec![7; len].into()));
        let node = Node { meta: meta.clone(), kind };
        let id = tree.add(root, Name::new(name.as_bytes()).unwrap(), node).unwrap();
        assert_eq!(tree.child(root, name.as_bytes()), Some(id));
    }
    let label = || "A".to_owned();
    let all = [
        VolumeOptions::Fat32 { label: label(), volume_id: None },
        VolumeOptions::Ext4 { label: label(), uuid: None, journal: JournalSize::None, reserved: 0 },
        VolumeOptions::Swap { label: label(), uuid: None },
        VolumeOptions::Erofs { label: label(), uuid: None },
    ];
    let volume = |options: VolumeOptions| {
        let (groups, ids) = (ChangeGroups::default(), VolumeIds::derive("image", "root"));
        let mut draft = VolumeDraft::new(&options, (&tree, &groups), &ids, Time::EPOCH).unwrap();
        let len = draft.minimal_len(0).unwrap().max(1 << 20);
        let mut bytes = vec![0; len as usize];
        draft.plan(1 << 20, len).unwrap().read_exact_at(&NoSources, 0, &mut bytes).unwrap();
        (options, bytes)
    };
    all.into_iter().map(volume).collect()
}

#[test]
fn a_damaged_volume_has_a_map_of_every_byte_or_none() {
    let mut state = 1_u64;
    let mut random = |end: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as usize % end
    };
    for (options, mut bytes) in volumes() {
        let format = options.kind().format();
        let map = format.map(&bytes).unwrap();
        let used: Vec<_> = map
            .ranges()
            .iter()
            .filter(|range| range.subject.kind() == RangeKind::Structure)
            .cloned()
            .collect();
        let mut refused = 0;
        for _ in 0..300 {
            let range = &used[random(used.len())];
            let at = range.start as usize + random(range.len as usize);
            let before = bytes[at];
            bytes[at] ^= 1 << random(8);
            match format.map(&bytes) {
                Err(_) => refused += 1,
                Ok(map) => {
                    let end = map.ranges().iter().fold(0, |at, range| {
                        assert_eq!(range.start, at);
                        range.end()
                    });
                    assert_eq!(end, bytes.len() as u64);
                }
            }
            bytes[at] = before;
        }
        assert!(refused > 0, "{}", format.name());
    }
}
