//! Opening a source: by its kind, to its tree. The only file that depends on all kinds.

use std::path::Path;

use amiforge_store::blobs::Blobs;
use amiforge_store::deferred::Deferred;

use super::archive::{OpenedSource, Opening};
use super::dir::{self, DirAttributes};
use super::tar::{self, ArchiveLocation};
use super::{DigestPin, Modes, OwnerRule, SourceError, SourceKind, SourceSpec, image, oci};

impl Opening<'_> {
    /// Opens and indexes a source.
    pub(crate) fn open(&self, spec: &SourceSpec, blobs: &mut Blobs) -> Result<OpenedSource, SourceError> {
        match &spec.kind {
            SourceKind::Tar { path } => self.tar(path, spec.pin, blobs),
            SourceKind::Dir { path, owners, modes } => self.dir(path, owners, *modes, spec.pin, blobs),
            SourceKind::Oci { path, platform, reference } => {
                self.monitor.progress.begin("reading the image", None);
                oci::open(self, spec, path, platform, reference.as_deref(), blobs)
            }
            SourceKind::Image { path, partition, keep } => {
                self.monitor.progress.begin("reading the disk image", None);
                image::open(self, (path, partition.as_deref(), *keep), spec.pin, blobs)
            }
        }
    }

    fn dir(
        &self,
        path: &Path,
        owners: &[OwnerRule],
        modes: Modes,
        pin: DigestPin,
        blobs: &mut Blobs,
    ) -> Result<OpenedSource, SourceError> {
        if let DigestPin::Exact(_) = pin {
            return Err(SourceError::PinnedFolder);
        }
        if path.is_file() {
            return Err(SourceError::NotAFolder { path: path.to_owned() });
        }
        let has = |name: &str| path.join(name).exists();
        if let Some(sign) = image_sign(has) {
            return Err(SourceError::AnImage { path: path.to_owned(), sign });
        }
        self.monitor.progress.begin("walking the folder", None);
        let (indexed, size) =
            dir::index(path, DirAttributes { owners, modes }, self.path_map, blobs, self.monitor)?;
        let (sha256, deferred) = (None, Deferred::new());
        Ok(OpenedSource {
            indexed,
            kind: "dir",
            size,
            sha256,
            pinned: false,
            deferred,
            config: None,
            disk: None,
        })
    }

    fn tar(&self, path: &Path, pin: DigestPin, blobs: &mut Blobs) -> Result<OpenedSource, SourceError> {
        if path.is_dir() {
            let instead = if image_sign(|name| path.join(name).exists()).is_some() { "oci" } else { "dir" };
            return Err(SourceError::Folder { path: path.to_owned(), instead });
        }
        self.monitor.progress.begin("indexing the archive", None);
        let mut deferred = Deferred::new();
        let plain = self.archive(path, pin, blobs, &mut deferred)?;
        let indexed =
            tar::index(&plain.bytes(), ArchiveLocation { source: plain.source, at: 0 }, self.monitor)?;
        if let Some(sign) = image_sign(|name| indexed.tree.lookup(name.as_bytes()).is_some()) {
            return Err(SourceError::AnImage { path: path.to_owned(), sign });
        }
        let pinned = matches!(pin, DigestPin::Exact(_));
        let (size, sha256) = (plain.size, plain.sha256);
        Ok(OpenedSource { indexed, kind: "tar", size, sha256, pinned, deferred, config: None, disk: None })
    }
}

/// The document that identifies a folder or archive with these top-level names as a container image: a layout, or
/// the output of `docker save`. One that also has the folders of a system is not an image.
fn image_sign(has: impl Fn(&str) -> bool) -> Option<&'static str> {
    if ["bin", "etc", "usr"].into_iter().any(&has) {
        return None;
    }
    if has("oci-layout") && has("index.json") {
        return Some("oci-layout");
    }
    (has("manifest.json") && (has("repositories") || has("blobs"))).then_some("manifest.json")
}
