//! The bytes of an image are part of the contract: a commit that changes one says what changed.

use amiforge_formats::digest::Digest;
use amiforge_formats::erofs::write::{ErofsDraft, minimal_len, plan};

use super::fixture::{MIB, add, bytes, empty, options, slice};
use super::fixtures::system::System;

#[test]
fn images_have_the_golden_bytes() {
    let mut tree = empty();
    let root = tree.root();
    for i in 0..400 {
        add(&mut tree, root, format!("file{i}").as_bytes(), slice(i, i * 1700));
    }
    let least = minimal_len(&tree, &options(), 0).unwrap();
    let digests =
        [least, 512 * MIB].map(|len| Digest::of(&bytes(&plan(&tree, &options(), len).unwrap())).to_string());
    let system = System::new(&|_| false, 1);
    let draft = ErofsDraft::grouped(&system.tree, &system.groups(), &options()).unwrap();
    let extents = draft.plan(2048 * MIB).unwrap().extents().iter().fold(String::new(), |text, extent| {
        text + &format!("{} {} {:?}\n", extent.offset, extent.len, extent.data)
    });
    let digests = [digests.as_slice(), &[Digest::of(extents.as_bytes()).to_string()]].concat();
    assert_eq!(
        digests,
        [
            "86aa270d63394ff92d2f0b4e97bc2ffc7d8f9a043b6d61b7b0333b2dd83c0913",
            "4aa5da6bcc934ab96cbe8afe36b847ae81b809a4fd5857e7da51708a8d11dfdf",
            "baf9f5b12e0290be8f3d4f72b989847566e13d6fcc94373dabeab46d2e20f330",
        ]
    );
}
