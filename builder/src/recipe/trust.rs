//! `[trust]`: from keys to what is protected, and what that means for the rest of the recipe.

use amiforge_image::seal::{Writable, WritableFolders};

use super::checker::Checker;
use super::diagnostic::KeyPath;
use super::keys::{TrustKeys, TrustProfile, WritableKey, WritableKeys};
use super::spec::TrustRecipe;

/// Checks the table.
pub(super) fn check(keys: &TrustKeys, at: &KeyPath, checker: &mut Checker<'_>) -> TrustRecipe {
    if keys.writable.is_some() && keys.profile.is_none() {
        checker.reject_key(at.key("writable"), "`writable` is for a read-only root: give a `profile` too");
    }
    let writable = writable(&keys.writable.clone().unwrap_or_default());
    if keys.profile == Some(TrustProfile::Attestable) && writable.etc == Writable::Data {
        let message = "with `attestable`, nothing in `/etc` outlasts a start: a kept file there would change what the machine does, \
                       and no measurement shows it";
        checker.reject(at.key("writable").key("etc"), message);
    }
    TrustRecipe { profile: keys.profile, writable }
}

/// Where writes go.
fn writable(keys: &WritableKeys) -> WritableFolders {
    let folder = |key: Option<WritableKey>| match key {
        Some(WritableKey::Tmpfs) | None => Writable::Tmpfs,
        Some(WritableKey::Data) => Writable::Data,
        Some(WritableKey::None) => Writable::None,
    };
    WritableFolders { etc: folder(keys.etc), var: folder(keys.var) }
}
