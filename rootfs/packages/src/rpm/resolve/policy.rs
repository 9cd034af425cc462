//! Which of several candidates dnf tries first (libsolv, `policy_filter_unwanted`): the list is cut down to those of the best
//! repository, architecture and version, then to recommended ones if there are any, and what is left is put in order.

use std::collections::BTreeMap;

use super::assignment::Assignment;
use super::pool::RpmPool;
use super::universe::RpmIndex;
use super::wishes::Wishes;
use crate::rpm::evr::Evr;
use crate::rpm::relation::VersionComparison;

/// The candidates cut down to the best, and the likeliest first.
pub(super) fn ranked(pool: &RpmPool<'_>, assignment: &Assignment, candidates: &[RpmIndex]) -> Vec<RpmIndex> {
    let mut left = narrowed(pool, assignment, candidates);
    if left.len() > 1 {
        older_last(pool, &mut left);
        by_common_provisions(pool, &mut left);
        left.sort_by_key(|index| !has_installed_version(pool, *index));
        suggested_first(pool, assignment, &mut left);
        left.sort_by_key(|index| !pool.is_preferred(*index));
    }
    left
}

/// [`ranked`], without the order.
pub(super) fn narrowed(
    pool: &RpmPool<'_>,
    assignment: &Assignment,
    candidates: &[RpmIndex],
) -> Vec<RpmIndex> {
    let mut left = best(pool, candidates);
    if left.len() > 1 {
        let wishes = Wishes::recommended(pool, assignment);
        let wanted = |index: &RpmIndex| {
            pool.universe.is_installed(*index) || wishes.contains(*index) || wishes.supplements(*index)
        };
        let recommended = left.iter().filter(|index| !pool.universe.is_installed(**index));
        if recommended.into_iter().any(wanted) {
            left.retain(wanted);
        }
    }
    left
}

/// Puts packages that come by their own *Supplements* in order; none is left out.
pub(super) fn order_supplements(pool: &RpmPool<'_>, assignment: &Assignment, packages: &mut Vec<RpmIndex>) {
    older_last(pool, packages);
    by_common_provisions(pool, packages);
    suggested_first(pool, assignment, packages);
    packages.sort_by_key(|index| !pool.is_preferred(*index));
}

/// The candidates of the best repository, architecture and version, one of each name, by name.
pub(super) fn best(pool: &RpmPool<'_>, candidates: &[RpmIndex]) -> Vec<RpmIndex> {
    let universe = pool.universe;
    let mut left = candidates.to_vec();
    let exempt = |index: RpmIndex| universe.is_installed(index) || pool.is_preferred(index);
    let offered = left.iter().copied().filter(|index| !exempt(*index));
    if let Some(priority) = offered.map(|index| universe.priority(index)).min() {
        left.retain(|index| exempt(*index) || universe.priority(*index) == priority);
    }
    let class = |index: RpmIndex| universe.arch_class(&universe.package(index).arch).unwrap_or(u8::MAX);
    let noarch = |index: RpmIndex| universe.package(index).arch == "noarch";
    if let Some(class_of_best) = left.iter().copied().filter(|index| !noarch(*index)).map(class).min() {
        left.retain(|index| noarch(*index) || class(*index) == class_of_best);
    }
    without_obsoleted(pool, best_versions(pool, left))
}

/// [`best`], and besides a preferred version what is newer: for where the preferred one does not fit.
pub(super) fn best_or_preferred(pool: &RpmPool<'_>, candidates: &[RpmIndex]) -> Vec<RpmIndex> {
    let mut found = best(pool, candidates);
    let others: Vec<RpmIndex> =
        candidates.iter().copied().filter(|index| !pool.is_preferred(*index)).collect();
    let name = |index: RpmIndex| &pool.universe.package(index).name;
    let mut newer = best(pool, &others);
    newer.retain(|index| {
        let mut preferred = found.iter().filter(|other| pool.is_preferred(**other));
        preferred.any(|other| {
            name(*other) == name(*index) && pool.universe.compare_versions(*index, *other).is_gt()
        })
    });
    found.append(&mut newer);
    found
}

/// The best version of each name, by name; of equal ones what is installed, then the first.
fn best_versions(pool: &RpmPool<'_>, mut candidates: Vec<RpmIndex>) -> Vec<RpmIndex> {
    let universe = pool.universe;
    candidates.sort_by(|a, b| {
        let key = |index: RpmIndex| {
            let package = universe.package(index);
            (package.name.as_str(), !universe.is_installed(index), index)
        };
        key(*a).cmp(&key(*b))
    });
    let mut best: Vec<RpmIndex> = Vec::new();
    for index in candidates {
        match best.last_mut() {
            Some(last) if universe.package(*last).name == universe.package(index).name => {
                let newer = universe.compare_versions(index, *last).is_gt();
                let preferred = (pool.is_preferred(index), pool.is_preferred(*last));
                if preferred.0 && !preferred.1 || newer && preferred.0 == preferred.1 {
                    *last = index;
                }
            }
            _ => best.push(index),
        }
    }
    best
}

/// Without those that another one takes the place of; where two do that to each other, both stay.
fn without_obsoleted(pool: &RpmPool<'_>, candidates: Vec<RpmIndex>) -> Vec<RpmIndex> {
    let name = |index: RpmIndex| pool.universe.package(index).name.as_str();
    let mut replaces: BTreeMap<RpmIndex, Vec<RpmIndex>> = BTreeMap::new();
    for index in &candidates {
        let obsoleted = pool.obsoleted_by(*index).into_iter().map(|(other, _)| other);
        let mut others: Vec<RpmIndex> =
            obsoleted.filter(|other| candidates.contains(other) && name(*other) != name(*index)).collect();
        others.dedup();
        if !others.is_empty() {
            replaces.insert(*index, others);
        }
    }
    if replaces.is_empty() {
        return candidates;
    }
    let reached: BTreeMap<RpmIndex, Vec<RpmIndex>> =
        replaces.keys().map(|from| (*from, reachable(&replaces, *from))).collect();
    let reaches = |from: RpmIndex, to: RpmIndex| reached.get(&from).is_some_and(|all| all.contains(&to));
    let stays = |index: &RpmIndex| {
        !replaces.keys().any(|other| other != index && reaches(*other, *index) && !reaches(*index, *other))
    };
    candidates.iter().copied().filter(stays).collect()
}

fn reachable(edges: &BTreeMap<RpmIndex, Vec<RpmIndex>>, from: RpmIndex) -> Vec<RpmIndex> {
    let mut found = Vec::new();
    let mut open = vec![from];
    while let Some(at) = open.pop() {
        for next in edges.get(&at).into_iter().flatten().copied() {
            if !found.contains(&next) {
                found.push(next);
                open.push(next);
            }
        }
    }
    found
}

/// Those of which there is a better version, or one of a better repository, go to the end.
fn older_last(pool: &RpmPool<'_>, candidates: &mut [RpmIndex]) {
    let universe = pool.universe;
    let is_older = |index: RpmIndex| {
        if universe.is_installed(index) || pool.is_preferred(index) {
            return false;
        }
        let package = universe.package(index);
        let others = universe.named(&package.name).iter().copied().filter(|other| {
            *other != index && !universe.is_installed(*other) && universe.package(*other).arch == package.arch
        });
        others.into_iter().any(|other| match universe.priority(other).cmp(&universe.priority(index)) {
            std::cmp::Ordering::Less => true,
            std::cmp::Ordering::Equal => universe.compare_versions(other, index).is_gt(),
            std::cmp::Ordering::Greater => false,
        })
    };
    candidates.sort_by_cached_key(|index| is_older(*index));
}

/// Where several provide one name in different versions, those of lower versions go behind those of higher ones.
fn by_common_provisions(pool: &RpmPool<'_>, candidates: &mut Vec<RpmIndex>) {
    let mut provisions: BTreeMap<&str, Vec<(usize, &Evr, bool)>> = BTreeMap::new();
    for (at, index) in candidates.iter().enumerate() {
        for provided in &pool.universe.package(*index).provides {
            let Some((comparison, evr)) = &provided.versions else { continue };
            let below = *comparison == VersionComparison::Less;
            let at_most = below || *comparison == VersionComparison::LessOrEqual;
            if at_most || *comparison == VersionComparison::Equal && !is_hash(&evr.to_string()) {
                provisions.entry(&provided.name).or_default().push((at, evr, below));
            }
        }
    }
    let mut behind = vec![0_usize; candidates.len()];
    for mut entries in provisions.into_values() {
        // Highest first; of two that compare as equal, the one that only stays below comes last.
        entries.sort_by(|a, b| b.1.compare(a.1).then(a.2.cmp(&b.2)));
        let mut lower = 0;
        for pair in entries.windows(2) {
            if let [(before, higher, _), (at, evr, _)] = pair {
                if before != at && evr.compare(higher).is_lt() {
                    lower += 1;
                }
                behind[*at] += lower;
            }
        }
    }
    let mut order: Vec<usize> = (0..candidates.len()).collect();
    order.sort_by_key(|at| if pool.universe.is_installed(candidates[*at]) { 0 } else { behind[*at] });
    *candidates = order.into_iter().map(|at| candidates[at]).collect();
}

/// Whether a version is a digest, which says nothing about order.
fn is_hash(version: &str) -> bool {
    version.len() >= 4 && version.bytes().all(|byte| matches!(byte, b'a'..=b'f' | b'0'..=b'9'))
}

fn has_installed_version(pool: &RpmPool<'_>, index: RpmIndex) -> bool {
    let name = &pool.universe.package(index).name;
    pool.universe.named(name).iter().any(|other| pool.universe.is_installed(*other))
}

fn suggested_first(pool: &RpmPool<'_>, assignment: &Assignment, candidates: &mut [RpmIndex]) {
    if candidates.len() < 2 {
        return;
    }
    let wishes = Wishes::suggested(pool, assignment);
    candidates.sort_by_cached_key(|index| {
        !(pool.universe.is_installed(*index) || wishes.contains(*index) || wishes.enhances(*index))
    });
}

/// What an installed package can become: newer versions for its architecture, and what takes its place.
pub(super) fn successors(pool: &RpmPool<'_>, index: RpmIndex) -> Vec<RpmIndex> {
    let universe = pool.universe;
    if universe.is_install_only(index) {
        return Vec::new();
    }
    let own = universe.package(index);
    let newer = universe.named(&own.name).iter().copied().filter(|other| {
        let package = universe.package(*other);
        let arch = package.arch == own.arch || package.arch == "noarch" || own.arch == "noarch";
        arch && universe.compare_versions(*other, index).is_gt()
    });
    let instead = universe.all().filter(|other| {
        let obsoletes = &universe.package(*other).obsoletes;
        obsoletes.iter().any(|obsoleted| universe.is_called(index, obsoleted))
    });
    let available = |other: &RpmIndex| !universe.is_installed(*other) && pool.is_usable(*other);
    newer.chain(instead).filter(available).collect()
}
