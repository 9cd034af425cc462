//! Random trees.

use std::collections::BTreeMap;

use amiforge_formats::fat::write;
use amiforge_tests::{oracle, scratch, volume};
use proptest::prelude::*;

use super::fixture::{MIB, assert_nothing_below, assert_same, contents, options, plan, tree_of};
use super::tools::{by_fatfs, fsck};

fn names() -> impl Strategy<Value = String> {
    prop_oneof![
        "[A-Z0-9]{1,8}(\\.[A-Z]{1,3})?",
        "[a-z0-9]{1,8}(\\.[a-z]{1,3})?",
        "[a-zA-Z +,;=\\[\\]._-]{0,40}[a-zA-Z]",
        "longname[0-9]{1,4}\\.tail",
        "[a-zäöüßéЖд日本🙂]{1,12}",
    ]
}

/// Random trees, without names that differ from another one in case only.
fn trees() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
    let path = prop::collection::vec(names(), 1..5);
    let len = prop_oneof![Just(0_usize), 1..2000_usize, Just(4096), 30_000..40_000_usize];
    prop::collection::vec((path, len, any::<u8>()), 0..40).prop_map(|files| {
        let mut seen = std::collections::BTreeSet::new();
        let mut dirs = BTreeMap::new();
        let mut kept = Vec::new();
        for (path, len, seed) in files {
            let upper = |path: &[String]| path.iter().map(|name| name.to_uppercase()).collect::<Vec<_>>();
            // The first spelling of a directory counts.
            let clash = (1..path.len()).any(|to| {
                seen.contains(&upper(&path[..to]))
                    || dirs.get(&upper(&path[..to])).is_some_and(|known| *known != path[..to])
            });
            if clash || dirs.contains_key(&upper(&path)) || !seen.insert(upper(&path)) {
                continue;
            }
            for to in 1..path.len() {
                dirs.insert(upper(&path[..to]), path[..to].to_vec());
            }
            kept.push((path.join("/"), (0..len).map(|at| (at as u8).wrapping_add(seed)).collect()));
        }
        kept
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn random_trees_come_back(files in trees(), extra in 0_u64..8) {
        let tree = tree_of(&files);
        let len = write::minimal_len(&tree, &options(), extra * 100_000).unwrap();
        assert_same(&tree, &volume::bytes(&plan(&tree, len), 0x33));
        assert_nothing_below(&volume::bytes(&plan(&tree, len), 0));
        prop_assert_eq!(plan(&tree, len), plan(&tree, len));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn random_trees_satisfy_fsck_and_fatfs(files in trees()) {
        if oracle::ready(&["fsck.fat"], false) {
            let folder = scratch::folder();
            let path = folder.path().join("volume");
            let tree = tree_of(&files);
            volume::write(&plan(&tree, 36 * MIB), &path, 0x5a);
            fsck(&path);
            prop_assert_eq!(by_fatfs(&path), contents(&tree, &Vec::new()));
        }
    }
}
