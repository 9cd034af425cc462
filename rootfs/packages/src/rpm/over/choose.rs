//! Which packages come over a system, and which go.

use std::collections::{BTreeMap, BTreeSet};

use super::base::RpmBase;
use super::error::RpmOverError;
use super::removal::{self, StrandedPackage};
use crate::locked::{LockReason, PackageId};
use crate::over::UpgradePolicy;
use crate::rpm::available::AvailablePackage;
use crate::rpm::repository::updateinfo::SecurityUpdates;
use crate::rpm::resolve::{
    self, ChosenRpm, InstalledPolicy, RequestNeed, RequestedRpm, RpmRequest, RpmUniverse, is_install_only,
};

/// What is asked for over a system.
pub(in crate::rpm) struct OverRequest<'a> {
    /// The system.
    pub(in crate::rpm) base: &'a RpmBase,
    /// Which of its packages get newer versions.
    pub(in crate::rpm) upgrade: UpgradePolicy,
    /// The newest security updates.
    pub(in crate::rpm) security: &'a SecurityUpdates,
    /// The packages that the recipe names and leaves out.
    pub(in crate::rpm) request: RpmRequest,
}

/// What changes.
#[derive(Debug)]
pub(in crate::rpm) struct OverChoice {
    /// The packages that come.
    pub(in crate::rpm) new: Vec<ChosenRpm>,
    /// The packages that are erased.
    pub(in crate::rpm) removed: Vec<PackageId>,
    /// Which of these the recipe does not name.
    pub(in crate::rpm) notes: Vec<String>,
}

/// Chooses what changes in a system. The universe has no installed packages before and after.
///
/// # Errors
/// [`RpmOverError::Resolve`] and [`RpmOverError::Protected`].
pub(in crate::rpm) fn choose(
    universe: &mut RpmUniverse,
    over: OverRequest<'_>,
) -> Result<OverChoice, RpmOverError> {
    let choice = changes(universe, over);
    universe.set_installed(Vec::new());
    choice
}

/// Resolves, and again without what lost something that it needs, until nothing is lost.
fn changes(universe: &mut RpmUniverse, over: OverRequest<'_>) -> Result<OverChoice, RpmOverError> {
    let OverRequest { base, upgrade, security, mut request } = over;
    request.installed = policy(base, upgrade, security);
    let without = request.without.clone();
    let mut gone = removal::named(base, &without);
    request.packages.extend(newer_beside(universe, base, &gone, &request.installed));
    let mut notes = Vec::new();
    loop {
        let left: Vec<usize> = (0..base.packages.len()).filter(|index| !gone.contains(index)).collect();
        let installed = left.iter().filter_map(|index| base.packages.get(*index)).cloned().collect();
        let first = universe.packages().len() - universe.installed_count();
        universe.set_installed(installed);
        let chosen = resolve::resolve(universe, &request)?;
        let (new, kept): (Vec<ChosenRpm>, Vec<ChosenRpm>) =
            chosen.into_iter().partition(|chosen| chosen.index < first);
        let stays: BTreeSet<usize> =
            kept.iter().filter_map(|chosen| left.get(chosen.index.checked_sub(first)?)).copied().collect();
        let all = universe.packages();
        let packages = |of: &[ChosenRpm]| -> Vec<&AvailablePackage> {
            of.iter().filter_map(|chosen| all.get(chosen.index)).collect()
        };
        let surplus = removal::beyond_limit(base, &stays, &packages(&new));
        let staying: Vec<ChosenRpm> = kept
            .iter()
            .filter(|chosen| {
                let index = chosen.index.checked_sub(first).and_then(|at| left.get(at));
                index.is_none_or(|index| !surplus.contains(index))
            })
            .copied()
            .collect();
        let present = [packages(&new), packages(&staying)].concat();
        let stays = stays.difference(&surplus).copied().collect();
        let stranded = removal::stranded(base, &stays, &present);
        if surplus.is_empty() && stranded.is_empty() {
            let removed = gone.iter().filter_map(|index| base.packages.get(*index)).map(id).collect();
            return Ok(OverChoice { new, removed, notes });
        }
        notes.extend(surplus.iter().filter_map(|index| base.packages.get(*index)).map(|package| {
            format!("`{}` goes: no more versions of it stay (`installonly_limit`)", label(package))
        }));
        notes.extend(explained(base, &without, &stranded)?);
        gone.extend(surplus);
        gone.extend(stranded.iter().map(|one| one.index));
    }
}

/// The notes on packages that go because of others; an error where one is protected.
fn explained(
    base: &RpmBase,
    without: &[String],
    stranded: &[StrandedPackage],
) -> Result<Vec<String>, RpmOverError> {
    let mut notes = Vec::new();
    for StrandedPackage { index, relation } in stranded {
        let Some(package) = base.packages.get(*index) else { continue };
        if base.protected.contains(&package.name) {
            return Err(RpmOverError::Protected {
                removed: without.join(", "),
                package: package.name.clone(),
                relation: relation.clone(),
            });
        }
        notes.push(format!("`{}` goes too: it needs `{relation}`", label(package)));
    }
    Ok(notes)
}

/// The policy in the resolver's terms: packages with a security update that is newer than they are get the newest version, as
/// `dnf upgrade --security` has it.
fn policy(base: &RpmBase, upgrade: UpgradePolicy, security: &SecurityUpdates) -> InstalledPolicy {
    match upgrade {
        UpgradePolicy::Keep => InstalledPolicy::Keep,
        UpgradePolicy::All => InstalledPolicy::Update,
        UpgradePolicy::Security => {
            let outdated = |package: &&AvailablePackage| {
                let update = security.get(&(package.name.clone(), package.arch.clone()));
                update.is_some_and(|update| package.evr.compare(update).is_lt())
            };
            let names = base.packages.iter().filter(outdated).map(|package| package.name.clone());
            let names: BTreeSet<String> = names.collect();
            InstalledPolicy::UpdateNamed(names.into_iter().collect())
        }
    }
}

/// The newest versions of packages of which several may be there: they come beside those that are, where the policy updates them.
fn newer_beside(
    universe: &RpmUniverse,
    base: &RpmBase,
    gone: &BTreeSet<usize>,
    policy: &InstalledPolicy,
) -> Vec<RequestedRpm> {
    let mut newest: BTreeMap<(&str, &str), &AvailablePackage> = BTreeMap::new();
    let there = base.packages.iter().enumerate().filter(|(index, _)| !gone.contains(index));
    for (_, package) in there.filter(|(_, package)| is_install_only(package)) {
        let known = newest.entry((&package.name, &package.arch)).or_insert(package);
        if known.evr.compare(&package.evr).is_lt() {
            *known = package;
        }
    }
    let mut requests = Vec::new();
    for ((name, arch), installed) in newest.into_iter().filter(|((name, _), _)| policy.updates(name)) {
        let offered = universe.named(name).iter().copied();
        let mut offered: Vec<u32> = offered.filter(|index| universe.package(*index).arch == arch).collect();
        let Some(best) = offered.iter().map(|index| universe.priority(*index)).min() else { continue };
        offered.retain(|index| universe.priority(*index) == best);
        let offered = offered.into_iter().map(|index| universe.package(index));
        let Some(found) = offered.max_by(|a, b| a.evr.compare(&b.evr)) else { continue };
        if installed.evr.compare(&found.evr).is_lt() {
            requests.push(RequestedRpm {
                text: label(found),
                need: RequestNeed::IfPossible,
                condition: None,
                reason: LockReason::Dependency,
            });
        }
    }
    requests
}

fn label(package: &AvailablePackage) -> String {
    format!("{}-{}.{}", package.name, package.evr, package.arch)
}

fn id(package: &AvailablePackage) -> PackageId {
    PackageId { name: package.name.clone(), version: package.evr.to_string(), arch: package.arch.clone() }
}
