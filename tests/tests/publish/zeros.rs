//! The policy about blocks of zeros: what is left out is never missed, encrypted or not.

use amiforge::publish::api::Encryption;
use amiforge::publish::upload::{Later, Options, ParentChoice};
use amiforge_tests::place::Region;
use amiforge_tests::program::Bundle;
use amiforge_tests::scratch;

use crate::bundles::{assert_holds, build, options, send, send_as};

/// Blocks of a kind that a manifest counts.
fn count(bundle: &Bundle, kind: &str) -> u64 {
    let blocks = bundle.manifest["blocks"].as_array().unwrap();
    let runs = blocks.iter().filter_map(|block| block.as_str().unwrap().strip_prefix(kind));
    runs.map(|run| run.parse::<u64>().unwrap()).sum()
}

#[test]
fn zeros_are_written_where_encryption_is_or_may_become_involved_and_free_blocks_never() {
    let folder = scratch::folder();
    let bundle = build(folder.path(), 1, 6);
    let opened = Bundle::open(&bundle);
    let (zeros, free) = (count(&opened, "zero*"), count(&opened, "free*"));
    assert!(zeros > 0 && free > 0, "the image has both kinds");
    let without = opened.manifest["ebs"]["without_zero"]["blocks"].as_u64().unwrap();
    let region = Region::start(&folder.path().join("region"));
    let plain = send(&region, &bundle).unwrap();
    assert_eq!((plain.written, plain.snapshot.encrypted), (without, false));
    for (options, encrypted) in [
        (Options { encryption: Encryption::DefaultKey, ..options(&bundle) }, true),
        (Options { later: Later::MayBeEncrypted, ..options(&bundle) }, false),
    ] {
        std::fs::remove_dir_all(folder.path().join("web-1.publish")).unwrap();
        let safe = send_as(&region, &bundle, &options).unwrap();
        assert_eq!((safe.written, safe.snapshot.encrypted), (without + zeros, encrypted));
        assert_holds(&region, &safe.snapshot.id, &bundle, folder.path());
    }
}

#[test]
fn a_child_of_an_encrypted_snapshot_is_encrypted_and_gets_its_zeros() {
    let folder = scratch::folder();
    let old = build(folder.path(), 1, 6);
    let new = build(folder.path(), 2, 6);
    let region = Region::start(&folder.path().join("region"));
    let encrypted = Options { encryption: Encryption::DefaultKey, ..options(&old) };
    let parent = send_as(&region, &old, &encrypted).unwrap();
    let onto = Options { parent: Some(ParentChoice::Id(parent.snapshot.id)), ..options(&new) };
    let child = send_as(&region, &new, &onto).unwrap();
    assert!(child.snapshot.encrypted);
    assert!(child.sent <= 16, "{}", child.sent);
    assert_holds(&region, &child.snapshot.id, &new, folder.path());
}
