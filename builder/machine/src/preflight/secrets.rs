//! Secrets that every machine of the image would share: those that the manifest of a bundle lists, or, without a
//! manifest, private keys in the files.

use std::fs::File;
use std::io::Read as _;

use amiforge_image::bundle;
use amiforge_image::inspect::{Contents, DiskView, InspectError, Medium};
use amiforge_image::manifest::{Manifest, Secret, TEXT_MAX};
use amiforge_rootfs::secrets::scan;

use super::{Findings, files, secure_boot};

/// The remedy for a secret.
const REMEDY: &str =
    "remove it, have it made at the first boot, or say under `[secrets]` of the recipe why it may stay";

/// Adds a finding for every secret that the recipe does not allow.
pub(super) fn check(medium: &Medium, findings: &mut Findings) -> Result<(), InspectError> {
    match medium.bundle() {
        Some(folder) => {
            match read_manifest(&folder.join(bundle::MANIFEST)) {
                Some(manifest) => {
                    check_manifest(&manifest, findings);
                    secure_boot::check(medium, &manifest, findings);
                }
                None => findings.failure(
                    "secrets",
                    "the manifest cannot be read, so the secrets in the image are not known",
                    "build the bundle again, or look at its `disk.raw` alone",
                ),
            }
            Ok(())
        }
        None => check_files(medium, findings),
    }
}

fn read_manifest(path: &std::path::Path) -> Option<Manifest> {
    let mut text = Vec::new();
    File::open(path).ok()?.take(TEXT_MAX + 1).read_to_end(&mut text).ok()?;
    Manifest::parse(&text).ok()
}

fn check_manifest(manifest: &Manifest, findings: &mut Findings) {
    for secret in manifest.origin.secrets.iter().filter(|secret| secret.allowed.is_none()) {
        let what = format!("{secret}, and every machine would have the same");
        if secret.is_refused() {
            findings.failure("secrets", what, REMEDY);
        } else {
            findings.warning("secrets", what, REMEDY);
        }
    }
    for unknown in &manifest.origin.secrets_unknown {
        findings.warning("secrets", unknown, "leave `second-run` out of the recipe");
    }
}

/// An image without a recipe cannot allow a secret, so a private key is a warning and no failure.
fn check_files(medium: &Medium, findings: &mut Findings) -> Result<(), InspectError> {
    let view = DiskView::read(medium)?;
    for volume in files::volumes(medium, &view)? {
        let Some(window) = volume.slot.window(medium) else { continue };
        let Ok(keys) = scan(&volume.tree, &Contents(window)) else {
            let what = format!("the files of {} cannot be searched for private keys", volume.slot.title());
            findings.warning("secrets", what, "check the image");
            continue;
        };
        for (path, kind) in keys {
            let path = amiforge_formats::tree::Printable(&path).to_string();
            let path = format!("/{path}");
            let secret = Secret { allowed: None, path, what: vec![kind.name().to_owned()] };
            let what = format!("{secret}, and every machine would have the same");
            findings.warning("secrets", what, "remove it, or have it made at the first boot");
        }
    }
    Ok(())
}
