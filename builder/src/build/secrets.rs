//! Secrets of an image: which files depend on the random numbers of the build, which hold private keys, and which of
//! both the recipe allows.
//!
//! What depends on random numbers is found by a second run with others (see [`amiforge_rootfs::secrets`]) of whatever
//! makes a layer, and is kept in the layer's notes. A later `[[run]]` sees the outcome of the first run only, so of the
//! files that it makes from an earlier layer's only equal copies are found.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::io;

use amiforge_formats::digest::Digest;
use amiforge_formats::tree::{Content, NodeKind, Printable, Tree};
use amiforge_image::manifest::Secret;
use amiforge_rootfs::secrets::{self, RunOrder, TwiceError};
use amiforge_sandbox::{OnFailure, SandboxClock, Seed};
use amiforge_store::blobs::Blobs;
use amiforge_store::digests;
use amiforge_store::watch::Watch;
use serde::{Deserialize, Serialize};

use super::BuildError;
use super::workshop::Workshop;
use crate::recipe::{Recipe, Scripts};

/// Shortest file that counts as a copy of another: shorter ones may be equal by chance.
const COPY_MIN: u64 = 16;

/// A path whose content depends on random numbers, as it is kept with a layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeptDependent {
    /// Without the first `/`.
    path: Vec<u8>,
    /// Digest of a file's content, in hexadecimal; none for a link.
    sha256: Option<String>,
}

/// Makes a tree with random numbers that follow from a seed; and once more with others, to find what depends on them.
///
/// # Errors
/// What `failed` makes of a failure, [`BuildError::SecondRun`], [`BuildError::Compare`].
pub(super) fn make<E: Error + Send + Sync + 'static>(
    workshop: &Workshop<'_>,
    blobs: &mut Blobs,
    (seed, order): (Seed, RunOrder),
    make: impl Fn(Seed, OnFailure, &mut Blobs, &dyn Watch) -> Result<Tree, E> + Sync,
    failed: impl FnOnce(E) -> BuildError,
) -> Result<(Tree, Vec<KeptDependent>), BuildError> {
    let (watching, on_failure) = (workshop.watching, workshop.on_failure());
    if !workshop.recipe.secrets.second_run {
        let tree = make(seed, on_failure, blobs, watching).map_err(failed)?;
        return Ok((tree, Vec::new()));
    }
    // A shell has the terminal for itself.
    let order = if on_failure == OnFailure::Shell { RunOrder::InTurn } else { order };
    let known = blobs.count();
    let both = secrets::twice(
        blobs,
        order,
        watching,
        |blobs| make(seed, on_failure, blobs, watching),
        |copy, second| make(seed.other(), OnFailure::Stop, copy, second),
    );
    let (tree, other, copy) = both.map_err(|error| match error {
        TwiceError::First(error) => failed(error),
        TwiceError::Second(error) => BuildError::SecondRun(Box::new(error)),
    })?;
    let found = secrets::dependent((&tree, blobs), (&other, &copy), known).map_err(BuildError::Compare)?;
    let kept = |found: secrets::Dependent| KeptDependent {
        path: found.path,
        sha256: found.sha256.map(|digest| digest.to_string()),
    };
    Ok((tree, found.into_iter().map(kept).collect()))
}

/// The notes of a layer that says nothing else.
pub(super) fn notes(dependents: &[KeptDependent]) -> Result<Vec<u8>, BuildError> {
    serde_json::to_vec(dependents).map_err(|error| BuildError::Notes(error.to_string()))
}

/// What [`notes`] wrote.
pub(super) fn read_notes(notes: &[u8]) -> Result<Vec<KeptDependent>, BuildError> {
    serde_json::from_slice(notes).map_err(|error| BuildError::Notes(error.to_string()))
}

/// What could not be found out, in words.
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
    dependents: &[KeptDependent],
) -> io::Result<Vec<Secret>> {
    let still = recipe.clock == SandboxClock::Still && cfg!(target_arch = "x86_64");
    let random = if still { Secret::RANDOM } else { Secret::RANDOM_OR_TIME };
    let mut found: BTreeMap<Vec<u8>, BTreeSet<&'static str>> = BTreeMap::new();
    for path in dependent(tree, blobs, dependents)? {
        found.entry(path).or_default().insert(random);
    }
    for (path, kind) in secrets::scan(tree, blobs)? {
        found.entry(path).or_default().insert(kind.name());
    }
    let secret = |(path, what): (Vec<u8>, BTreeSet<&'static str>)| {
        let allowed = recipe.secrets.allow.iter().find(|allowed| allowed.globs.matches(&path));
        Secret {
            allowed: allowed.map(|allowed| allowed.reason.clone()),
            path: Printable(&[b"/", path.as_slice()].concat()).to_string(),
            what: what.into_iter().map(str::to_owned).collect(),
        }
    };
    Ok(found.into_iter().map(secret).collect())
}

/// The paths that still hold what depends on random numbers, and those of copies.
fn dependent(tree: &Tree, blobs: &Blobs, dependents: &[KeptDependent]) -> io::Result<Vec<Vec<u8>>> {
    if dependents.is_empty() {
        return Ok(Vec::new());
    }
    let digests: BTreeSet<Digest> =
        dependents.iter().filter_map(|one| one.sha256.as_ref()?.parse().ok()).collect();
    let mut found = Vec::new();
    for KeptDependent { path, sha256 } in dependents {
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
pub(super) fn needless(recipe: &Recipe, secrets: &[Secret]) -> Vec<String> {
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
