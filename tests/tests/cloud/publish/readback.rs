//! Reading back: sound snapshots verify, every flipped bit is found and reported, and interrupted downloads continue.

use std::fs;
use std::path::Path;

use amiforge_emulator::{FaultRule, FaultScript, InjectedFault, When};
use amiforge_formats::digest::Digest;
use amiforge_image::verify::BundleDifference;
use amiforge_progress::Monitor;
use amiforge_publish::download::download;
use amiforge_publish::error::PublishError;
use amiforge_publish::verify::{Sample, SnapshotReport, verify};
use amiforge_tests::region::Region;
use amiforge_tests::scratch;

use super::bundles::{NEEDLE, build, send};

fn check(
    region: &Region,
    snapshot: &str,
    bundle: Option<&Path>,
    sample: Sample,
) -> Result<SnapshotReport, PublishError> {
    let services = region.services();
    region.block_on(verify(&services, snapshot, bundle, sample, 0, Monitor::none()))
}

/// A region with an uploaded bundle: the region, the bundle, and the snapshot.
fn published(folder: &Path) -> (Region, std::path::PathBuf, String) {
    let bundle = build(folder, 1, 6);
    let region = Region::start(&folder.join("region"));
    let snapshot = send(&region, &bundle).unwrap().snapshot.id;
    (region, bundle, snapshot)
}

#[test]
fn an_untouched_snapshot_verifies_with_and_without_its_bundle() {
    let folder = scratch::folder();
    let (region, bundle, snapshot) = published(folder.path());
    for bundle in [Some(bundle.as_path()), Some(&bundle.join("manifest.json")), None] {
        let report = check(&region, &snapshot, bundle, Sample::All).unwrap();
        assert_eq!(report.differences, [], "{bundle:?}");
        assert!(report.read > 0 && report.read == report.held);
    }
    let sampled = check(&region, &snapshot, Some(&bundle), Sample::Percent(40.0)).unwrap();
    assert_eq!(sampled.differences, []);
    assert!(sampled.read > 0 && sampled.read < sampled.held, "{} of {}", sampled.read, sampled.held);
}

#[test]
fn tokens_that_expire_while_a_snapshot_is_read_are_requested_again() {
    let folder = scratch::folder();
    let (region, bundle, snapshot) = published(folder.path());
    for when in [When::First(1), When::Every(3)] {
        let rule = FaultRule {
            service: None,
            action: Some("GetSnapshotBlock".to_owned()),
            target: None,
            when,
            times: Some(2),
            what: InjectedFault::ExpireTokens,
        };
        region.inject(FaultScript { rules: vec![rule] });
        let report = check(&region, &snapshot, Some(&bundle), Sample::All).unwrap();
        assert_eq!(report.differences, []);
        assert_eq!(report.read, report.held);
    }
}

/// The number of list requests that were refused.
fn refused(region: &Region) -> usize {
    region.requests("ListSnapshotBlocks").iter().filter(|seen| seen.status == 400).count()
}

#[test]
fn pages_whose_tokens_expire_while_a_snapshot_is_listed_are_requested_again() {
    let folder = scratch::folder();
    let bundle = build(folder.path(), 1, 6);
    let region = Region::with(&folder.path().join("region"), |config| config.list_page_size = Some(3));
    let snapshot = send(&region, &bundle).unwrap().snapshot.id;
    let expire = |when| FaultRule {
        service: None,
        action: Some("ListSnapshotBlocks".to_owned()),
        target: None,
        when,
        times: Some(2),
        what: InjectedFault::ExpireTokens,
    };
    for when in [When::First(2), When::Every(2), When::Every(3)] {
        region.inject(FaultScript { rules: vec![expire(when)] });
        let (before, stale) = (region.requests("ListSnapshotBlocks").len(), refused(&region));
        let report = check(&region, &snapshot, Some(&bundle), Sample::All).unwrap();
        assert_eq!((report.differences.as_slice(), report.read), ([].as_slice(), report.held));
        assert!((region.requests("ListSnapshotBlocks").len() - before) as u64 > report.held / 3, "in pages");
        assert!(refused(&region) > stale, "a token was stale");
    }
}

#[test]
fn every_flipped_bit_is_found_and_a_passing_one_is_read_again() {
    let folder = scratch::folder();
    let (region, bundle, snapshot) = published(folder.path());
    let get = Some("GetSnapshotBlock".to_owned());
    for bit in [0, 7, 4095, 1 << 20, (1 << 22) - 1] {
        // In one block, every time that it is read.
        let rule = FaultRule {
            service: None,
            action: get.clone(),
            target: Some("/blocks/2?".to_owned()),
            when: When::Always,
            times: None,
            what: InjectedFault::FlipBit { bit },
        };
        region.inject(FaultScript { rules: vec![rule] });
        let report = check(&region, &snapshot, Some(&bundle), Sample::All).unwrap();
        assert!(
            matches!(report.differences.as_slice(), [BundleDifference::Unread { block: 2, locations, .. }] if !locations.is_empty()),
            "bit {bit}: {:?}",
            report.differences
        );
        region.inject(FaultScript::times(5, "GetSnapshotBlock", InjectedFault::FlipBit { bit }));
        let report = check(&region, &snapshot, Some(&bundle), Sample::All).unwrap();
        assert_eq!(report.differences, [], "bit {bit} came right the next time");
    }
    region.inject(FaultScript::times(4, "GetSnapshotBlock", InjectedFault::ShortRead { bytes: 1000 }));
    assert_eq!(check(&region, &snapshot, Some(&bundle), Sample::All).unwrap().differences, []);
}

#[test]
fn a_block_altered_in_the_regions_folder_is_named_with_partition_and_file() {
    let folder = scratch::folder();
    let (region, bundle, snapshot) = published(folder.path());
    let image = fs::read(bundle.join("disk.raw")).unwrap();
    let at = image.windows(NEEDLE.len()).position(|bytes| bytes == NEEDLE).unwrap();
    let index = at >> 19;
    let mut block = image[index << 19..].to_vec();
    block.resize(1 << 19, 0);
    let name = Digest::of(&block).to_string();
    let file = folder.path().join("region/blocks").join(&name[..2]).join(&name);
    block[at & ((1 << 19) - 1)] ^= 1;
    fs::write(&file, &block).unwrap();
    let report = check(&region, &snapshot, Some(&bundle), Sample::All).unwrap();
    let text: Vec<_> = report.differences.iter().map(ToString::to_string).collect();
    assert_eq!(text.len(), 1, "{text:?}");
    assert!(text[0].contains(&format!("block {index} ")), "{text:?}");
    assert!(text[0].contains("`root`") && text[0].contains("`/etc/motd`"), "{text:?}");
    // Without the bundle the block is still found, by the checksum that the service states.
    let report = check(&region, &snapshot, None, Sample::All).unwrap();
    assert!(!report.differences.is_empty());
}

#[test]
fn another_bundle_differs_where_it_differs() {
    let folder = scratch::folder();
    let (region, _, snapshot) = published(folder.path());
    let other = build(folder.path(), 2, 6);
    let report = check(&region, &snapshot, Some(&other), Sample::All).unwrap();
    let differing = report.differences.len();
    assert!((1..16).contains(&differing), "{:?}", report.differences);
    assert!(
        report.differences.iter().any(|one| one.to_string().contains("`/etc/motd`")),
        "{:?}",
        report.differences
    );
}

#[test]
fn a_download_that_was_stopped_resumes_and_gets_its_name_only_at_the_end() {
    let folder = scratch::folder();
    let (region, bundle, snapshot) = published(folder.path());
    let out = folder.path().join("back.raw");
    let services = region.services();
    let get = || region.block_on(download(&services, &snapshot, &out, 0, Monitor::none()));
    let stop = FaultRule {
        service: None,
        action: Some("GetSnapshotBlock".to_owned()),
        target: None,
        when: When::Always,
        times: None,
        what: InjectedFault::ServerError { status: 500 },
    };
    let first = FaultRule { when: When::First(9), what: InjectedFault::Slow { millis: 1 }, ..stop.clone() };
    region.inject(FaultScript { rules: vec![first, stop] });
    get().unwrap_err();
    assert!(!out.exists());
    region.inject(FaultScript::default());
    let done = get().unwrap();
    assert_eq!(done.fetched, done.held - 9);
    let (found, expected) = (fs::read(&out).unwrap(), fs::read(bundle.join("disk.raw")).unwrap());
    assert!(found.starts_with(&expected));
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains("partial")), "{left:?}");
    assert!(matches!(get().unwrap_err(), PublishError::File { .. }), "an existing file is not replaced");
}
