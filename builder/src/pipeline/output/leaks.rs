//! What the leak gate may let pass, for the manifest: the `[[allow]]`s of the recipe, and what the recipe itself asks for.
//! These are bound to their bytes, so that a further key or password in the same file is a finding.

use amiforge_formats::digest::Digest;
use amiforge_image::manifest::AllowedLeak;

use crate::recipe::{FilePut, Recipe};

/// All of them, in the order of the recipe: the `[[allow]]`s first.
pub(super) fn allowed(recipe: &Recipe) -> Vec<AllowedLeak> {
    let mut all = recipe.allow.clone();
    for user in &recipe.users {
        let reason = format!("`[[user]]` `{}` of the recipe asks for it", user.name);
        let asked = |rule: &str, path: &str, secret: &str| AllowedLeak {
            path: path.to_owned(),
            reason: reason.clone(),
            rule: rule.to_owned(),
            sha256: Some(Digest::of(secret.as_bytes()).to_string()),
        };
        all.extend(user.password_hash.iter().map(|hash| asked("password-hash", "/etc/shadow*", hash)));
        let keys = user.ssh_authorized_keys.iter().map(|line| line.trim());
        all.extend(keys.map(|line| asked("authorized-keys", "**/.ssh/authorized_keys", line)));
    }
    for file in &recipe.files {
        let named = file.path.ends_with("/authorized_keys") && !matches!(file.put, FilePut::Remove(_));
        all.extend(named.then(|| AllowedLeak {
            path: file.path.clone(),
            reason: "a `[[file]]` of the recipe asks for it".to_owned(),
            rule: "authorized-keys".to_owned(),
            sha256: None,
        }));
    }
    all
}
