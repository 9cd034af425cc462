//! The PCRs of machines of an image, predicted from the unified kernel image that was sealed.

use amiforge_image::measure::{ContentReader, Measurements};
use amiforge_image::seal::{LoaderPrograms, Sealed};
use amiforge_image::secure_boot::{self, SecureBootKeys};
use amiforge_store::blobs::Blobs;

use super::boot::Boot;
use crate::recipe::Recipe;

/// The registers, for a recipe with `[trust]` whose default loader is a unified kernel image. A warning says why there are none
/// where they cannot be predicted: the image is sound, but nothing can be proven of its machines by them.
pub(super) fn measurements(
    recipe: &Recipe,
    boot: Option<&Boot>,
    (sealed, keys): (&Sealed, Option<&SecureBootKeys>),
    blobs: &Blobs,
    warnings: &mut Vec<String>,
) -> Option<Measurements> {
    let uefi = boot?.spec.uefi.as_ref().filter(|_| recipe.trust.is_set())?;
    if !matches!(uefi.loader, LoaderPrograms::Uki(_)) {
        return None;
    }
    let path = format!("EFI/BOOT/{}", uefi.default_name);
    let file = sealed.esp.iter().find(|file| file.path == path)?;
    let predicted = ContentReader::new(&file.content, blobs)
        .map_err(|error| error.to_string())
        .and_then(|bytes| predict(&bytes, keys));
    match predicted {
        Ok(measurements) => Some(measurements),
        Err(reason) => {
            warnings.push(format!("the PCRs of machines of this image are not predicted: {reason}"));
            None
        }
    }
}

fn predict(bytes: &ContentReader<&Blobs>, keys: Option<&SecureBootKeys>) -> Result<Measurements, String> {
    secure_boot::predict(bytes, keys).map_err(|error| {
        let causes = std::iter::successors(std::error::Error::source(&error), |cause| cause.source());
        causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
    })
}
