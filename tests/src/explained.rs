//! Images whose every byte is explained, and random bytes of them for tools of others to judge.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Instant;

use amiforge_image::explain::{Coverage, ExplainedRange, Explanation};
use amiforge_image::inspect::{DiskView, Medium, PartitionSlot};
use amiforge_progress::Monitor;
use serde_json::{Value, json};

use crate::rng::Rng;

/// Asserts that every byte of a bundle is explained, and that `origins.txt` has the paths of `tree.txt`.
///
/// # Panics
/// When something is not explained; the message names it.
pub fn coverage(bundle: &Path) -> Coverage {
    let start = Instant::now();
    let medium = Medium::open(bundle).expect("the bundle opens");
    let explanation = Explanation::open(&medium).expect("it can be explained");
    let coverage = explanation.coverage(Monitor::none()).expect("it can be read");
    let seconds = start.elapsed().as_secs_f64();
    println!("{}: explained in {seconds:.2} s\n{}", bundle.display(), coverage.text());
    assert!(coverage.complete && coverage.origins, "{}", coverage.text());
    assert_eq!(coverage.rows.iter().map(|row| row.bytes).sum::<u64>(), explanation.size());
    let origins = fs::read_to_string(bundle.join("origins.txt")).expect("origins.txt");
    let tree = fs::read_to_string(bundle.join("tree.txt")).expect("tree.txt");
    println!("origins.txt has {} bytes, tree.txt {}", origins.len(), tree.len());
    let listed = tree.lines().filter(|line| line.starts_with('/'));
    let listed: BTreeSet<&str> = listed.filter_map(|line| line.split(' ').next()).collect();
    let paths = origins.lines().filter(|line| line.starts_with(|first: char| first.is_ascii_digit()));
    let paths = paths.filter_map(|line| line.split(' ').nth(1)).filter(|path| path.starts_with('/'));
    let with_origin: BTreeSet<&str> = paths.collect();
    let lost: Vec<_> = listed.symmetric_difference(&with_origin).take(10).collect();
    assert!(lost.is_empty(), "only in one of tree.txt and origins.txt: {lost:?}");
    coverage
}

/// Random bytes of an image with what they are: half of them from anywhere, half from what is not free.
///
/// # Panics
/// When the image cannot be explained.
pub fn sample(image: &Path, count: usize, seed: u64) -> Vec<Value> {
    let medium = Medium::open(image).expect("the image opens");
    let explanation = Explanation::open(&medium).expect("it can be explained");
    let view = DiskView::read(&medium).expect("its partition table");
    let whole = explanation.bytes(0..explanation.size()).expect("all of it");
    let used: Vec<&ExplainedRange> = whole.ranges.iter().filter(|range| range.kind != "free").collect();
    let mut ends: Vec<u64> = Vec::with_capacity(used.len());
    for range in &used {
        ends.push(ends.last().copied().unwrap_or(0) + range.len);
    }
    let mut rng = Rng(seed);
    let mut samples = Vec::with_capacity(count);
    for index in 0..count {
        let at = if index % 2 == 0 {
            rng.below(explanation.size())
        } else {
            let among_used = rng.below(*ends.last().expect("something is used"));
            let found = ends.partition_point(|end| *end <= among_used);
            used[found].end() - (ends[found] - among_used)
        };
        let position = whole.ranges.partition_point(|range| range.end() <= at);
        let slot = view.slots.iter().find(|slot| slot.start <= at && at - slot.start < slot.len);
        samples.push(described(&whole.ranges[position], at, slot));
    }
    samples
}

/// A byte as the script of the oracles reads it.
fn described(range: &ExplainedRange, at: u64, slot: Option<&PartitionSlot>) -> Value {
    let origin = range.origin.as_ref();
    json!({
        "at": at,
        "kind": range.kind,
        "what": range.what,
        "path": range.path,
        "offset": range.offset.map(|offset| offset + (at - range.start)),
        "volume": slot.map(|slot| json!({ "fs": slot.content.name(), "start": slot.start, "len": slot.len })),
        "origin": origin.map(|origin| json!({ "kind": origin.kind, "sha256": origin.facts.get("sha256") })),
    })
}
