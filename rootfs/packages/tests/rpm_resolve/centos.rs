//! `CentOS` Stream 9 `BaseOS`, 1,125 packages, where its metadata are at hand.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use amiforge_packages::rpm::resolve::{RpmRequest, RpmResolveError, RpmUniverse};

use crate::random::Numbers;
use crate::{oracle, primary, request};

/// The repository; none where it is not there.
fn repository() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let found = ["../shared/data", "../../shared/data"].map(|data| root.join(data).join("centos9-baseos"));
    let found = found.into_iter().find(|path| path.join("repodata").is_dir());
    if found.is_none() {
        println!("SKIP: no metadata of CentOS Stream 9");
    }
    found?.canonicalize().ok()
}

/// Both universes: with the primary metadata only, and with all files.
struct Universes {
    primary: RpmUniverse,
    complete: RpmUniverse,
}

impl Universes {
    fn of(folder: &Path) -> Self {
        let priorities = vec![99];
        let complete = RpmUniverse::new(primary::packages_with_files(folder), "x86_64", priorities.clone());
        Self {
            primary: RpmUniverse::new(primary::packages(folder), "x86_64", priorities),
            complete: complete.with_complete_files(),
        }
    }

    /// As a caller does it: again with all files where they are needed.
    fn answer(&self, request: &RpmRequest) -> String {
        let answer = match oracle::own(&self.primary, request) {
            Err(RpmResolveError::NeedsFileLists(_)) => oracle::own(&self.complete, request),
            answer => answer,
        };
        answer.unwrap_or_else(|error| format!("!{error}"))
    }
}

/// Compares all answers with dnf's; both refuse, or both choose the same.
fn compare(requests: &[RpmRequest]) {
    let Some(folder) = repository() else { return };
    let Some(theirs) = oracle::answers(&[(vec![folder.display().to_string()], requests.to_vec())]) else {
        return;
    };
    let universes = Universes::of(&folder);
    let (mut different, mut slowest, mut whole) = (Vec::new(), Duration::ZERO, Duration::ZERO);
    for (request, theirs) in requests.iter().zip(&theirs) {
        let start = Instant::now();
        let ours = universes.answer(request);
        let took = start.elapsed();
        (slowest, whole) = (slowest.max(took), whole + took);
        let names: Vec<&str> = request.packages.iter().map(|requested| requested.text.as_str()).collect();
        if ours.starts_with('!') && theirs.starts_with('!') {
            println!("refused: {names:?}\n{ours}\n  dnf: {theirs}");
        } else if ours != *theirs {
            let difference = oracle::difference(&ours, theirs);
            different.push(format!("{names:?} weak {}: {difference}", request.weak));
        }
    }
    let refused = theirs.iter().filter(|answer| answer.starts_with('!')).count();
    println!(
        "{} requests, {refused} refused by dnf, {whole:?} in all, {slowest:?} for the slowest",
        requests.len()
    );
    assert!(different.is_empty(), "{} differ:\n{}", different.len(), different.join("\n"));
}

#[test]
fn known_sets_are_chosen_as_dnf_chooses_them() {
    let sets: [&[&str]; 12] = [
        &["bash"],
        &["systemd"],
        &["kernel"],
        &["openssh-server"],
        &["selinux-policy-targeted"],
        &["NetworkManager"],
        &["sssd"],
        &["dnf"],
        &["grub2-efi-x64", "shim-x64"],
        &["bash", "systemd", "openssh-server", "kernel", "dnf"],
        &["krb5-server"],
        &["/usr/bin/python3", "glibc-langpack-de", "langpacks-de"],
    ];
    let with = |weak: bool| sets.into_iter().map(move |names| request(names, weak));
    compare(&with(true).chain(with(false)).collect::<Vec<_>>());
}

#[test]
fn random_sets_are_chosen_as_dnf_chooses_them() {
    let Some(folder) = repository() else { return };
    let mut names: Vec<String> = primary::packages(&folder).into_iter().map(|package| package.name).collect();
    names.sort_unstable();
    names.dedup();
    let mut numbers = Numbers(0x2545_f491_4f6c_dd1d);
    let mut requests = Vec::new();
    for at in 0..200 {
        let count = 1 + numbers.below(6);
        let chosen: Vec<&str> = (0..count).map(|_| names[numbers.below(names.len())].as_str()).collect();
        requests.push(request(&chosen, at % 2 == 0));
        requests.push(RpmRequest { best: at % 4 < 2, ..request(&chosen, at % 2 == 1) });
    }
    compare(&requests);
}
