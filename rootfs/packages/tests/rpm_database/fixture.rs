//! Packages made by rpmbuild, what they are when unpacked, and the programs that judge.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use amiforge_formats::digest::Digest;
use amiforge_formats::path;
use amiforge_formats::plan::NoSources;
use amiforge_formats::time::Time;
use amiforge_formats::tree::{Meta, Tree};
use amiforge_packages::PackageKind;
use amiforge_packages::locked::{LockReason, LockedPackage};
use amiforge_packages::rpm::database::{self, RpmDatabaseSettings};
use amiforge_packages::rpm::header::{RpmHeader, tag};
use amiforge_packages::rpm::package::{FilePresence, RpmFileEntry, UnpackedRpm, file_flag};

/// The time of every transaction.
pub(crate) const AT: i64 = 1_700_000_000;
/// The folder of the database in roots.
pub(crate) const FOLDER: &str = "usr/lib/sysimage/rpm";

/// Whether programs are there; prints `SKIP` and fails where oracles are required.
pub(crate) fn have(programs: &[&str]) -> bool {
    let missing = programs.iter().find(|program| Command::new(program).arg("--version").output().is_err());
    let Some(missing) = missing else { return true };
    assert!(
        std::env::var_os("REQUIRE_ORACLES").is_none_or(|value| value != "1"),
        "{missing} is not installed"
    );
    println!("SKIP: {missing} is not installed");
    false
}

/// A folder for a test, with the settings that its programs of rpm need.
pub(crate) struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let macros = format!(
            "%_dbpath /{FOLDER}\n%_topdir {0}/build\n%_build_id_links none\n%debug_package %{{nil}}\n%__os_install_post %{{nil}}\n\
             %use_source_date_epoch_as_buildtime 1\n%clamp_mtime_to_source_date_epoch 1\n%_buildhost reproducible\n",
            folder.path().display()
        );
        fs::write(folder.path().join(".rpmmacros"), macros).unwrap();
        Self { folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn run(&self, program: &str, args: &[&str]) -> Output {
        let mut command = Command::new(program);
        command.args(args).current_dir(self.folder.path()).env("HOME", self.folder.path());
        command.env("LC_ALL", "C.UTF-8").env("SOURCE_DATE_EPOCH", AT.to_string());
        command.output().unwrap()
    }

    /// The output of a program that must succeed.
    pub(crate) fn output(&self, program: &str, args: &[&str]) -> String {
        let output = self.run(program, args);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{program} {args:?}: {errors}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Builds a package of a specification without its usual lines, and returns its file.
    pub(crate) fn build(&self, name: &str, spec: &str) -> PathBuf {
        let file = self.path(&format!("{name}.spec"));
        let head = format!("Name: {name}\nVersion: 1.0\nRelease: 1\nSummary: {name}\nLicense: MIT\n");
        fs::write(&file, format!("{head}{spec}")).unwrap();
        self.output("rpmbuild", &["-bb", file.to_str().unwrap()]);
        let rpms = self.path("build/RPMS");
        let arches = fs::read_dir(rpms).unwrap().flat_map(|arch| fs::read_dir(arch.unwrap().path()).unwrap());
        let mut files = arches.map(|file| file.unwrap().path());
        let is_of =
            |file: &PathBuf| file.file_name().unwrap().to_str().unwrap().starts_with(&format!("{name}-1.0-"));
        files.find(is_of).unwrap()
    }

    /// Puts a database into a root, as its only file, and returns the root.
    pub(crate) fn root(&self, name: &str, database: &[u8]) -> String {
        let root = self.path(name);
        fs::create_dir_all(root.join(FOLDER)).unwrap();
        fs::write(root.join(FOLDER).join("rpmdb.sqlite"), database).unwrap();
        root.to_str().unwrap().to_owned()
    }

    /// The rows of all tables of a database: SQLite's own dump, without the statistics that rpm lets SQLite take.
    pub(crate) fn dump(&self, database: &Path) -> String {
        let dump = self.output("sqlite3", &[database.to_str().unwrap(), ".dump"]);
        let is_of_statistics = |line: &str| line.contains("sqlite_stat1") || line == "ANALYZE sqlite_schema;";
        dump.lines().filter(|line| !is_of_statistics(line)).map(|line| line.to_owned() + "\n").collect()
    }
}

/// A package as it is when it was unpacked whole.
pub(crate) fn unpacked(file: &Path) -> UnpackedRpm {
    let bytes = fs::read(file).unwrap();
    let (signatures, len) = RpmHeader::read(&bytes[96..]).unwrap();
    let start = 96 + len.next_multiple_of(8);
    let (header, _) = RpmHeader::read(&bytes[start..]).unwrap();
    let text = |tag| String::from_utf8_lossy(header.text(tag).unwrap_or_default()).into_owned();
    let entry = |(mode, flags): (u64, u64)| RpmFileEntry {
        path: Vec::new(),
        mode: mode as u16,
        size: 0,
        mtime: 0,
        flags: flags as u32,
        digest: String::new(),
        target: Vec::new(),
        user: String::new(),
        group: String::new(),
        capabilities: String::new(),
        rdev: 0,
        inode: (0, 0),
        presence: if flags as u32 & file_flag::GHOST == 0 {
            FilePresence::Installed
        } else {
            FilePresence::Ghost
        },
    };
    let files = header.numbers(tag::FILEMODES).zip(header.numbers(tag::FILEFLAGS)).map(entry).collect();
    let locked = LockedPackage {
        kind: PackageKind::Rpm,
        name: text(tag::NAME),
        version: format!("{}-{}", text(tag::VERSION), text(tag::RELEASE)),
        arch: text(tag::ARCH),
        sha256: Digest([0; 32]),
        size: bytes.len() as u64,
        path: file.file_name().unwrap().to_str().unwrap().to_owned(),
        archive: "dist".to_owned(),
        header: None,
        reason: LockReason::Named,
    };
    UnpackedRpm { locked, signatures, header, files }
}

/// A tree of nothing but the folder of the database, written for packages.
pub(crate) fn tree(packages: &[UnpackedRpm], keys: &[Vec<u8>]) -> Tree {
    let mut tree = Tree::new(Meta::root_owned(0o755, Time::from_secs(AT)));
    let folder = format!("/{FOLDER}/x");
    path::resolve_with_parents(&mut tree, folder.as_bytes(), path::Last::Keep, Time::from_secs(AT)).unwrap();
    let settings = RpmDatabaseSettings { at: Time::from_secs(AT), keys };
    database::write(&mut tree, packages, &settings, &NoSources).unwrap();
    tree
}

/// A file of a tree.
pub(crate) fn file(tree: &Tree, file: &str) -> Vec<u8> {
    path::read(tree, &NoSources, file.as_bytes()).unwrap().unwrap()
}

/// Fails with the first lines of two dumps that differ, and where they do.
pub(crate) fn assert_same_dump(own: &str, expected: &str) {
    let mut pairs = own.lines().zip(expected.lines()).filter(|(own, expected)| own != expected);
    if let Some((own, expected)) = pairs.next() {
        let at = own.bytes().zip(expected.bytes()).take_while(|(own, expected)| own == expected).count();
        let part = |line: &str| line.get(at.saturating_sub(60)..line.len().min(at + 60)).map(str::to_owned);
        panic!(
            "{} lines differ, the first at {at}:\n{:?}\n{:?}",
            pairs.count() + 1,
            part(own),
            part(expected)
        );
    }
    assert_eq!(own.lines().count(), expected.lines().count());
}

/// The database of a tree.
pub(crate) fn database_of(tree: &Tree) -> Vec<u8> {
    file(tree, &format!("/{FOLDER}/rpmdb.sqlite"))
}
