//! Secrets that every machine of the image would share: as the build found them, or, where there is no manifest, private
//! keys in the files.

use std::fs::File;
use std::io::Read as _;

use amiforge_image::bundle;
use amiforge_image::inspect::{Contents, DiskView, InspectError, Medium};
use amiforge_image::manifest::{Manifest, Secret, TEXT_MAX};
use amiforge_rootfs::secrets::scan;

use super::{Findings, files};

/// What to do about one.
const REMEDY: &str =
    "remove it, have it made at the first boot, or say under `[secrets]` of the recipe why it may stay";

/// Tells every secret that is not allowed.
pub(super) fn check(medium: &Medium, found: &mut Findings) -> Result<(), InspectError> {
    match medium.bundle() {
        Some(folder) => {
            match manifest(&folder.join(bundle::MANIFEST)) {
                Some(manifest) => of_manifest(&manifest, found),
                None => found.failure(
                    "secrets",
                    "the manifest cannot be read, so nothing says what secrets are in the image",
                    "build the bundle again, or look at its `disk.raw` alone",
                ),
            }
            Ok(())
        }
        None => of_files(medium, found),
    }
}

fn manifest(path: &std::path::Path) -> Option<Manifest> {
    let mut text = Vec::new();
    File::open(path).ok()?.take(TEXT_MAX + 1).read_to_end(&mut text).ok()?;
    Manifest::parse(&text).ok()
}

fn of_manifest(manifest: &Manifest, found: &mut Findings) {
    for secret in manifest.origin.secrets.iter().filter(|secret| secret.allowed.is_none()) {
        let what = format!("{secret}, and every machine would have the same");
        if secret.is_refused() {
            found.failure("secrets", what, REMEDY);
        } else {
            found.warning("secrets", what, REMEDY);
        }
    }
    for unknown in &manifest.origin.secrets_unknown {
        found.warning("secrets", unknown, "leave `second-run` out of the recipe");
    }
}

/// Nothing can be allowed in an image without a recipe, so nothing is refused.
fn of_files(medium: &Medium, found: &mut Findings) -> Result<(), InspectError> {
    let view = DiskView::read(medium)?;
    for volume in files::volumes(medium, &view)? {
        let Some(window) = volume.slot.window(medium) else { continue };
        let Ok(keys) = scan(&volume.tree, &Contents(window)) else {
            let what =
                format!("the files of {} cannot be looked through for private keys", volume.slot.title());
            found.warning("secrets", what, "check the image");
            continue;
        };
        for (path, kind) in keys {
            let path = amiforge_formats::tree::Printable(&path).to_string();
            let path = format!("/{path}");
            let secret = Secret { allowed: None, path, what: vec![kind.name().to_owned()] };
            let what = format!("{secret}, and every machine would have the same");
            found.warning("secrets", what, "remove it, or have it made at the first boot");
        }
    }
    Ok(())
}
