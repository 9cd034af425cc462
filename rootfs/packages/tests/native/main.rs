//! Packages of a minimal server image, configured without running anything, against what mmdebstrap made of the same
//! packages by running everything. The inputs come from `tests/inputs/packages.sh`.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and tells what it measured"
)]

mod compare;
#[path = "../../src/configure/testing.rs"]
mod testing;

use std::path::{Path, PathBuf};

use amiforge_formats::digest::Digest;
use amiforge_formats::time::Time;
use amiforge_formats::tree::Tree;
use amiforge_packages::PackageKind;
use amiforge_packages::backend::PackageFile;
use amiforge_packages::configure::AccountIds;
use amiforge_packages::deb::configure::native::{self, NativeReport};
use amiforge_packages::deb::database::Architectures;
use amiforge_packages::deb::unpack;
use amiforge_packages::filters::Filters;
use amiforge_packages::locked::{LockReason, LockedPackage};
use amiforge_progress::Monitor;
use amiforge_store::Store;
use amiforge_store::blobs::Blobs;

const EPOCH: Time = Time::from_secs(1_700_000_000);

/// What a lock would say of the packages in a folder.
fn locked(folder: &Path) -> Vec<(LockedPackage, PathBuf)> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|end| end == "deb")).collect();
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().replace("%3a", ":");
            let parts: Vec<&str> = name.split('_').collect();
            let bytes = std::fs::read(&path).unwrap();
            let package = LockedPackage {
                kind: PackageKind::Deb,
                name: parts[0].into(),
                version: parts[1].into(),
                arch: parts[2].into(),
                sha256: Digest::of(&bytes),
                size: bytes.len() as u64,
                path: format!("pool/{name}.deb"),
                archive: "debian".into(),
                header: None,
                reason: LockReason::Named,
            };
            (package, path)
        })
        .collect()
}

/// The packages unpacked and configured.
fn configured(folder: &Path, store: &Path) -> (Tree, Blobs, NativeReport) {
    let packages = locked(folder);
    let debs: Vec<PackageFile<'_>> =
        packages.iter().map(|(package, path)| PackageFile { package, path: path.clone() }).collect();
    let mut blobs = Blobs::new();
    let store = Store::at(store);
    let unpacked = unpack::unpack(&debs, &Filters::default(), &store, &mut blobs, Monitor::none()).unwrap();
    let mut tree = unpacked.tree;
    let architectures = Architectures { native: "amd64".into(), foreign: Vec::new() };
    let (packages, diversions) = (&unpacked.packages, &unpacked.diversions);
    let start = std::time::Instant::now();
    let answers = std::collections::BTreeMap::new();
    let setup = native::NativeSetup {
        packages,
        diversions,
        architectures: &architectures,
        answers: &answers,
        accounts: &AccountIds::default(),
    };
    let report = native::configure(&mut tree, &blobs, setup, EPOCH, Monitor::none()).unwrap();
    println!("configured {} packages in {:?}", packages.len(), start.elapsed());
    (tree, blobs, report)
}

#[test]
fn a_minimal_server_is_what_its_scripts_would_have_made_it() {
    let (Some(debs), Some(theirs)) = (testing::input("minimal-debs"), testing::input("minimal.tar")) else {
        return;
    };
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let (tree, blobs, report) = configured(&debs, folder.path());
    let (their_tree, their_blobs) = testing::root_of(&theirs);
    let differences = compare::differences((&tree, &blobs), (&their_tree, &their_blobs));
    if let Some(out) = std::env::var_os("AMIFORGE_NATIVE_OUT") {
        let mut lines = report.done.clone();
        lines.extend(
            report
                .skipped
                .iter()
                .map(|skipped| format!("skip {}: {} ({})", skipped.package, skipped.command, skipped.reason)),
        );
        lines.extend(differences.iter().cloned());
        std::fs::write(out, lines.join("\n")).unwrap();
    }
    // These files may differ in order and in the numbers that are drawn, and in nothing else.
    for path in ["etc/passwd", "etc/group", "etc/shadow", "etc/gshadow", "etc/shells"] {
        let ours = compare::accounts(&tree, &blobs, path);
        assert_eq!(ours, compare::accounts(&their_tree, &their_blobs, path), "{path}");
    }
    let unexplained = compare::unexplained(&differences, include_str!("differences.txt"));
    assert!(
        unexplained.is_empty(),
        "{} differences are not explained:\n{}",
        unexplained.len(),
        unexplained.join("\n")
    );
}
