//! Random trees.

use amiforge_formats::ext4::write::minimal_len;
use amiforge_formats::tree::{Name, NodeKind};
use proptest::prelude::*;

use super::fixture::{clean, empty, node, options, slice};

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn trees_are_clean(
        names in proptest::collection::vec(("[a-z\\PC]{1,60}", 0u8..12, 0u64..3_000_000, 0usize..300), 1..200),
        slack in 0u64..300,
    ) {
        let mut tree = empty();
        let mut dirs = vec![tree.root()];
        for (i, (name, kind, len, xattr)) in names.into_iter().enumerate() {
            let parent = dirs[i * 7919 % dirs.len()];
            let name: Vec<u8> = name.bytes().filter(|b| *b != b'/' && *b != 0).take(250).collect();
            let Ok(name) = Name::new(&name) else { continue };
            let kind = match kind {
                0..=2 => NodeKind::dir(),
                3 => NodeKind::Symlink(vec![b'x'; (len % 4095) as usize + 1].into()),
                4 => NodeKind::Fifo,
                5 => slice(0, len),
                _ => slice(0, len % 20_000),
            };
            let is_dir = matches!(kind, NodeKind::Dir(_));
            let mut new = node(kind);
            if xattr < 100 {
                new.meta.xattrs = Some(Box::new([(b"user.k"[..].into(), vec![1; xattr * 3].into())].into()));
            }
            if let Ok(id) = tree.add(parent, name, new) {
                dirs.extend(is_dir.then_some(id));
            }
        }
        let len = minimal_len(&tree, &options(), slack << 16).unwrap();
        clean(&tree, &options(), len);
    }
}
