//! `[trust] pcr-policy`: from keys to a file of a public key and the states of a boot that are signed for.

use amiforge_formats::pcr::PhasePath;
use amiforge_image::pcr_policy::PHASES_MAX;
use amiforge_rootfs::steps::kernel_hook::UefiLoader;

use super::NamedFile;
use super::checker::Checker;
use super::diagnostic::KeyPath;
use super::keys::{BootModeKey, RecipeKeys};

/// The states of a boot whose initrd has no systemd: before any service, then when the system is set up, then when it is ready.
const PHASES: [&str; 3] = [":", "sysinit", "sysinit:ready"];

/// The policies for PCR 11 of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PcrPolicyRecipe {
    /// The public key.
    pub key: NamedFile,
    /// The states that are signed for.
    pub phases: Vec<PhasePath>,
}

/// Checks the key.
pub(super) fn check(keys: &RecipeKeys, at: &KeyPath, checker: &mut Checker<'_>) -> Option<PcrPolicyRecipe> {
    let asked = keys.trust.pcr_policy.as_ref()?;
    let at = at.key("trust").key("pcr-policy");
    match keys.boot_table() {
        None => {
            let message = "a policy is for what `[boot]` makes, and the recipe has none";
            checker.reject_key(at.clone(), message);
        }
        Some(boot) if boot.loader == Some(UefiLoader::Grub) => {
            let message = "a policy is a section of a unified kernel image, and GRUB starts none; write the loader `uki`";
            checker.reject_key(at.clone(), message);
        }
        Some(boot) if boot.mode == Some(BootModeKey::Bios) => {
            let message =
                "a legacy BIOS measures nothing that a policy could be about; write the mode `uefi`";
            checker.reject_key(at.clone(), message);
        }
        Some(_) => {}
    }
    let key = NamedFile { path: checker.host_path(at.key("key"), &asked.key), name: asked.key.clone() };
    let at = at.key("phases");
    let given = asked.phases.clone().unwrap_or_else(|| PHASES.map(str::to_owned).to_vec());
    if given.is_empty() || given.len() > PHASES_MAX {
        checker.reject(at.clone(), format!("there are {}, and an image has 1 to {PHASES_MAX}", given.len()));
    }
    let mut phases: Vec<PhasePath> = Vec::new();
    for text in &given {
        match PhasePath::parse(text) {
            Ok(path) if phases.contains(&path) => {
                checker.reject(at.clone(), format!("`{text}` is there twice"));
            }
            Ok(path) => phases.push(path),
            Err(error) => checker.reject(at.clone(), error.to_string()),
        }
    }
    Some(PcrPolicyRecipe { key, phases })
}
