//! What a transaction of rpm leaves, made the same whenever and wherever it ran: the database, and what dnf keeps.

use std::collections::BTreeSet;

use amiforge_formats::plan::Sources;
use amiforge_formats::time::Time;
use amiforge_formats::tree::Tree;

use super::error::RpmOverError;
use crate::backend::SystemChange;
use crate::locked::{LockReason, PackageId};
use crate::over::other_packages;
use crate::rpm::database::identity::{HeaderIdentity, is_key};
use crate::rpm::database::{self, DnfChange, DnfPackage, RpmDatabase, RpmDatabaseKind};
use crate::rpm::evr::Evr;

/// A system after a transaction.
#[derive(Clone, Copy)]
pub(super) struct SettledSystem<'a> {
    /// Its database before.
    pub(super) before: &'a RpmDatabase,
    /// What was to change.
    pub(super) change: SystemChange<'a>,
    /// Packages that the recipe names.
    pub(super) wished: &'a [String],
    /// The time of the transaction.
    pub(super) at: Time,
}

/// Compares the database with the lock, writes it anew, and enters the transaction into dnf's history.
pub(super) fn settle(
    tree: &mut Tree,
    system: SettledSystem<'_>,
    sources: &dyn Sources,
) -> Result<(), RpmOverError> {
    let SettledSystem { before, change, wished, at } = system;
    let after = database::read(tree, sources)?;
    let after = after.ok_or_else(|| RpmOverError::NoDatabase(other_packages(tree)))?;
    let (old, new) = (identities(before), identities(&after));
    check(&new, change)?;
    if after.kind == RpmDatabaseKind::Sqlite {
        database::settle(tree, &after, before.highest, at)?;
    }
    let dnf = dnf_change((&old, &new), change, wished);
    database::amend_dnf(tree, &dnf, at, sources)?;
    Ok(())
}

/// Name, version and architecture of every package.
fn identities(database: &RpmDatabase) -> Vec<HeaderIdentity> {
    let headers = database.headers.iter().map(|stored| &stored.header).filter(|header| !is_key(header));
    headers.map(HeaderIdentity::of).collect()
}

/// A package as text.
fn shown(name: &str, version: &Evr, arch: &str) -> String {
    format!("{name}-{version}.{arch}")
}

/// Compares what is installed with the lock: rpm passes over what is there already, and a script may have changed the database.
fn check(new: &[HeaderIdentity], change: SystemChange<'_>) -> Result<(), RpmOverError> {
    let there: BTreeSet<String> = new.iter().map(|one| shown(&one.name, &one.evr, &one.arch)).collect();
    let of = |id: &PackageId| shown(&id.name, &Evr::parse(&id.version), &id.arch);
    let wanted = change.files.iter().map(|file| {
        let package = file.package;
        shown(&package.name, &Evr::parse(&package.version), &package.arch)
    });
    let missing = wanted.filter(|one| !there.contains(one)).map(|one| format!("`{one}` is not there"));
    let left = change.removed.iter().map(of).filter(|one| there.contains(one));
    let differs: Vec<String> = missing.chain(left.map(|one| format!("`{one}` is still there"))).collect();
    if differs.is_empty() { Ok(()) } else { Err(RpmOverError::Differs(differs.join(", "))) }
}

/// The transaction in dnf's terms.
fn dnf_change(
    (old, new): (&[HeaderIdentity], &[HeaderIdentity]),
    change: SystemChange<'_>,
    wished: &[String],
) -> DnfChange {
    let added = change.files.iter().map(|file| DnfPackage {
        identity: HeaderIdentity {
            name: file.package.name.clone(),
            evr: Evr::parse(&file.package.version),
            arch: file.package.arch.clone(),
        },
        is_wished: file.package.reason != LockReason::Dependency,
        repository: file.package.archive.clone(),
    });
    let is_erased = |one: &HeaderIdentity| {
        change.removed.iter().any(|id| {
            id.name == one.name && id.arch == one.arch && Evr::parse(&id.version).compare(&one.evr).is_eq()
        })
    };
    let gone = old.iter().filter(|one| !new.contains(one));
    let (erased, replaced): (Vec<_>, Vec<_>) = gone.cloned().partition(is_erased);
    let stayed = |name: &&String| old.iter().any(|one| one.name == **name && new.contains(one));
    DnfChange {
        added: added.collect(),
        erased,
        replaced,
        wished: wished.iter().filter(stayed).cloned().collect(),
    }
}
