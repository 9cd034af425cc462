//! The bundle: the directory that a build leaves. `disk.raw`, `manifest.json`, `tree.txt` and `SHA256SUMS`, and where
//! packages are in the image its bill of materials.
//!
//! Owns the names of its files and its way to its path: everything is written in a staging directory beside it that is
//! renamed as a whole, so a half-written bundle never has the final name. Knows no recipe.

mod staging;
mod sums;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use amiforge_formats::digest::Digest;
use amiforge_formats::plan::{Plan, Sources};
use amiforge_progress::{CancelToken, Monitor};

use crate::disk::Disk;
use crate::image::{self, EmitError, EmitOptions, Emitted, KnownImage};
use crate::manifest::{ImageOrigin, Manifest};

pub use sums::{SumLine, SumsError, parse as parse_sums};

/// The image.
pub const DISK: &str = "disk.raw";
/// The manifest.
pub const MANIFEST: &str = "manifest.json";
/// The listing of every file system.
pub const TREE: &str = "tree.txt";
/// SHA-256 of the other files, as `sha256sum -c` reads it.
pub const SUMS: &str = "SHA256SUMS";
/// The bill of materials in `CycloneDX`.
pub const CYCLONEDX: &str = "sbom.cdx.json";
/// The bill of materials in SPDX.
pub const SPDX: &str = "sbom.spdx.json";
/// The files that every bundle has, sorted.
pub const FILES: [&str; 4] = [SUMS, DISK, MANIFEST, TREE];
/// The files that a bundle may have, sorted.
pub const DOCUMENTS: [&str; 2] = [CYCLONEDX, SPDX];

/// Every name that a file of a bundle may have.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    FILES.into_iter().chain(DOCUMENTS)
}

/// A further text with its name, which is one of [`DOCUMENTS`].
pub type Document = (&'static str, String);

/// What a bundle holds beside the image.
#[derive(Debug)]
pub struct BundleTexts<'a> {
    /// What the manifest says of the image's origin.
    pub origin: ImageOrigin,
    /// The text of `tree.txt`.
    pub listing: &'a str,
    /// Further texts, sorted by name.
    pub documents: &'a [Document],
}

/// A bundle that is being written, in a directory beside its place. Dropped before [`BundleWriter::finish`], it leaves
/// nothing.
#[derive(Debug)]
pub struct BundleWriter {
    staging: staging::StagingDir,
}

/// What to do when the bundle's name is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExistingBundle {
    /// Fail with [`BundleError::Exists`].
    Refuse,
    /// Exchange the new bundle with the old one by one rename, if the old one is a bundle.
    Replace,
}

/// Why a bundle could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// The name is taken.
    #[error("`{}` exists already", path.display())]
    Exists {
        /// The name.
        path: PathBuf,
    },
    /// What has the name is not a bundle, so it is not replaced.
    #[error("`{}` holds `{found}`, which is no file of a bundle", path.display())]
    NotABundle {
        /// The directory.
        path: PathBuf,
        /// What it holds.
        found: String,
    },
    /// The name is a link where none can be followed.
    #[error("`{}` is a link that leads to no directory; remove it, or give the directory itself", path.display())]
    Link {
        /// The link.
        path: PathBuf,
    },
    /// What has the name of the directory that a bundle is written in was not made by a build.
    #[error("`{}` is in the way: builds make a directory of that name; remove it", path.display())]
    InTheWay {
        /// The name.
        path: PathBuf,
    },
    /// Another build writes the same bundle.
    #[error("another build is writing `{}`", path.display())]
    Busy {
        /// The directory that it writes in.
        path: PathBuf,
    },
    /// The name cannot be that of a directory.
    #[error("`{}` does not end in a name", path.display())]
    Unnamed {
        /// The path.
        path: PathBuf,
    },
    /// The image could not be written.
    #[error("writing the image")]
    Image(#[source] EmitError),
    /// A file or directory could not be written.
    #[error("writing `{}`", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Checks that a bundle may be written at `out`, before any work is done for it.
///
/// # Errors
/// [`BundleError::Exists`], [`BundleError::NotABundle`].
pub fn check_vacant(out: &Path, existing: ExistingBundle) -> Result<(), BundleError> {
    staging::check_taken(out, existing)
}

/// The path that a bundle at `out` really gets. Where one may be replaced, `out` may be a link to it, which stays.
///
/// # Errors
/// [`BundleError::Link`] when the link leads to no directory.
pub fn resolve(out: &Path, existing: ExistingBundle) -> Result<PathBuf, BundleError> {
    match existing {
        ExistingBundle::Refuse => Ok(out.to_owned()),
        ExistingBundle::Replace => staging::resolve(out),
    }
}

impl BundleWriter {
    /// Starts a bundle at `out`.
    ///
    /// # Errors
    /// [`BundleError`] when the name is taken, or another build writes there.
    pub fn open(out: &Path, existing: ExistingBundle) -> Result<Self, BundleError> {
        Ok(Self { staging: staging::StagingDir::open(out, existing)? })
    }

    /// Writes the image of a plan, with digests taken in the same pass. Inputs may be checked once this returns: the last
    /// of their bytes has been read.
    ///
    /// # Errors
    /// [`BundleError::Image`].
    pub fn write_image(
        &self,
        plan: &Plan,
        sources: &dyn Sources,
        options: &EmitOptions,
        known: Option<KnownImage>,
        monitor: Monitor<'_>,
    ) -> Result<Emitted, BundleError> {
        image::emit(plan, sources, &self.path(DISK), options, known, monitor).map_err(BundleError::Image)
    }

    /// Writes the manifest and the other texts, and gives the bundle its name.
    ///
    /// # Errors
    /// [`BundleError`]; then there is no bundle.
    pub fn finish(
        self,
        disk: &Disk,
        emitted: &Emitted,
        texts: BundleTexts<'_>,
        cancel: &CancelToken,
    ) -> Result<Manifest, BundleError> {
        let BundleTexts { origin, listing, documents } = texts;
        let mut texts = vec![(TREE, listing)];
        texts.extend(documents.iter().map(|(name, text)| (*name, text.as_str())));
        let digests: Vec<_> = texts.iter().map(|(name, text)| (*name, Digest::of(text.as_bytes()))).collect();
        let bound = digests.iter().map(|(name, digest)| ((*name).to_owned(), *digest)).collect();
        let manifest = Manifest::new(origin, disk, emitted, bound);
        let text = manifest.to_text();
        texts.push((MANIFEST, &text));
        let mut sums = vec![(DISK, emitted.plain), (MANIFEST, Digest::of(text.as_bytes()))];
        sums.extend(digests);
        sums.sort_unstable_by_key(|(name, _)| *name);
        let sums = sums::write(&sums);
        texts.push((SUMS, &sums));
        for (name, text) in texts {
            write_file(&self.path(name), text)?;
        }
        sync(&self.path(DISK))?;
        if cancel.is_cancelled() {
            return Err(BundleError::Image(EmitError::Interrupted));
        }
        self.staging.commit()?;
        Ok(manifest)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.staging.directory().join(name)
    }
}

/// Writes a small file and waits until it is on the disk.
fn write_file(path: &Path, text: &str) -> Result<(), BundleError> {
    let write = || {
        let mut file = File::create(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    write().map_err(|source| BundleError::File { path: path.to_owned(), source })
}

/// Waits until a file is on the disk.
fn sync(path: &Path) -> Result<(), BundleError> {
    let sync = || fs::OpenOptions::new().write(true).open(path)?.sync_all();
    sync().map_err(|source| BundleError::File { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use amiforge_formats::guid::Guid;
    use amiforge_formats::plan::{Claims, Data, NoSources, SourceId};
    use amiforge_progress::CancelToken;

    fn disk(data: Data) -> Disk {
        let mut claims = Claims::new(3 << 20);
        claims.claim(1 << 20, 3, data);
        Disk {
            plan: claims.finish(&Data::Free).unwrap(),
            guid: Guid::derive("x", "disk"),
            partitions: Vec::new(),
        }
    }

    fn bytes() -> Data {
        Data::Bytes { bytes: b"abc".as_slice().into(), at: 0 }
    }

    fn build(
        out: &Path,
        existing: ExistingBundle,
        data: Data,
        cancel: &CancelToken,
    ) -> Result<Manifest, BundleError> {
        let origin = ImageOrigin {
            name: "x".to_owned(),
            version: None,
            arch: "x86_64".to_owned(),
            epoch: 0,
            boot_mode: None,
            recipe: Digest::of(b""),
            lock: None,
            inputs: Vec::new(),
            cleaned: Vec::new(),
            secrets: Vec::new(),
            secrets_unknown: Vec::new(),
            skipped: Vec::new(),
        };
        let disk = disk(data);
        let writer = BundleWriter::open(out, existing)?;
        let threads = EmitOptions { threads: 2 };
        let emitted = writer.write_image(&disk.plan, &NoSources, &threads, None, Monitor::silent(cancel))?;
        let texts = BundleTexts { origin, listing: "/ dir\n", documents: &[] };
        writer.finish(&disk, &emitted, texts, cancel)
    }

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_bundle_has_its_four_files_and_their_sums_hold() {
        let parent = tempfile::tempdir().unwrap();
        let out = parent.path().join("web");
        let manifest = build(&out, ExistingBundle::Refuse, bytes(), &CancelToken::new()).unwrap();
        assert_eq!(names(&out), FILES);
        assert_eq!(names(parent.path()), ["web"]);
        assert_eq!(Manifest::parse(&fs::read(out.join(MANIFEST)).unwrap()).unwrap(), manifest);
        let sums = parse_sums(&fs::read_to_string(out.join(SUMS)).unwrap()).unwrap();
        assert_eq!(sums.len(), 3);
        for sum in sums {
            assert_eq!(Digest::of(&fs::read(out.join(&sum.name)).unwrap()), sum.sha256, "{}", sum.name);
        }
    }

    #[test]
    fn a_failed_or_interrupted_bundle_leaves_nothing() {
        let parent = tempfile::tempdir().unwrap();
        let out = parent.path().join("web");
        let missing = build(
            &out,
            ExistingBundle::Refuse,
            Data::Slice { source: SourceId(0), at: 0 },
            &CancelToken::new(),
        );
        assert!(matches!(missing, Err(BundleError::Image(EmitError::Read { .. }))), "{missing:?}");
        let stop = CancelToken::new();
        stop.cancel();
        let stopped = build(&out, ExistingBundle::Refuse, bytes(), &stop);
        assert!(matches!(stopped, Err(BundleError::Image(EmitError::Interrupted))), "{stopped:?}");
        assert_eq!(names(parent.path()), [""; 0]);
    }

    #[test]
    fn a_taken_name_is_kept_unless_a_bundle_is_to_be_replaced() {
        let parent = tempfile::tempdir().unwrap();
        let out = parent.path().join("web");
        let build = |existing, data| build(&out, existing, data, &CancelToken::new());
        let first = build(ExistingBundle::Replace, bytes()).unwrap();
        assert!(matches!(build(ExistingBundle::Refuse, Data::Zero), Err(BundleError::Exists { .. })));
        assert_eq!(Manifest::parse(&fs::read(out.join(MANIFEST)).unwrap()).unwrap(), first);
        let second = build(ExistingBundle::Replace, Data::Zero).unwrap();
        assert_ne!(first.plain, second.plain);
        assert_eq!(Manifest::parse(&fs::read(out.join(MANIFEST)).unwrap()).unwrap(), second);
        assert_eq!(names(parent.path()), ["web"]);
        fs::write(out.join("notes"), "mine").unwrap();
        let refused = build(ExistingBundle::Replace, bytes());
        assert!(
            matches!(&refused, Err(BundleError::NotABundle { found, .. }) if found == "notes"),
            "{refused:?}"
        );
        assert_eq!(names(&out).len(), 5);
    }

    #[test]
    fn a_link_to_a_bundle_stays_and_the_bundle_is_replaced() {
        let parent = tempfile::tempdir().unwrap();
        let (real, link) = (parent.path().join("web-1"), parent.path().join("current"));
        let first = build(&real, ExistingBundle::Refuse, bytes(), &CancelToken::new()).unwrap();
        std::os::unix::fs::symlink("web-1", &link).unwrap();
        // Unresolved, nothing of the old bundle is touched.
        let refused = build(&link, ExistingBundle::Replace, Data::Zero, &CancelToken::new());
        assert!(matches!(refused, Err(BundleError::Link { .. })), "{refused:?}");
        let refused = build(&link, ExistingBundle::Refuse, Data::Zero, &CancelToken::new());
        assert!(matches!(refused, Err(BundleError::Exists { .. })), "{refused:?}");
        assert_eq!(Manifest::parse(&fs::read(real.join(MANIFEST)).unwrap()).unwrap(), first);
        for given in [link.clone(), link.join("")] {
            let out = resolve(&given, ExistingBundle::Replace).unwrap();
            let second = build(&out, ExistingBundle::Replace, Data::Zero, &CancelToken::new()).unwrap();
            assert_eq!(Manifest::parse(&fs::read(link.join(MANIFEST)).unwrap()).unwrap(), second);
        }
        assert!(link.is_symlink());
        assert_eq!(names(parent.path()), ["current", "web-1"]);
        fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink("nowhere", &link).unwrap();
        let dangling = resolve(&link, ExistingBundle::Replace);
        assert!(matches!(dangling, Err(BundleError::Link { .. })), "{dangling:?}");
    }

    #[test]
    fn what_no_build_made_is_not_written_through() {
        let parent = tempfile::tempdir().unwrap();
        let out = parent.path().join("web");
        let (mine, partial) = (parent.path().join("mine"), parent.path().join(".web.partial"));
        fs::create_dir(&mine).unwrap();
        fs::write(mine.join(DISK), "precious").unwrap();
        for target in ["mine", "mine/disk.raw", "nowhere"] {
            std::os::unix::fs::symlink(target, &partial).unwrap();
            let refused = build(&out, ExistingBundle::Refuse, bytes(), &CancelToken::new());
            assert!(
                matches!(&refused, Err(BundleError::InTheWay { path }) if *path == partial),
                "{refused:?}"
            );
            fs::remove_file(&partial).unwrap();
        }
        fs::write(&partial, "").unwrap();
        let refused = build(&out, ExistingBundle::Refuse, bytes(), &CancelToken::new());
        assert!(matches!(refused, Err(BundleError::InTheWay { .. })), "{refused:?}");
        assert_eq!(fs::read(mine.join(DISK)).unwrap(), b"precious");
    }

    #[test]
    fn what_a_killed_build_left_is_cleared_and_a_running_build_is_respected() {
        let parent = tempfile::tempdir().unwrap();
        let out = parent.path().join("web");
        let left = parent.path().join(".web.partial");
        fs::create_dir(&left).unwrap();
        fs::write(left.join(DISK), "half").unwrap();
        let running = File::open(&left).unwrap();
        rustix::fs::flock(&running, rustix::fs::FlockOperation::LockExclusive).unwrap();
        let busy = build(&out, ExistingBundle::Refuse, bytes(), &CancelToken::new());
        assert!(matches!(busy, Err(BundleError::Busy { .. })), "{busy:?}");
        assert_eq!(names(&left), [DISK]);
        drop(running);
        build(&out, ExistingBundle::Refuse, bytes(), &CancelToken::new()).unwrap();
        assert_eq!(names(parent.path()), ["web"]);
    }
}
