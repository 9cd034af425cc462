//! The test distribution, and sources that take packages from it or from variants of it.

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use amiforge_formats::digest::Digest;
use amiforge_packages::backend::{
    Backend as _, LockFailure, LockRequest, LockedSets, PackageSet, Recommends, Scripts, SetContent,
};
use amiforge_packages::locked::LockedArchive;
use amiforge_packages::path_filters::{PathFilters, Stays};
use amiforge_packages::rpm::RpmSource;
use amiforge_packages::rpm::source::{
    MetadataSignature, ModularPackages, RepositoryAddress, RepositoryRole, RepositorySigners, RpmRepository,
};

use crate::access::FolderAccess;

/// The folder of the test distribution; none where it was not made.
pub(crate) fn distribution() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/inputs/rpm");
    if !folder.join("packages/repodata").is_dir() {
        assert!(
            std::env::var_os("REQUIRE_ORACLES").is_none_or(|value| value != "1"),
            "tests/inputs/rpm.sh was not run"
        );
        println!("SKIP: no test distribution (tests/inputs/rpm.sh makes it)");
        return None;
    }
    Some(folder.canonicalize().unwrap())
}

/// A repository in a folder, with keys in a file.
pub(crate) fn repository(name: &str, folder: &Path, keys: &Path) -> RpmRepository {
    RpmRepository {
        name: name.to_owned(),
        role: RepositoryRole::Further,
        address: RepositoryAddress::Base(format!("file://{}", folder.display())),
        keys: RepositorySigners::File {
            path: keys.to_owned(),
            name: "key.asc".to_owned(),
            fingerprints: Vec::new(),
        },
        metadata: MetadataSignature::NotRequired,
        priority: 99,
        modules: ModularPackages::Refuse,
        machine_url: None,
    }
}

/// A source of these packages.
pub(crate) fn source(repositories: Vec<RpmRepository>, packages: &[&str]) -> RpmSource {
    RpmSource {
        distribution: "mini".to_owned(),
        release: "1".to_owned(),
        arch: "x86_64".to_owned(),
        repositories,
        packages: packages.iter().map(|name| (*name).to_owned()).collect(),
        without: Vec::new(),
        recommends: Recommends::Leave,
        scripts: Scripts::None,
        filters: PathFilters {
            exclude: Vec::new(),
            include: Vec::new(),
            docs: Stays::Yes,
            man: Stays::Yes,
            locales: None,
        },
        mirror: None,
        repo_files: true,
    }
}

/// The lock of a source's image; an error with all of its causes.
pub(crate) fn lock(
    source: &RpmSource,
    previous: &[LockedArchive],
    access: &FolderAccess,
) -> Result<LockedSets, String> {
    let image = PackageSet { label: "the image".to_owned(), content: SetContent::Image, prefer: Vec::new() };
    source
        .lock(&LockRequest { sets: &[image], previous, installed: None }, access)
        .map_err(|error| said(&error))
}

fn said(error: &LockFailure) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        write!(text, ": {error}").unwrap();
        cause = error.source();
    }
    text
}

/// A copy of a repository whose files are links to its packages, with metadata of one's own.
pub(crate) struct Variant {
    folder: tempfile::TempDir,
    primary: String,
}

impl Variant {
    /// The metadata of a repository, as it is.
    pub(crate) fn of(repository: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for entry in std::fs::read_dir(repository).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|end| end == "rpm") {
                std::os::unix::fs::symlink(&path, folder.path().join(path.file_name().unwrap())).unwrap();
            }
        }
        std::fs::create_dir(folder.path().join("repodata")).unwrap();
        let listed =
            std::fs::read_dir(repository.join("repodata")).unwrap().map(|entry| entry.unwrap().path());
        let packed =
            listed.into_iter().find(|path| path.to_string_lossy().ends_with("-primary.xml.gz")).unwrap();
        let mut primary = String::new();
        flate2::read::MultiGzDecoder::new(std::fs::File::open(packed).unwrap())
            .read_to_string(&mut primary)
            .unwrap();
        Self { folder, primary }
    }

    /// The same with another text in the primary metadata.
    pub(crate) fn replaced(mut self, from: &str, to: &str) -> Self {
        assert!(self.primary.contains(from), "{from}");
        self.primary = self.primary.replace(from, to);
        self
    }

    /// The primary metadata.
    pub(crate) fn primary(&self) -> &str {
        &self.primary
    }

    /// Its folder.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes the metadata; `more` are further files with their types.
    pub(crate) fn write(self, revision: i64, more: &[(&str, &str)]) -> Self {
        let mut text =
            format!("<repomd xmlns=\"http://linux.duke.edu/metadata/repo\"><revision>{revision}</revision>");
        for (kind, content) in [("primary", self.primary.as_str())].iter().chain(more) {
            let path = format!("repodata/{kind}.xml");
            std::fs::write(self.path().join(&path), content).unwrap();
            write!(
                text,
                "<data type=\"{kind}\"><checksum type=\"sha256\">{}</checksum><location href=\"{path}\"/><size>{}</size></data>",
                Digest::of(content.as_bytes()),
                content.len()
            )
            .unwrap();
        }
        text.push_str("</repomd>");
        std::fs::write(self.path().join("repodata/repomd.xml"), text).unwrap();
        self
    }
}
