//! An image that tools of others made.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;

use amiforge_image::explain::{ExplainError, Explanation};
use amiforge_image::inspect::Medium;
use amiforge_progress::Monitor;
use amiforge_tests::{oracle, program, scratch};

use super::judged;
use crate::diff::sample::{ROOT, sample};

const TOOLS: [&str; 6] = ["sgdisk", "mkfs.fat", "mmd", "mcopy", "mke2fs", "mkswap"];

#[test]
fn every_byte_of_an_image_of_others_is_explained_as_its_tools_explain_it() {
    if !oracle::ready(&TOOLS, false) {
        return;
    }
    let folder = scratch::folder();
    let disk = sample(folder.path());
    let medium = Medium::open(&disk).unwrap();
    let coverage = Explanation::open(&medium).unwrap().coverage(Monitor::none()).unwrap();
    assert_eq!(coverage.sum, coverage.size, "{}", coverage.text());
    assert!(coverage.complete, "{}", coverage.text());
    let Some(counts) = judged(&disk, folder.path(), 3000, 7) else { return };
    for kind in ["content", "names", "free", "tail", "inode table", "fat table", "fat free"] {
        assert!(counts[kind].as_u64().is_some_and(|count| count > 0), "no comparison of {kind}: {counts}");
    }
}

#[test]
fn a_deleted_file_is_not_explained_and_a_damaged_inode_is_named() {
    if !oracle::ready(&TOOLS, false) {
        return;
    }
    let folder = scratch::folder();
    let disk = sample(folder.path());
    crate::diff::sample::debugfs(&disk, "rm /big");
    let output = program::run(&["explain", &disk.to_string_lossy(), "--coverage", "--json"]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["sum"], report["size"]);
    let why = report["unexplained"][0]["why"].as_str().unwrap();
    assert!(why.contains("not zero"), "{why}");
    let left = report["size"].as_u64().unwrap() - report["explained"].as_u64().unwrap();
    assert!((300_000..400_000).contains(&left), "its content and its inode are left: {left}");
    // The inode of /etc.
    let medium = Medium::open(&disk).unwrap();
    let etc = Explanation::open(&medium).unwrap().path("root", b"etc").unwrap();
    let inode = etc.ranges.iter().find(|range| range.what.starts_with("inode ")).unwrap();
    assert!((ROOT.0..ROOT.0 + ROOT.1).contains(&inode.start));
    OpenOptions::new().write(true).open(&disk).unwrap().write_all_at(&[0xff], inode.start + 4).unwrap();
    let error = Explanation::open(&medium).unwrap().path("root", b"etc").unwrap_err();
    assert!(matches!(error, ExplainError::Damaged { .. }), "{error}");
    let output = program::run(&["explain", &disk.to_string_lossy(), "root:/etc/hosts"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.code() == Some(1) && stderr.contains("inode") && stderr.contains("checksum"),
        "{stderr}"
    );
}

#[test]
fn what_is_no_image_is_refused_and_nothing_is_read_past_the_end() {
    let folder = scratch::folder();
    let path = folder.path().join("short.raw");
    for len in [0, 1, 511, 512, 4096, 5000] {
        let mut file = File::create(&path).unwrap();
        file.write_all(&vec![0x5a; len]).unwrap();
        let output = program::run(&["explain", &path.to_string_lossy(), "--coverage"]);
        assert!(matches!(output.status.code(), Some(0 | 1 | 3)), "{len}: {output:?}");
        let output = program::run(&["explain", &path.to_string_lossy(), "--offset", "5000"]);
        assert_eq!(output.status.code(), Some(1), "{len}: {output:?}");
    }
    fs::remove_file(path).unwrap();
}
