//! Packages built by dpkg-deb, and sets of them unpacked by us and by dpkg.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use amiforge_formats::digest::Digest;
use amiforge_formats::time::Time;
use amiforge_packages::PackageKind;
use amiforge_packages::backend::PackageFile;
use amiforge_packages::deb::database::{self, Architectures, DatabaseState};
use amiforge_packages::deb::unpack::{UnpackError, Unpacked, unpack};
use amiforge_packages::filters::Filters;
use amiforge_packages::locked::{LockReason, LockedPackage};
use amiforge_progress::Monitor;
use amiforge_store::Store;
use amiforge_store::blobs::Blobs;
use amiforge_tests::{folder_tree, oracle, scratch};

/// The programs that these tests need.
pub(crate) const PROGRAMS: [&str; 3] = ["dpkg", "dpkg-deb", "dpkg-divert"];

/// The time of the database.
pub(crate) const NOW: Time = Time::from_secs(1_700_000_000);

/// A package to build.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PackageSpec<'a> {
    pub(crate) name: &'a str,
    pub(crate) arch: &'a str,
    /// Lines of the control file besides those that every package has.
    pub(crate) fields: &'a str,
    /// Paths and their content: text, `-> target` for a symbolic link, `= path` for a hard link. A path that ends in
    /// `/` is a folder.
    pub(crate) files: &'a [(&'a str, &'a str)],
    /// Members of the control archive.
    pub(crate) members: &'a [(&'a str, &'a str)],
    /// Compression, as dpkg-deb's `-Z` names it.
    pub(crate) compression: &'a str,
}

impl Default for PackageSpec<'_> {
    fn default() -> Self {
        Self { name: "one", arch: "amd64", fields: "", files: &[], members: &[], compression: "xz" }
    }
}

/// A folder of packages, and a store.
pub(crate) struct UnpackFixture {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) store: Store,
}

impl UnpackFixture {
    pub(crate) fn new() -> Self {
        let folder = scratch::folder();
        let store = Store::at(&folder.path().join("store"));
        Self { folder, store }
    }

    /// Builds a package with dpkg-deb.
    pub(crate) fn make(&self, made: &PackageSpec<'_>) -> (LockedPackage, PathBuf) {
        let root = self.folder.path().join(format!("{}-{}", made.name, made.arch));
        std::fs::create_dir_all(root.join("DEBIAN")).unwrap();
        for (path, what) in made.files {
            let at = root.join(path.trim_end_matches('/'));
            std::fs::create_dir_all(at.parent().unwrap()).unwrap();
            if path.ends_with('/') {
                std::fs::create_dir_all(&at).unwrap();
            } else if let Some(target) = what.strip_prefix("-> ") {
                std::os::unix::fs::symlink(target, &at).unwrap();
            } else if let Some(first) = what.strip_prefix("= ") {
                std::fs::hard_link(root.join(first), &at).unwrap();
            } else {
                std::fs::write(&at, what).unwrap();
                let mode = if path.contains("bin/su") { 0o4755 } else { 0o644 };
                std::fs::set_permissions(&at, PermissionsExt::from_mode(mode)).unwrap();
            }
        }
        let control = format!(
            "Package: {}\nVersion: 1:2.0-1\nArchitecture: {}\nMaintainer: Nobody <nobody@example.org>\n{}\
             Description: made for a test\n It does nothing.\n",
            made.name, made.arch, made.fields
        );
        std::fs::write(root.join("DEBIAN/control"), control).unwrap();
        for (name, bytes) in made.members {
            let at = root.join("DEBIAN").join(name);
            std::fs::write(&at, bytes).unwrap();
            let mode = if name.ends_with("inst") { 0o755 } else { 0o644 };
            std::fs::set_permissions(&at, PermissionsExt::from_mode(mode)).unwrap();
        }
        let deb = self.folder.path().join(format!("{}_{}_{}.deb", made.name, made.arch, made.compression));
        let status = Command::new("dpkg-deb")
            .args(["--root-owner-group", &format!("-Z{}", made.compression), "-b"])
            .args([&root, &deb])
            .env("SOURCE_DATE_EPOCH", "1600000000")
            .output()
            .unwrap();
        assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stderr));
        std::fs::remove_dir_all(root).unwrap();
        (locked(&deb), deb)
    }

    /// A new empty folder.
    pub(crate) fn new_folder(&self, name: &str) -> PathBuf {
        let folder = self.folder.path().join(name);
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    pub(crate) fn unpack(&self, debs: &[(LockedPackage, PathBuf)]) -> Result<(Unpacked, Blobs), UnpackError> {
        self.unpack_with(debs, &Filters::default())
    }

    pub(crate) fn unpack_with(
        &self,
        debs: &[(LockedPackage, PathBuf)],
        filters: &Filters,
    ) -> Result<(Unpacked, Blobs), UnpackError> {
        let debs: Vec<_> =
            debs.iter().map(|(package, path)| PackageFile { package, path: path.clone() }).collect();
        let mut blobs = Blobs::new();
        let unpacked = unpack(&debs, filters, &self.store, &mut blobs, Monitor::none())?;
        Ok((unpacked, blobs))
    }

    /// Unpacks packages, writes their database, and writes the tree to a folder.
    pub(crate) fn unpack_by_us(
        &self,
        debs: &[(LockedPackage, PathBuf)],
        state: DatabaseState,
        filters: &Filters,
    ) -> PathBuf {
        let (mut unpacked, blobs) =
            self.unpack_with(debs, filters).unwrap_or_else(|error| panic!("{error:?}"));
        with_database(&mut unpacked, &blobs, state);
        let folder = self.new_folder("ours");
        folder_tree::write_tree(&unpacked.tree, &blobs, &folder);
        unpacked.deferred.join().unwrap();
        folder
    }

    /// Unpacks packages with dpkg, one after the other, into a root with merged `/usr`.
    pub(crate) fn unpack_by_dpkg(&self, debs: &[(LockedPackage, PathBuf)], options: &[&str]) -> PathBuf {
        let folder = self.new_folder("theirs");
        for name in ["bin", "sbin", "lib", "lib32", "lib64", "libx32"] {
            std::fs::create_dir_all(folder.join("usr").join(name)).unwrap();
            std::os::unix::fs::symlink(format!("usr/{name}"), folder.join(name)).unwrap();
        }
        for name in ["info", "updates", "triggers"] {
            std::fs::create_dir_all(folder.join("var/lib/dpkg").join(name)).unwrap();
        }
        for name in ["status", "available"] {
            std::fs::write(folder.join("var/lib/dpkg").join(name), "").unwrap();
        }
        let root = format!("--root={}", folder.display());
        let mut args = vec![root.as_str(), "--log=/dev/null", "--force-depends", "--force-architecture"];
        args.extend(options);
        args.push("--unpack");
        let debs: Vec<String> = debs.iter().map(|(_, path)| path.to_string_lossy().into_owned()).collect();
        args.extend(debs.iter().map(String::as_str));
        oracle::must("dpkg", &args);
        folder
    }
}

/// Writes the database as every test wants it.
pub(crate) fn with_database(unpacked: &mut Unpacked, blobs: &Blobs, state: DatabaseState) {
    let architectures = Architectures { native: "amd64".to_owned(), foreign: Vec::new() };
    let Unpacked { tree, packages, diversions, .. } = unpacked;
    database::write(tree, packages, diversions, state, &architectures, NOW, blobs).unwrap();
}

/// The entry of a package in a lock.
pub(crate) fn locked(deb: &Path) -> LockedPackage {
    let bytes = std::fs::read(deb).unwrap();
    let field =
        |name: &str| oracle::must("dpkg-deb", &["-f", &deb.to_string_lossy(), name]).trim().to_owned();
    LockedPackage {
        kind: PackageKind::Deb,
        name: field("Package"),
        version: field("Version"),
        arch: field("Architecture"),
        sha256: Digest::of(&bytes),
        size: bytes.len() as u64,
        path: String::new(),
        archive: "debian".to_owned(),
        header: None,
        reason: LockReason::Named,
    }
}
