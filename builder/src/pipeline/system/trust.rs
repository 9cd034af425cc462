//! `[trust]` on the tree: makes it a root that cannot be written to, and asserts the profile.

use amiforge_formats::time::Time;
use amiforge_formats::tree::Tree;
use amiforge_image::seal::Writable;
use amiforge_rootfs::steps::verified_root::{self, Medium, Profile, VerifiedRootSpec};
use amiforge_store::blobs::Blobs;

use crate::pipeline::BuildError;
use crate::recipe::{Recipe, TrustProfile};

/// Prepares the tree of a recipe with a profile; gives warnings.
///
/// # Errors
/// [`BuildError::Step`] names everything that the profile forbids.
pub(super) fn verified_root(
    recipe: &Recipe,
    tree: &mut Tree,
    blobs: &Blobs,
    time: Time,
) -> Result<Vec<String>, BuildError> {
    let Some(profile) = recipe.trust.profile else { return Ok(Vec::new()) };
    let profile = match profile {
        TrustProfile::Verity => Profile::Verity,
        TrustProfile::Attestable => Profile::Attestable,
    };
    let medium = |writable| match writable {
        Writable::None => Medium::None,
        Writable::Tmpfs => Medium::Tmpfs,
        Writable::Data => Medium::Data,
    };
    let writable = recipe.trust.writable;
    let mounts: Vec<_> =
        recipe.partitions.iter().filter_map(|partition| partition.mount.as_deref()).collect();
    let (etc, var) = (medium(writable.etc), medium(writable.var));
    let has_data = recipe.partitions.iter().any(|partition| partition.label == verified_root::DATA_PARTITION);
    let spec = VerifiedRootSpec { profile, etc, var, mounts: &mounts, has_data, time };
    Ok(verified_root::apply(tree, blobs, &spec)?)
}
