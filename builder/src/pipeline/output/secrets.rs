//! Secrets of an image: which files depend on the random numbers of the build, which hold private keys, and which of
//! both the recipe allows.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use amiforge_formats::digest::Digest;
use amiforge_formats::tree::{Content, NodeKind, Printable, Tree};
use amiforge_image::manifest::Secret;
use amiforge_rootfs::glob::Globs;
use amiforge_rootfs::secrets;
use amiforge_sandbox::SandboxClock;
use amiforge_store::blobs::Blobs;
use amiforge_store::digests;

use crate::pipeline::layers::RandomFile;
use crate::recipe::{Recipe, Scripts};

/// Shortest file that counts as a copy of another: shorter ones may be equal by chance.
const COPY_MIN: u64 = 16;

/// Texts about secrets that were not looked for.
pub(super) fn unknown(recipe: &Recipe) -> Vec<String> {
    let scripts =
        recipe.packages.as_ref().is_some_and(|packages| packages.backend().scripts() == Scripts::Run);
    let runs = scripts || !recipe.runs.is_empty() || !recipe.stages.is_empty();
    let once = "scripts and commands ran once (`second-run = false` under `[secrets]`): files that depend on the random \
                numbers of the build were not looked for";
    if runs && !recipe.secrets.second_run { vec![once.to_owned()] } else { Vec::new() }
}

/// The secrets in a tree, sorted by path.
///
/// # Errors
/// What the medium says.
pub(super) fn list(
    recipe: &Recipe,
    tree: &Tree,
    blobs: &Blobs,
    random: &[RandomFile],
) -> io::Result<Vec<Secret>> {
    let still = recipe.clock == SandboxClock::Still && cfg!(target_arch = "x86_64");
    let word = if still { Secret::RANDOM } else { Secret::RANDOM_OR_TIME };
    let mut found: BTreeMap<Vec<u8>, BTreeSet<&'static str>> = BTreeMap::new();
    for path in random_paths(tree, blobs, random)? {
        found.entry(path).or_default().insert(word);
    }
    for (path, kind) in secrets::scan(tree, blobs)? {
        found.entry(path).or_default().insert(kind.name());
    }
    let secret = |(path, what): (Vec<u8>, BTreeSet<&'static str>)| {
        let allowed = recipe.secrets.allow.iter().find(|allowed| allowed.globs.matches(&path));
        let allowed = match allowed {
            Some(allowed) => Some(allowed.reason.clone()),
            None => allowed_leak(recipe, &path, &what, tree, blobs)?,
        };
        Ok(Secret {
            allowed,
            path: Printable(&[b"/", path.as_slice()].concat()).to_string(),
            what: what.into_iter().map(str::to_owned).collect(),
        })
    };
    found.into_iter().map(secret).collect()
}

/// The reason of the `[[allow]]` that covers everything that a file is: whoever lets a key leave need not say it twice.
fn allowed_leak(
    recipe: &Recipe,
    path: &[u8],
    what: &BTreeSet<&'static str>,
    tree: &Tree,
    blobs: &Blobs,
) -> io::Result<Option<String>> {
    for allowed in &recipe.allow {
        let rule = |what: &&str| allowed.rule == "*" || allowed.rule == **what;
        let globs = Globs::new([allowed.path.as_str()]);
        // What depends on random numbers is no leak, and only `[secrets]` can allow it.
        let random = what.contains(Secret::RANDOM) || what.contains(Secret::RANDOM_OR_TIME);
        if random || !what.iter().all(rule) || !globs.is_ok_and(|globs| globs.matches(path)) {
            continue;
        }
        let content = tree.lookup(path).map(|id| &tree.node(id).kind);
        let same = match (&allowed.sha256, content) {
            (None, _) => true,
            (Some(sha256), Some(NodeKind::File(content))) => {
                digests::of(content, blobs)?.sha256.to_string() == *sha256
            }
            _ => false,
        };
        if same {
            return Ok(Some(allowed.reason.clone()));
        }
    }
    Ok(None)
}

/// The paths whose content still depends on random numbers, and those of copies.
fn random_paths(tree: &Tree, blobs: &Blobs, random: &[RandomFile]) -> io::Result<Vec<Vec<u8>>> {
    if random.is_empty() {
        return Ok(Vec::new());
    }
    let digests: BTreeSet<Digest> =
        random.iter().filter_map(|one| one.sha256.as_ref()?.parse().ok()).collect();
    let mut found = Vec::new();
    for RandomFile { path, sha256 } in random {
        let Some(id) = tree.lookup(path) else { continue };
        let same = match (&tree.node(id).kind, sha256) {
            (NodeKind::File(content), Some(sha256)) => {
                digests::of(content, blobs)?.sha256.to_string() == *sha256
            }
            (NodeKind::Symlink(_), None) => true,
            _ => false,
        };
        if same {
            found.push(path.clone());
        }
    }
    let is_copy = |content: &Content| {
        let known = digests::known(content, blobs).filter(|_| content.len() >= COPY_MIN);
        known.is_some_and(|known| digests.contains(&known.sha256))
    };
    for entry in tree.walk() {
        if matches!(&tree.node(entry.id).kind, NodeKind::File(content) if is_copy(content)) {
            found.push(entry.path);
        }
    }
    Ok(found)
}

/// Entries of `allow` that no secret of the image needs, in words.
pub(in crate::pipeline) fn needless(recipe: &Recipe, secrets: &[Secret]) -> Vec<String> {
    let needless = recipe.secrets.allow.iter().filter(|allowed| {
        !secrets.iter().any(|secret| allowed.globs.matches(secret.path.trim_start_matches('/').as_bytes()))
    });
    needless
        .map(|allowed| {
            format!(
                "`allow` of `[secrets]` names `{}`, and no secret was found there; remove the entry",
                allowed.path
            )
        })
        .collect()
}
