//! A whole distribution: what dnf installs has the rows that we write, and dnf works on.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use amiforge_packages::locked::LockReason;
use amiforge_packages::rpm::header::tag;
use amiforge_packages::rpm::package::UnpackedRpm;

use super::fixture::{Bench, FOLDER, assert_same_dump, database_of, file, have, tree, unpacked};

/// What the image asks for; the rest is what that needs.
const WISHES: [&str; 8] =
    ["apache2", "openssh-server", "systemd-sysv", "kernel", "dnf", "rpm", "iproute2", "ca-certificates"];

/// The folder of the test distribution's packages, made by `tests/inputs/rpm.sh`.
fn distribution() -> Option<PathBuf> {
    let folder = std::env::var_os("AMIFORGE_TEST_INPUTS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/inputs"), PathBuf::from);
    let folder = folder.join("rpm");
    if folder.join("packages/repodata/repomd.xml").exists() {
        return Some(folder);
    }
    let why = "there is no `rpm` among the test inputs; tests/inputs/rpm.sh makes it";
    assert!(std::env::var_os("REQUIRE_ORACLES").is_none_or(|value| value != "1"), "{why}");
    println!("SKIP: {why}");
    None
}

struct Dnf<'a> {
    bench: &'a Bench,
    config: String,
    cache: String,
    log: String,
}

impl<'a> Dnf<'a> {
    fn new(bench: &'a Bench, folder: &Path) -> Self {
        let config = format!(
            "[main]\nplugins=0\nreposdir=/nonexistent\ngpgcheck=1\ninstall_weak_deps=0\nbest=1\n[dist]\nname=dist\n\
             baseurl=file://{0}/packages\ngpgkey=file://{0}/key.asc\n",
            folder.display()
        );
        fs::write(bench.path("dnf.conf"), config).unwrap();
        fs::create_dir_all(bench.path("log")).unwrap();
        let path = |name: &str| bench.path(name).to_str().unwrap().to_owned();
        Self { bench, config: path("dnf.conf"), cache: path("cache"), log: path("log") }
    }

    /// Runs dnf on a root; a failure of it fails the test.
    fn run(&self, root: &Path, args: &[&str]) -> String {
        // It wants its folder of logs in the root too.
        fs::create_dir_all(root.join(self.log.trim_start_matches('/'))).unwrap();
        let root = format!("--installroot={}", root.display());
        let cache = format!("--setopt=cachedir={}", self.cache);
        let log = format!("--setopt=logdir={}", self.log);
        let common =
            ["-c", &self.config, &root, "--releasever=1", "-y", &cache, &log, "--setopt=tsflags=noscripts"];
        self.bench.output("dnf", &[&common, args].concat())
    }
}

/// The packages of a reference database in its order, from their files.
fn packages(bench: &Bench, reference: &Path, folder: &Path) -> Vec<UnpackedRpm> {
    let sql = "SELECT key FROM Sha1header ORDER BY hnum";
    let order = bench.output("sqlite3", &[reference.to_str().unwrap(), sql]);
    let files = fs::read_dir(folder.join("packages")).unwrap().map(|file| file.unwrap().path());
    let all: Vec<UnpackedRpm> = files
        .filter(|file| file.extension().is_some_and(|end| end == "rpm"))
        .map(|file| unpacked(&file))
        .collect();
    let of = |sha1: &str| {
        let found =
            all.iter().find(|package| package.signatures.text(tag::SHA1HEADER) == Some(sha1.as_bytes()));
        let mut package = found?.clone();
        if !WISHES.contains(&package.locked.name.as_str()) {
            package.locked.reason = LockReason::Dependency;
        }
        Some(package)
    };
    order.lines().filter_map(of).collect()
}

#[test]
fn a_distribution_has_the_rows_of_dnf_and_dnf_works_on() {
    let Some(folder) = distribution().filter(|_| have(&["rpm", "dnf", "sqlite3"])) else { return };
    let bench = Bench::new();
    let dnf = Dnf::new(&bench, &folder);
    let root = bench.path("root");
    // dnf would import what its gpg makes of the key.
    fs::create_dir_all(&root).unwrap();
    let key_file = folder.join("key.asc");
    bench.output("rpmkeys", &["--root", root.to_str().unwrap(), "--import", key_file.to_str().unwrap()]);
    dnf.run(&root, &[&["install"], WISHES.as_slice()].concat());
    let database = root.join(FOLDER).join("rpmdb.sqlite");
    let packages = packages(&bench, &database, &folder);
    assert!(packages.len() > 100, "{}", packages.len());
    let key = fs::read(key_file).unwrap();
    let start = Instant::now();
    let made = tree(&packages, &[key]);
    let took = start.elapsed();
    let bytes = database_of(&made);
    println!("{} packages: {} bytes in {took:?}", packages.len(), bytes.len());
    let own = bench.path("own.sqlite");
    fs::write(&own, &bytes).unwrap();
    assert_same_dump(&bench.dump(&own), &bench.dump(&database));
    replace(&root, &bytes, &file(&made, "/var/lib/dnf/history.sqlite"));
    works_on(&bench, &dnf, &root);
}

/// Puts our databases into a root that dnf filled.
fn replace(root: &Path, database: &[u8], history: &[u8]) {
    for (folder, name, bytes) in
        [(FOLDER, "rpmdb.sqlite", database), ("var/lib/dnf", "history.sqlite", history)]
    {
        let folder = root.join(folder);
        for entry in fs::read_dir(&folder).unwrap() {
            fs::remove_file(entry.unwrap().path()).unwrap();
        }
        fs::write(folder.join(name), bytes).unwrap();
    }
}

/// rpm verifies files and database, dnf knows what was wished for, installs and removes.
fn works_on(bench: &Bench, dnf: &Dnf<'_>, root: &Path) {
    let rpm_root = root.to_str().unwrap();
    bench.output("rpmdb", &["--root", rpm_root, "--verifydb"]);
    let verified = bench.run("rpm", &["--root", rpm_root, "-Va", "--noscripts"]);
    assert_eq!(String::from_utf8_lossy(&verified.stdout), "");
    let count = || bench.output("rpm", &["--root", rpm_root, "-qa"]).lines().count();
    let before = count();
    let wished = dnf.run(root, &["-q", "repoquery", "--userinstalled", "--qf", "%{name}"]);
    assert_eq!(wished.lines().collect::<BTreeSet<_>>(), BTreeSet::from(WISHES));
    dnf.run(root, &["autoremove"]);
    assert_eq!(count(), before, "nothing is left over");
    dnf.run(root, &["install", "zstd"]);
    assert_eq!(count(), before + 1);
    dnf.run(root, &["remove", "apache2"]);
    let names = bench.output("rpm", &["--root", rpm_root, "-qa", "--qf", "%{NAME}\n"]);
    assert!(
        !names.lines().any(|name| matches!(name, "apache2" | "apache2-bin")),
        "what only it needed is gone"
    );
    bench.output("rpmdb", &["--root", rpm_root, "--verifydb"]);
}
