//! Held to the cache that ldconfig wrote into a real root.

use super::super::testing::{self, root_of};
use super::*;

#[test]
fn the_cache_is_what_ldconfig_wrote() {
    let Some(tar) = testing::input("min.tar") else { return };
    let (tree, blobs) = root_of(&tar);
    let made = ldconfig(&tree, &blobs).unwrap();
    let theirs = path::read(&tree, &blobs, b"/etc/ld.so.cache").unwrap().unwrap();
    assert!(made.libraries > 50 && made.links.is_empty(), "{} {:?}", made.libraries, made.links);
    assert!(made.cache == theirs, "{} and {} bytes", made.cache.len(), theirs.len());
}
