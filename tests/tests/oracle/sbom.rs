//! SBOMs of real packages, judged by the libraries of SPDX and `CycloneDX`.

use std::path::{Path, PathBuf};

use amiforge::sbom::{self, Subject};
use amiforge_formats::digest::Digest;
use amiforge_formats::time::Time;
use amiforge_packages::PackageKind;
use amiforge_packages::backend::PackageFile;
use amiforge_packages::deb::database::{self, Architectures, DatabaseState};
use amiforge_packages::deb::unpack;
use amiforge_packages::filters::Filters;
use amiforge_packages::locked::{LockReason, LockedPackage};
use amiforge_progress::Monitor;
use amiforge_store::Store;
use amiforge_store::blobs::Blobs;
use amiforge_tests::{oracle, python, scratch};

/// Packages with few files, because the oracles take long for each, and with licences of many kinds.
const SOME: [&str; 9] =
    ["base-files", "bash", "coreutils", "grep", "libc6", "openssh-server", "openssl", "sed", "zlib1g"];

/// The packages of [`SOME`] in a folder, as entries of a lock.
fn some_of(debs: &Path) -> Vec<(LockedPackage, PathBuf)> {
    let mut files: Vec<_> = std::fs::read_dir(debs).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut packages = Vec::new();
    for path in files {
        let name = path.file_stem().unwrap().to_str().unwrap().replace("%3a", ":");
        let parts: Vec<&str> = name.split('_').collect();
        if SOME.contains(&parts[0]) {
            let bytes = std::fs::read(&path).unwrap();
            let locked = LockedPackage {
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
            packages.push((locked, path));
        }
    }
    packages
}

#[test]
fn both_documents_are_what_their_own_projects_accept() {
    let debs = scratch::repository().join("target/inputs/minimal-debs");
    if !debs.is_dir() {
        return oracle::skip("no packages: run tests/inputs/packages.sh");
    }
    let Some(python) = python::with(&["spdx_tools", "cyclonedx", "jsonschema"]) else { return };
    let packages = some_of(&debs);
    assert_eq!(packages.len(), SOME.len());
    let folder = scratch::folder();
    let debs: Vec<PackageFile<'_>> =
        packages.iter().map(|(package, path)| PackageFile { package, path: path.clone() }).collect();
    let mut blobs = Blobs::new();
    let store = Store::at(folder.path());
    let mut unpacked =
        unpack::unpack(&debs, &Filters::default(), &store, &mut blobs, Monitor::none()).unwrap();
    let own = Architectures { native: "amd64".into(), foreign: Vec::new() };
    let (tree, diversions) = (&mut unpacked.tree, &unpacked.diversions);
    database::write(
        tree,
        &unpacked.packages,
        diversions,
        DatabaseState::Installed,
        &own,
        Time::EPOCH,
        &blobs,
    )
    .unwrap();
    let lock: Vec<_> = packages.iter().map(|(package, _)| package.clone()).collect();
    let installed = sbom::installed(&unpacked.tree, &blobs, &lock).unwrap();
    assert!(installed.len() == SOME.len() && installed.iter().all(|one| one.file.is_some()));
    let inventory = sbom::inventory(&unpacked.tree, &blobs, &installed).unwrap();
    let loose: Vec<_> =
        inventory.files.iter().filter(|file| file.owner.is_none()).map(|file| &file.path).collect();
    assert!(
        loose.iter().all(|path| path.starts_with("var/lib/dpkg/")),
        "every file of a package has an owner: {loose:?}"
    );
    let subject = Subject {
        name: "minimal",
        version: "1",
        distribution: "debian",
        suite: "bookworm",
        created: Time::from_secs(1_700_000_000),
        tool: "0.1.0",
        base: None,
    };
    let (spdx, cyclonedx) = (folder.path().join("sbom.spdx.json"), folder.path().join("sbom.cdx.json"));
    std::fs::write(&spdx, sbom::spdx(&subject, &inventory)).unwrap();
    std::fs::write(&cyclonedx, sbom::cyclonedx(&subject, &inventory)).unwrap();
    println!("{}", python::must(&python, "sbom.py", &[&spdx, &cyclonedx]));
}
