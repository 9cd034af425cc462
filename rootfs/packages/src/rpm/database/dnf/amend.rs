//! A transaction entered into what a system's dnf keeps already.

use std::collections::{BTreeMap, BTreeSet};

use amiforge_formats::path::{self, Last};
use amiforge_formats::plan::Sources;
use amiforge_formats::time::Time;
use amiforge_formats::tree::{NodeKind, Tree};

use super::package::{DnfChange, DnfPackage};
use super::transactions::DnfHistory;
use super::{HISTORY, STATE, state};
use crate::rpm::database::error::RpmDatabaseError;
use crate::rpm::database::identity::HeaderIdentity;
use crate::rpm::database::put;

/// Largest file of dnf that is read.
const LONGEST: u64 = 256 << 20;

/// Enters a change into the history of dnf 4 and the state of dnf 5, where a system has them. A history of another schema,
/// or one whose last transactions are still in a journal, is left alone: to that dnf, packages that it does not know are wished for.
///
/// # Errors
/// A history that is damaged, or a path that cannot be used.
pub(in crate::rpm) fn amend(
    tree: &mut Tree,
    change: &DnfChange,
    at: Time,
    sources: &dyn Sources,
) -> Result<(), RpmDatabaseError> {
    if let Some(bytes) = read(tree, sources, HISTORY)? {
        let journals = ["-wal", "-journal"].map(|suffix| length(tree, &format!("{HISTORY}{suffix}")));
        let is_whole = journals.into_iter().sum::<Result<u64, _>>()? == 0;
        let history = if is_whole { DnfHistory::read(&bytes) } else { Ok(None) };
        if let Some(mut history) = history.map_err(RpmDatabaseError::History)?
            && history.add(change, at)
        {
            put::replace(tree, HISTORY.as_bytes(), history.bytes()?, at)?;
        }
    }
    amend_state(tree, change, at, sources)
}

/// Changes the files of dnf 5 that are there.
fn amend_state(
    tree: &mut Tree,
    change: &DnfChange,
    at: Time,
    sources: &dyn Sources,
) -> Result<(), RpmDatabaseError> {
    let whole = |one: &HeaderIdentity| format!("{}-{}.{}", one.name, one.evr, one.arch);
    let named = |one: &HeaderIdentity| format!("{}.{}", one.name, one.arch);
    let gone = change.erased.iter().chain(&change.replaced);
    let added: BTreeSet<String> = change.added.iter().map(|one| named(&one.identity)).collect();
    let without: BTreeSet<String> = gone.clone().map(named).filter(|name| !added.contains(name)).collect();
    let reason = |one: &DnfPackage| (named(&one.identity), if one.is_wished { "User" } else { "Dependency" });
    let reasons: BTreeMap<String, &str> = change.added.iter().map(reason).collect();
    let origins: BTreeMap<String, &str> =
        change.added.iter().map(|one| (whole(&one.identity), one.repository.as_str())).collect();
    let wished = |key: &str| {
        let name = key.rsplit_once('.').map_or(key, |(name, _)| name);
        change.wished.iter().any(|one| one == name).then_some("User")
    };
    let changes = [
        (state::PACKAGES, "reason", without, reasons),
        (state::NEVRAS, "from_repo", gone.map(whole).collect(), origins),
    ];
    for (name, field, without, values) in changes {
        let file = format!("{STATE}/{name}");
        let Some(bytes) = read(tree, sources, &file)? else { continue };
        let Ok(text) = std::str::from_utf8(&bytes) else { continue };
        let is_reasons = field == "reason";
        let changed =
            state::amended(text, field, &without, &values, |key| wished(key).filter(|_| is_reasons));
        if changed != text {
            put::put(tree, file.as_bytes(), changed.into_bytes(), at)?;
        }
    }
    Ok(())
}

fn read(tree: &Tree, sources: &dyn Sources, file: &str) -> Result<Option<Vec<u8>>, RpmDatabaseError> {
    if length(tree, file)? > LONGEST {
        return Ok(None);
    }
    Ok(path::read(tree, sources, file.as_bytes())?)
}

/// The length of a file; 0 where there is none.
fn length(tree: &Tree, file: &str) -> Result<u64, RpmDatabaseError> {
    let node = path::resolve(tree, file.as_bytes(), Last::Follow)?.and_then(|at| at.node);
    Ok(match node.map(|id| &tree.node(id).kind) {
        Some(NodeKind::File(content)) => content.len(),
        _ => 0,
    })
}
