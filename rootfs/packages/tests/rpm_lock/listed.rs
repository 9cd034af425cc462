//! What a repository lists, against `dnf repoquery`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use amiforge_packages::rpm::available::AvailablePackage;
use amiforge_packages::rpm::repository::{filelists, primary};

use crate::repository::distribution;

/// Repositories with metadata at hand.
fn repositories() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let centos = ["../shared/data", "../../shared/data"].map(|data| root.join(data).join("centos9-baseos"));
    let centos = centos.into_iter().find(|path| path.join("repodata").is_dir());
    centos.into_iter().chain(distribution().map(|folder| folder.join("packages"))).collect()
}

/// The decompressed file of a type.
fn metadata(folder: &Path, ending: &str) -> Vec<u8> {
    use std::io::Read as _;
    let mut listed = std::fs::read_dir(folder.join("repodata")).unwrap().map(|entry| entry.unwrap().path());
    let packed = listed.find(|path| path.to_string_lossy().ends_with(ending)).unwrap();
    let mut bytes = Vec::new();
    flate2::read::MultiGzDecoder::new(std::fs::File::open(packed).unwrap()).read_to_end(&mut bytes).unwrap();
    bytes
}

/// The answer of `dnf repoquery`, a line each; none where dnf is not installed.
fn repoquery(folder: &Path, more: &[&str]) -> Option<BTreeSet<String>> {
    let scratch = tempfile::tempdir().unwrap();
    let conf = scratch.path().join("dnf.conf");
    let text = format!(
        "[main]\nplugins=0\nreposdir=/nonexistent\n[x]\nname=x\nbaseurl=file://{}\ngpgcheck=0\n",
        folder.display()
    );
    std::fs::write(&conf, text).unwrap();
    let output = Command::new("dnf")
        .args(["-q", "-c"])
        .arg(&conf)
        .arg(format!("--installroot={}", scratch.path().join("root").display()))
        .arg(format!("--setopt=cachedir={}", scratch.path().join("cache").display()))
        .args(["--releasever=1", "repoquery", "--forcearch=x86_64"])
        .args(more)
        .output();
    let Ok(output) = output else {
        assert!(std::env::var_os("REQUIRE_ORACLES").is_none_or(|value| value != "1"), "dnf is not installed");
        println!("SKIP: dnf is not installed");
        return None;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect())
}

fn shown(package: &AvailablePackage) -> String {
    let evr = &package.evr;
    let mut text = format!("{} {} {}", package.name, evr.epoch.unwrap_or(0), evr.version);
    write!(text, " {} {}", evr.release.as_deref().unwrap_or_default(), package.arch).unwrap();
    write!(text, " {} {} {}", package.path, package.size, package.source).unwrap();
    text
}

#[test]
fn packages_and_relations_are_those_that_dnf_sees() {
    for folder in repositories() {
        let bytes = metadata(&folder, "-primary.xml.gz");
        let read = primary::read("primary.xml", &mut bytes.as_slice(), 0).unwrap();
        assert!(read.left_out.is_empty(), "{:?}", read.left_out);
        let format =
            "%{name} %{epoch} %{version} %{release} %{arch} %{location} %{downloadsize} %{sourcerpm}";
        let Some(theirs) = repoquery(&folder, &["--all", "--qf", format]) else { return };
        let ours: BTreeSet<String> = read.packages.iter().map(shown).collect();
        assert!(ours.len() > 100);
        assert_eq!(difference(&ours, &theirs), None);
        let relations = |ours: BTreeSet<String>, option: &str| {
            let theirs = repoquery(&folder, &["--all", option]).unwrap();
            let theirs: BTreeSet<String> = theirs.into_iter().map(|line| line.trim().to_owned()).collect();
            assert_eq!(difference(&ours, &theirs), None, "{option}");
        };
        let packages = || read.packages.iter();
        relations(packages().flat_map(|one| &one.provides).map(ToString::to_string).collect(), "--provides");
        relations(
            packages().flat_map(|one| &one.obsoletes).map(ToString::to_string).collect(),
            "--obsoletes",
        );
        let plain = |text: &String| !text.starts_with('(');
        let requires = packages().flat_map(|one| &one.requires).filter_map(|one| match &one.dependency {
            amiforge_packages::rpm::relation::RpmDependency::Capability(capability) => {
                Some(capability.to_string())
            }
            _ => None,
        });
        let theirs = repoquery(&folder, &["--all", "--requires"]).unwrap();
        let theirs: BTreeSet<String> = theirs.into_iter().filter(plain).collect();
        assert_eq!(difference(&requires.collect(), &theirs), None, "--requires");
        println!("{}: {} packages", folder.display(), ours.len());
    }
}

/// Some of what only one of two has.
fn difference(ours: &BTreeSet<String>, theirs: &BTreeSet<String>) -> Option<String> {
    let own: Vec<_> = ours.difference(theirs).take(5).collect();
    let other: Vec<_> = theirs.difference(ours).take(5).collect();
    (!own.is_empty() || !other.is_empty()).then(|| format!("ours only: {own:#?}, dnf's only: {other:#?}"))
}

#[test]
fn owners_of_paths_are_those_that_dnf_sees() {
    for folder in repositories() {
        let bytes = metadata(&folder, "-primary.xml.gz");
        let read = primary::read("primary.xml", &mut bytes.as_slice(), 0).unwrap();
        let wanted =
            ["/usr/share/dict/words", "/usr/bin/bash", "/usr/share/doc", "/etc/passwd"].map(str::to_owned);
        let wanted: BTreeSet<String> = wanted.into_iter().collect();
        let bytes = metadata(&folder, "-filelists.xml.gz");
        let owners = filelists::read("filelists.xml", &mut bytes.as_slice(), &wanted).unwrap();
        for path in &wanted {
            let Some(theirs) = repoquery(
                &folder,
                &["--all", "--file", path, "--qf", "%{name}-%{epoch}:%{version}-%{release}.%{arch}"],
            ) else {
                return;
            };
            let has = |package: &&AvailablePackage| {
                owners.get(&package.checksum.hex).is_some_and(|paths| paths.contains(path))
            };
            let name = |one: &AvailablePackage| {
                let release = one.evr.release.as_deref().unwrap_or_default();
                format!(
                    "{}-{}:{}-{release}.{}",
                    one.name,
                    one.evr.epoch.unwrap_or(0),
                    one.evr.version,
                    one.arch
                )
            };
            let ours: BTreeSet<String> = read.packages.iter().filter(has).map(name).collect();
            assert_eq!(difference(&ours, &theirs), None, "{path}");
        }
    }
}
