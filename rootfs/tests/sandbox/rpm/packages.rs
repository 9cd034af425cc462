//! Packages that `rpmbuild` makes of the specs here, and what `dnf` installs of them.

use std::path::{Path, PathBuf};
use std::process::Command;

use amiforge_formats::digest::Digest;
use amiforge_formats::tree::Tree;
use amiforge_packages::PackageKind;
use amiforge_packages::locked::{LockReason, LockedPackage};
use amiforge_packages::rpm::header::{RpmHeader, tag};
use amiforge_packages::rpm::package::{FilePresence, RpmFileEntry, UnpackedRpm, file_flag};
use amiforge_progress::Monitor;
use amiforge_rootfs::assemble::assemble;
use amiforge_rootfs::sources::{DigestPin, SourceKind, SourceSpec};
use amiforge_store::Store;
use amiforge_store::blobs::Blobs;

/// Seconds since 1970 of everything that rpm writes.
const EPOCH: &str = "1700000000";

/// A folder with packages and what is made of them.
pub(super) struct BuiltRpms {
    folder: tempfile::TempDir,
}

impl BuiltRpms {
    /// A folder without packages; none where a program is missing.
    pub(super) fn open() -> Option<Self> {
        let there = |program: &str| Command::new(program).arg("--version").output().is_ok();
        if !["rpmbuild", "dnf", "createrepo_c", "tar"].into_iter().all(there) {
            return None;
        }
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let at = folder.path().display();
        let macros = format!(
            "%_dbpath /usr/lib/sysimage/rpm\n%_build_id_links none\n%debug_package %{{nil}}\n%__os_install_post %{{nil}}\n\
             %use_source_date_epoch_as_buildtime 1\n%_buildhost reproducible\n%_topdir {at}/top\n%_sourcedir {at}\n\
             %_rpmdir {at}/rpms\n%_build_name_fmt %%{{NAME}}.rpm\n"
        );
        std::fs::write(folder.path().join(".rpmmacros"), macros).unwrap();
        let base = include_str!("specs/base.sh");
        std::fs::write(folder.path().join("base.sh"), base).unwrap();
        Some(Self { folder })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, program: &str, args: &[&str]) -> (bool, String) {
        let mut command = Command::new(program);
        command.args(args).env("HOME", self.folder.path()).env("SOURCE_DATE_EPOCH", EPOCH);
        let output = command.env("LC_ALL", "C").current_dir(self.folder.path()).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).into_owned())
    }

    /// Builds a package.
    pub(super) fn build(&self, name: &str, spec: &str) {
        std::fs::write(self.path("one.spec"), spec).unwrap();
        let (built, log) = self.run("rpmbuild", &["-bb", "--target", "x86_64", "one.spec"]);
        assert!(built, "{name}: {log}");
    }

    /// Builds a package of a name with a script section, and nothing else.
    pub(super) fn build_script(&self, name: &str, requires: &str, sections: &str) {
        let spec = format!(
            "Name: {name}\nVersion: 1\nRelease: 1\nSummary: x\nLicense: MIT\nAutoReqProv: no\n{requires}\n\
             %description\nx\n{sections}\n%files\n"
        );
        self.build(name, &spec);
    }

    /// What `dnf` installs into an empty root, whether it says that all went well, and what it wrote.
    pub(super) fn installed(&self, name: &str, flags: &str, blobs: &mut Blobs) -> (Tree, bool, String) {
        let (well, log) = self.run("createrepo_c", &["-q", "rpms"]);
        assert!(well, "{log}");
        let at = self.folder.path().display();
        let conf = format!(
            "[main]\nplugins=0\nreposdir=/nonexistent\n[r]\nname=r\nbaseurl=file://{at}/rpms\ngpgcheck=0\n"
        );
        std::fs::write(self.path("dnf.conf"), conf).unwrap();
        let root = self.path("root");
        let _ = std::fs::remove_dir_all(&root);
        // dnf wants the folder of its log to exist in the root, too.
        for folder in [PathBuf::from(format!("{}{at}/log", root.display())), self.path("log")] {
            std::fs::create_dir_all(folder).unwrap();
        }
        let args = [
            "-c".to_owned(),
            "dnf.conf".to_owned(),
            format!("--installroot={}", root.display()),
            "--releasever=1".to_owned(),
            "-y".to_owned(),
            format!("--setopt=cachedir={at}/cache"),
            format!("--setopt=logdir={at}/log"),
            format!("--setopt=tsflags={flags}"),
            "--refresh".to_owned(),
            "install".to_owned(),
            name.to_owned(),
        ];
        let (well, log) = self.run("dnf", &args.iter().map(String::as_str).collect::<Vec<_>>());
        (self.tree_of(&root, blobs), well, log)
    }

    fn tree_of(&self, root: &Path, blobs: &mut Blobs) -> Tree {
        let tar = self.path(&format!("root{}.tar", std::fs::read_dir(self.folder.path()).unwrap().count()));
        let args = [
            "--xattrs",
            "--xattrs-include=*",
            "-C",
            root.to_str().unwrap(),
            "-cf",
            tar.to_str().unwrap(),
            ".",
        ];
        let (well, log) = self.run("tar", &args);
        assert!(well, "{log}");
        let spec = SourceSpec {
            label: "root.tar".into(),
            kind: SourceKind::Tar { path: tar },
            pin: DigestPin::Unpinned,
            strip: 0,
            prefix: String::new(),
            exclude: Vec::new(),
            overrides: false,
        };
        assemble(&[spec], &Store::at(&self.path("store")), blobs, Monitor::none()).unwrap().tree
    }

    /// The packages, by name.
    pub(super) fn packages(&self) -> Vec<UnpackedRpm> {
        let entries = std::fs::read_dir(self.path("rpms")).unwrap().map(|entry| entry.unwrap().path());
        let mut paths: Vec<_> =
            entries.filter(|path| path.extension().is_some_and(|end| end == "rpm")).collect();
        paths.sort();
        paths.iter().map(|path| read(path)).collect()
    }
}

/// Gives files the modes that their packages say: where it knows no owner, dnf has taken bits away.
pub(super) fn restore_modes(tree: &mut Tree, packages: &[UnpackedRpm]) {
    for file in packages.iter().flat_map(|package| &package.files) {
        if let Some(id) = tree.lookup(&file.path[1..]).filter(|_| file.mode & 0o170_000 != 0o120_000) {
            tree.node_mut(id).meta.mode = file.mode & 0o7777;
        }
    }
}

/// Reads a package's headers.
fn read(path: &Path) -> UnpackedRpm {
    let bytes = std::fs::read(path).unwrap();
    // Behind the lead; the header begins at a multiple of 8.
    let (signatures, len) = RpmHeader::read(&bytes[96..]).unwrap();
    let (header, _) = RpmHeader::read(&bytes[96 + len.next_multiple_of(8)..]).unwrap();
    let text = |tag| String::from_utf8(header.text(tag).unwrap().to_vec()).unwrap();
    let locked = LockedPackage {
        kind: PackageKind::ALL[0],
        name: text(tag::NAME),
        version: "1-1".into(),
        arch: text(tag::ARCH),
        sha256: Digest::of(&bytes),
        size: bytes.len() as u64,
        path: String::new(),
        archive: String::new(),
        header: None,
        reason: LockReason::Named,
    };
    UnpackedRpm { locked, files: files(&header), signatures, header }
}

fn files(header: &RpmHeader) -> Vec<RpmFileEntry> {
    let folders: Vec<&[u8]> = header.texts(tag::DIRNAMES).collect();
    let owned = |text: Option<&[u8]>| String::from_utf8(text.unwrap().to_vec()).unwrap();
    let mut users = header.texts(tag::FILEUSERNAME);
    let mut groups = header.texts(tag::FILEGROUPNAME);
    let mut modes = header.numbers(tag::FILEMODES);
    let mut all_flags = header.numbers(tag::FILEFLAGS);
    let names = header.texts(tag::BASENAMES).zip(header.numbers(tag::DIRINDEXES));
    let file = |(name, folder): (&[u8], u64)| {
        let flags = all_flags.next().unwrap() as u32;
        let ghost = flags & file_flag::GHOST != 0;
        RpmFileEntry {
            path: [folders[folder as usize], name].concat(),
            mode: modes.next().unwrap() as u16,
            size: 0,
            mtime: 0,
            flags,
            digest: String::new(),
            target: Vec::new(),
            user: owned(users.next()),
            group: owned(groups.next()),
            capabilities: String::new(),
            rdev: 0,
            inode: (0, 0),
            presence: if ghost { FilePresence::Ghost } else { FilePresence::Installed },
        }
    };
    names.map(file).collect()
}
