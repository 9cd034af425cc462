//! Real packages, configured by their own scripts: equal to mmdebstrap's tree except for the differences that
//! `differences.txt` explains. Takes minutes and a mirror the first time; the inputs are kept under `target/inputs`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use amiforge_formats::digest::Digest;
use amiforge_formats::time::Time;
use amiforge_formats::tree::Tree;
use amiforge_packages::PackageKind;
use amiforge_packages::backend::PackageFile;
use amiforge_packages::backend::ScriptSettings;
use amiforge_packages::configure::AccountIds;
use amiforge_packages::deb::configure::run::configure;
use amiforge_packages::deb::database::{self, Architectures, DatabaseState};
use amiforge_packages::deb::unpack::unpack;
use amiforge_packages::filters::Filters;
use amiforge_packages::locked::{LockReason, LockedPackage};
use amiforge_progress::Monitor;
use amiforge_rootfs::assemble::assemble;
use amiforge_rootfs::sources::{DigestPin, SourceKind, SourceSpec};
use amiforge_sandbox::{OnFailure, SandboxClock, SandboxLimits, Seed};
use amiforge_store::Store;
use amiforge_store::blobs::Blobs;

use crate::fixture::{Fixture, listing};
use crate::forbidden::skip;

pub(crate) const TESTS: &[crate::Test] = crate::tests![configured_packages_are_what_mmdebstrap_installs];

/// Every time is clamped to this.
const EPOCH: i64 = 1_700_000_000;

/// A server that boots.
const PACKAGES: &str =
    "systemd-sysv,linux-image-cloud-amd64,cloud-init,openssh-server,dbus,udev,ca-certificates,python3";

/// The packages and mmdebstrap's tree of them.
fn inputs() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/inputs/configured");
    if !folder.join("tree.tar").exists() {
        std::fs::create_dir_all(&folder).ok()?;
        let folder = folder.canonicalize().ok()?;
        let part = folder.join("part.tar");
        let made = Command::new("mmdebstrap")
            .args([
                "--quiet",
                "--variant=required",
                "--skip=essential/unlink,cleanup/apt/cache,download/empty",
            ])
            .arg("--aptopt=APT::Keep-Downloaded-Packages \"true\"")
            .arg(format!("--include={PACKAGES}"))
            .arg(format!("--customize-hook=copy-out /var/cache/apt/archives '{}'", folder.display()))
            .arg("bookworm")
            .arg(&part)
            .env("SOURCE_DATE_EPOCH", EPOCH.to_string())
            .status();
        if !made.is_ok_and(|made| made.success()) {
            return None;
        }
        std::fs::rename(part, folder.join("tree.tar")).unwrap();
    }
    Some(folder)
}

fn configured_packages_are_what_mmdebstrap_installs() {
    if !cfg!(target_arch = "x86_64") || !rustix::process::geteuid().is_root() {
        return skip("only root makes this tree, of amd64 packages");
    }
    let Some(folder) = inputs() else { return skip("mmdebstrap is not installed, or cannot reach a mirror") };
    let mut fixture = Fixture::new();
    fixture.blobs = Blobs::new();
    let theirs = made_by_mmdebstrap(&folder, &mut fixture);
    let ours = made_by_us(&folder, &mut fixture);
    let (theirs, ours) = (lines(&fixture, &theirs), lines(&fixture, &ours));
    let paths: BTreeSet<&String> = theirs.keys().chain(ours.keys()).collect();
    let known: Vec<&str> = include_str!("differences.txt")
        .lines()
        .filter(|line| line.starts_with('/'))
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    let explained = |path: &str| {
        known.iter().any(|known| match known.strip_suffix('*') {
            Some(begin) => path.starts_with(begin),
            None => path == *known,
        })
    };
    let differ = paths.into_iter().filter(|path| theirs.get(*path) != ours.get(*path) && !explained(path));
    let differ: Vec<String> =
        differ.map(|path| format!("{path}\n  {:?}\n  {:?}", theirs.get(path), ours.get(path))).collect();
    assert!(differ.is_empty(), "mmdebstrap's and ours:\n{}", differ.join("\n"));
    assert!(ours.len() > 15_000, "{}", ours.len());
}

/// The line of each path. Times of folders and links are left out: dpkg renames unpacked files.
fn lines(fixture: &Fixture, tree: &Tree) -> BTreeMap<String, String> {
    let clamp = |word: &str| match word.strip_suffix(".000000000").and_then(|secs| secs.parse::<i64>().ok()) {
        Some(secs) => secs.min(EPOCH).to_string(),
        None => word.to_owned(),
    };
    let listing = listing(fixture, tree);
    let lines = listing.lines().map(|line| {
        let (path, rest) = line.split_once(' ').unwrap();
        let words: Vec<&str> = rest.split(' ').collect();
        let timeless = matches!(words[0], "dir" | "symlink");
        let kept = words.iter().enumerate().filter(|(at, _)| !(timeless && *at == 3));
        let kept: Vec<String> = kept.map(|(_, word)| clamp(word)).collect();
        (path.to_owned(), kept.join(" "))
    });
    lines.collect()
}

fn made_by_mmdebstrap(folder: &Path, fixture: &mut Fixture) -> Tree {
    let spec = SourceSpec {
        label: "tree.tar".into(),
        kind: SourceKind::Tar { path: folder.join("tree.tar") },
        pin: DigestPin::Unpinned,
        strip: 0,
        prefix: String::new(),
        exclude: Vec::new(),
        overrides: false,
    };
    assemble(&[spec], &Store::at(&folder.join("store")), &mut fixture.blobs, Monitor::none()).unwrap().tree
}

fn made_by_us(folder: &Path, fixture: &mut Fixture) -> Tree {
    let entries = std::fs::read_dir(folder.join("archives")).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|end| end == "deb")).collect();
    paths.sort();
    let locked: Vec<LockedPackage> = paths.iter().map(|path| locked(path)).collect();
    let debs: Vec<PackageFile<'_>> = locked
        .iter()
        .zip(&paths)
        .map(|(package, path)| PackageFile { package, path: path.clone() })
        .collect();
    let store = Store::at(&folder.join("store"));
    let blobs = &mut fixture.blobs;
    let mut unpacked = unpack(&debs, &Filters::default(), &store, blobs, Monitor::none()).unwrap();
    let architectures = Architectures { native: "amd64".into(), foreign: Vec::new() };
    let epoch = Time::from_secs(EPOCH);
    let (tree, packages) = (&mut unpacked.tree, &unpacked.packages);
    database::write(
        tree,
        packages,
        &unpacked.diversions,
        DatabaseState::Unpacked,
        &architectures,
        epoch,
        &*blobs,
    )
    .unwrap();
    let (limits, clock) = (SandboxLimits::default(), SandboxClock::Still);
    let settings = ScriptSettings {
        answers: &BTreeMap::new(),
        accounts: &AccountIds::default(),
        limits,
        epoch,
        now: epoch,
        on_failure: OnFailure::Stop,
        clock,
        seed: Seed::shared(),
    };
    let captured = configure(tree, packages, &settings, &fixture.sandbox, blobs, Monitor::none());
    captured.unwrap_or_else(|error| panic!("{error}")).tree
}

/// The locked package of a file named `NAME_VERSION_ARCH.deb`.
fn locked(path: &Path) -> LockedPackage {
    let stem = path.file_stem().unwrap().to_str().unwrap().replace("%3a", ":");
    let words: Vec<&str> = stem.split('_').collect();
    let bytes = std::fs::read(path).unwrap();
    LockedPackage {
        kind: PackageKind::Deb,
        name: words[0].into(),
        version: words[1].into(),
        arch: words[2].into(),
        sha256: Digest::of(&bytes),
        size: bytes.len() as u64,
        path: String::new(),
        archive: "debian".into(),
        header: None,
        reason: LockReason::Named,
    }
}
