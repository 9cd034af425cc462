//! `[trust] secure-boot`: from keys to files of certificates, and what they mean for `[boot]`.

use std::path::PathBuf;

use amiforge_formats::guid::Guid;
use amiforge_rootfs::steps::kernel_hook::UefiLoader;

use super::checker::Checker;
use super::diagnostic::KeyPath;
use super::keys::{BootKeys, BootModeKey, RecipeKeys};

/// The certificates that an image enrols.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecureBootRecipe {
    /// Whose signatures are taken.
    pub db: NamedFile,
    /// Who may change `db` and `dbx`.
    pub kek: NamedFile,
    /// Who may change `kek`.
    pub pk: NamedFile,
    /// What is revoked.
    pub dbx: Option<NamedFile>,
    /// GUID of the owner of all entries.
    pub owner: Guid,
}

/// A file of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedFile {
    /// The file.
    pub path: PathBuf,
    /// Its name in the recipe.
    pub name: String,
}

/// Checks the key.
pub(super) fn check(keys: &RecipeKeys, at: &KeyPath, checker: &mut Checker<'_>) -> Option<SecureBootRecipe> {
    let files = keys.trust.secure_boot.as_ref()?;
    let at = at.key("trust").key("secure-boot");
    if keys.boot_table().is_none() {
        let message = "firmware checks what `[boot]` makes, and the recipe has none";
        checker.reject_key(at.clone(), message);
    }
    let mut file = |key: &str, name: &String| NamedFile {
        path: checker.host_path(at.key(key), name),
        name: name.clone(),
    };
    let (db, kek, pk) = (file("db", &files.db), file("kek", &files.kek), file("pk", &files.pk));
    let dbx = files.dbx.as_ref().map(|name| file("dbx", name));
    let owner = checker.accept_optional(at.key("owner"), files.owner.as_ref(), |text| {
        text.parse().map_err(|wrong| format!("{wrong}"))
    });
    let owner = owner.unwrap_or_else(|| Guid::derive(&keys.image.name, "owner of secure boot"));
    Some(SecureBootRecipe { db, kek, pk, dbx, owner })
}

/// Checks `[boot]` where firmware starts only what is signed, and sets the keys that such an image decides.
pub(super) fn boot(keys: &mut BootKeys, at: &KeyPath, checker: &mut Checker<'_>) {
    if keys.mode.is_some_and(|mode| mode != BootModeKey::Uefi) {
        let message = "a legacy BIOS starts unsigned programs, and `secure-boot` is asked for; write `uefi`";
        checker.reject(at.key("mode"), message);
    }
    if keys.loader == Some(UefiLoader::Grub) {
        let message = "GRUB starts a kernel without asking firmware whether it is signed, and `secure-boot` is asked for; write \
                       `uki`";
        checker.reject(at.key("loader"), message);
    }
    if keys.kernel_hook == Some(true) {
        let message = "a kernel that is installed later has no signature, so firmware would not start it";
        checker.reject(at.key("kernel-hook"), message);
    }
    keys.mode = Some(BootModeKey::Uefi);
    keys.kernel_hook = Some(false);
}
