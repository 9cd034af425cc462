//! Where the blocks of a parent may be known without reading them back from the service.

use std::path::Path;

use amiforge_formats::digest::Digest;
use amiforge_image::manifest::Manifest;

/// Where the blocks of a parent may be known without reading them back.
pub(super) struct Hints<'a> {
    /// The folder of the journal, with the manifests of snapshots that were uploaded from here.
    pub(super) folder: &'a Path,
    /// The bundle or manifest that the user names.
    pub(super) bundle: Option<&'a Path>,
    /// The manifest that a hand-over brings, of a delta.
    pub(super) manifest: Option<(&'a Manifest, Digest)>,
    /// The file of its disk, with the digest that a lock pins.
    pub(super) base: Option<(&'a Path, Digest)>,
    /// Maximum number of blocks per second.
    pub(super) rate: u32,
}
