//! The time of rpm packages: the test distribution (`tests/inputs/rpm.sh`) built natively, compared with `dnf --installroot` of
//! the same packages without their scripts, which makes a folder and no image.
//!
//!     cargo bench --profile ci -p amiforge-tests --bench rpm -- --rounds 3
//!
//! Packages and files are in memory before the measurement. Every case runs once a round, in turn; medians and ratios are printed,
//! nothing is asserted. Needs dnf and rpm, and root for dnf.

#[path = "../build/clock.rs"]
#[expect(dead_code, reason = "shared with other benchmarks, which use more of it")]
mod clock;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use amiforge_tests::{program, scratch};
use clock::Sample;

/// What both install; with what that needs, about 180 packages.
const PACKAGES: [&str; 17] = [
    "systemd-sysv",
    "bash",
    "coreutils",
    "kernel",
    "apache2",
    "openssh-server",
    "iproute2",
    "netbase",
    "ca-certificates",
    "e2fsprogs",
    "passwd",
    "login",
    "util-linux",
    "mount",
    "rpm",
    "dnf",
    "procps",
];

type Case<'a> = (&'static str, Box<dyn Fn() -> Sample + 'a>);

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let rounds =
        words.iter().position(|word| word == "--rounds").and_then(|at| words.get(at + 1)?.parse().ok());
    let folder = scratch::folder();
    let packages = RpmPackages::new(&folder.path().join("packages"));
    let cases: Vec<Case<'_>> = vec![
        ("dnf --installroot, to a folder", Box::new(|| packages.dnf())),
        ("build natively, from packages", Box::new(|| packages.build())),
    ];
    let mut samples = vec![Vec::new(); cases.len()];
    for round in 1..=rounds.unwrap_or(3) {
        for ((name, run), samples) in cases.iter().zip(&mut samples) {
            println!("round {round}: {name}");
            samples.push(run());
        }
    }
    println!("{:<32} {:>9} {:>9}", "", "median s", "CPU s");
    let mut medians = Vec::new();
    for ((name, _), samples) in cases.iter().zip(&samples) {
        let cpu = clock::median_of(samples.iter().map(|sample| sample.cpu));
        medians.push(clock::median(samples));
        println!("{name:<32} {:>9.2} {cpu:>9.2}", clock::median(samples));
    }
    if let [dnf, native] = medians[..] {
        println!("natively: {:.2} x dnf", native / dnf);
    }
}

/// The packages in a store, with a recipe and its lock.
struct RpmPackages {
    folder: PathBuf,
    repository: PathBuf,
}

impl RpmPackages {
    fn new(folder: &Path) -> Self {
        let inputs =
            scratch::repository().join("target/inputs/rpm").canonicalize().expect("tests/inputs/rpm.sh");
        let repository = inputs.join("packages");
        fs::create_dir_all(folder.join("home")).expect("a folder");
        fs::copy(inputs.join("key.asc"), folder.join("key.asc")).expect("the key");
        let url = repository.display();
        let recipe = format!(
            "[image]\nname = \"mini\"\nversion = \"1\"\narch = \"x86_64\"\n[[source]]\nkind = \"rpm\"\ndistribution = \"mini\"\n\
             release = \"1\"\nscripts = \"native\"\nrecommends = false\npackages = {PACKAGES:?}\n[[source.repository]]\n\
             name = \"mini\"\nurl = \"file://{url}\"\nkeyring = \"key.asc\"\nmachine-url = \"https://rpm.example\"\n"
        );
        fs::write(folder.join("recipe.toml"), recipe).expect("the recipe");
        let dnf = format!(
            "[main]\nplugins=0\nreposdir=/nonexistent\ngpgcheck=0\n[mini]\nname=mini\nbaseurl=file://{url}\n"
        );
        fs::write(folder.join("dnf.conf"), dnf).expect("dnf's configuration");
        // Debian's rpm has its database in the home of each user.
        fs::write(folder.join("home/.rpmmacros"), "%_dbpath /var/lib/rpm\n").expect("rpm's configuration");
        let (recipe, store) = (folder.join("recipe.toml"), folder.join("store"));
        for command in ["lock", "fetch"] {
            program::must(&[command, &recipe.to_string_lossy(), "--store", &store.to_string_lossy()]);
        }
        Self { folder: folder.to_owned(), repository }
    }

    fn dnf(&self) -> Sample {
        let root = self.folder.join("root");
        for folder in ["root", "cache"] {
            let _ = fs::remove_dir_all(self.folder.join(folder));
        }
        fs::create_dir_all(root.join("var/log")).expect("a root");
        assert!(self.repository.is_dir(), "the packages are there");
        let mut command = Command::new("dnf");
        command.env("HOME", self.folder.join("home")).env("SOURCE_DATE_EPOCH", "1700000000");
        command.arg("-c").arg(self.folder.join("dnf.conf")).arg("--installroot").arg(root);
        command.args([
            "-q",
            "-y",
            "--releasever=1",
            "--setopt=logdir=/var/log",
            "--setopt=tsflags=noscripts",
        ]);
        command.arg(format!("--setopt=cachedir={}", self.folder.join("cache").display()));
        clock::run(command.args(["--setopt=install_weak_deps=0", "install"]).args(PACKAGES))
    }

    /// Of a store that has the packages as they were fetched, and nothing that was made of them.
    fn build(&self) -> Sample {
        let store = self.folder.join("store");
        for entry in fs::read_dir(&store).expect("the store") {
            let path = entry.expect("an entry").path();
            if path.is_file() {
                fs::remove_file(&path).expect("nothing but packages");
            }
        }
        build(&self.folder.join("recipe.toml"), &store, &self.folder.join("out"))
    }
}

fn build(recipe: &Path, store: &Path, out: &Path) -> Sample {
    let mut command = Command::new(program::path());
    command.arg("build").arg(recipe).arg("-o").arg(out).arg("--force").arg("--store").arg(store);
    clock::run(&mut command)
}
