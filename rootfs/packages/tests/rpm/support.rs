//! Packages built by rpmbuild, and sets of them unpacked by us and by rpm.

use std::path::{Path, PathBuf};
use std::process::Command;

use amiforge_formats::digest::Digest;
use amiforge_packages::PackageKind;
use amiforge_packages::backend::PackageFile;
use amiforge_packages::filters::Filters;
use amiforge_packages::locked::{LockReason, LockedPackage};
use amiforge_packages::rpm::evr::Evr;
use amiforge_packages::rpm::header::{RpmHeader, RpmTag, tag};
use amiforge_packages::rpm::signature::verify_range;
use amiforge_packages::rpm::unpack::{RpmUnpackError, UnpackedRpms, unpack};
use amiforge_progress::Monitor;
use amiforge_store::Store;
use amiforge_store::blobs::Blobs;

/// The programs that these tests need.
pub(crate) const PROGRAMS: [&str; 2] = ["rpm", "rpmbuild"];

/// A folder of packages, and a store.
pub(crate) struct RpmFixture {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) store: Store,
}

impl RpmFixture {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(&folder.path().join("store"));
        Self { folder, store }
    }

    /// A program of rpm, with a home of its own.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("HOME", self.folder.path()).env("SOURCE_DATE_EPOCH", "1700000000");
        command.env("RPM_FORCE_DEBIAN", "1").env("LC_ALL", "C.UTF-8").current_dir(self.folder.path());
        command
    }

    /// Builds a package of a text in the form of a spec, with these macros besides. Returns the files.
    pub(crate) fn build(&self, spec: &str, macros: &[&str]) -> Vec<PathBuf> {
        self.rpmbuild(spec, macros, &["-bb"])
    }

    /// Builds a package for another machine.
    pub(crate) fn build_for(&self, arch: &str, spec: &str) -> Vec<PathBuf> {
        self.rpmbuild(spec, &[], &["-bb", "--target", arch])
    }

    /// Builds the source package.
    pub(crate) fn build_source(&self, spec: &str) -> PathBuf {
        self.rpmbuild(spec, &[], &["-bs"]).remove(0)
    }

    fn rpmbuild(&self, spec: &str, macros: &[&str], options: &[&str]) -> Vec<PathBuf> {
        let out = tempfile::tempdir_in(self.folder.path()).unwrap().keep();
        let path = out.join("one.spec");
        std::fs::write(&path, spec).unwrap();
        let mut command = self.command("rpmbuild");
        command.args(options).args(["--quiet", "--nodeps"]).arg(&path);
        let top = format!("_topdir {}", out.display());
        let fixed = [
            top.as_str(),
            "debug_package %{nil}",
            "__os_install_post %{nil}",
            "_build_id_links none",
            "_buildhost reproducible",
            "use_source_date_epoch_as_buildtime 1",
            "_dbpath /rpmdb",
        ];
        for define in fixed.iter().chain(macros) {
            command.args(["--define", define]);
        }
        run(&mut command);
        packages_in(&out)
    }

    /// Unpacks packages by us.
    pub(crate) fn unpack(&self, files: &[PathBuf]) -> Result<(UnpackedRpms, Blobs), RpmUnpackError> {
        self.unpack_with(files, &Filters::default())
    }

    pub(crate) fn unpack_with(
        &self,
        files: &[PathBuf],
        filters: &Filters,
    ) -> Result<(UnpackedRpms, Blobs), RpmUnpackError> {
        let locked: Vec<LockedPackage> = files.iter().map(|path| locked(path)).collect();
        let files: Vec<PackageFile<'_>> = locked
            .iter()
            .zip(files)
            .map(|(package, path)| PackageFile { package, path: path.clone() })
            .collect();
        let mut blobs = Blobs::new();
        let unpacked = unpack(&files, filters, &self.store, &mut blobs, Monitor::none())?;
        Ok((unpacked, blobs))
    }

    /// Installs packages by rpm into an empty root, without scripts. Returns the root, and what rpm says of packages that it
    /// refuses.
    pub(crate) fn install(&self, files: &[PathBuf]) -> Result<PathBuf, String> {
        let root = tempfile::tempdir_in(self.folder.path()).unwrap().keep();
        let mut command = self.command("rpm");
        command.arg("--root").arg(&root).args(["--define", "_dbpath /rpmdb", "--initdb"]);
        run(&mut command);
        let mut command = self.command("rpm");
        command.arg("--root").arg(&root).args(["--define", "_dbpath /rpmdb"]);
        command.args(["-i", "--noscripts", "--notriggers", "--nodeps", "--nosignature", "--noplugins"]);
        let output = command.args(files).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() { Ok(root) } else { Err(said) }
    }
}

/// Whether programs are installed and this is root, whom rpm lets install; if not, prints `SKIP`, or fails where
/// `REQUIRE_ORACLES=1`.
pub(crate) fn has(programs: &[&str]) -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        println!("SKIP: only root can do this");
    }
    is_root
        && programs.iter().all(|program| {
            let found =
                Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success());
            assert!(
                found || std::env::var_os("REQUIRE_ORACLES").is_none_or(|value| value != "1"),
                "{program} is not installed"
            );
            if !found {
                println!("SKIP: {program} is not installed");
            }
            found
        })
}

/// An error with its causes.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// The output of a program, which must succeed.
pub(crate) fn run(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
    output.stdout
}

/// The first text of a tag.
pub(crate) fn text(header: &RpmHeader, tag: RpmTag) -> String {
    String::from_utf8_lossy(header.text(tag).unwrap_or_default()).into_owned()
}

/// What a lock would say of a package's file.
pub(crate) fn locked(path: &Path) -> LockedPackage {
    let bytes = std::fs::read(path).unwrap();
    let header = verify_range(&bytes, &[], 0).unwrap().header;
    let epoch = header.number(tag::EPOCH).map(|epoch| u32::try_from(epoch).unwrap());
    let evr = Evr { epoch, version: text(&header, tag::VERSION), release: Some(text(&header, tag::RELEASE)) };
    locked_as(&bytes, &text(&header, tag::NAME), &evr.to_string(), &text(&header, tag::ARCH))
}

/// A lock's entry of these bytes.
pub(crate) fn locked_as(bytes: &[u8], name: &str, version: &str, arch: &str) -> LockedPackage {
    LockedPackage {
        kind: PackageKind::default(),
        name: name.to_owned(),
        version: version.to_owned(),
        arch: arch.to_owned(),
        sha256: Digest::of(bytes),
        size: bytes.len() as u64,
        path: String::new(),
        archive: String::new(),
        header: None,
        reason: LockReason::Named,
    }
}

/// The packages in a folder and in the folders below it.
pub(crate) fn packages_in(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(packages_in(&path));
        } else if path.extension().is_some_and(|end| end == "rpm") {
            found.push(path);
        }
    }
    found.sort();
    found
}
