//! The order in which the packages that answer one name are tried (apt's `CompareProviders`).

use std::cmp::Ordering;

use crate::deb::index::MultiArch;

use super::universe::{ArchIndex, Pkg, Universe, Ver};

/// The state of a package during marking.
#[derive(Debug, Clone, Copy)]
pub(super) struct PackageMarks {
    /// Asked for, or without alternative.
    pub(super) protected: bool,
    /// Installed by an earlier phase.
    pub(super) current: bool,
}

/// Sorts the answers to `target`, the one to be tried first at the front.
pub(super) fn sort(
    universe: &Universe<'_>,
    target: Pkg,
    answers: &mut [Ver],
    standing: impl Fn(Pkg) -> PackageMarks,
) {
    if answers.len() < 2 {
        return;
    }
    let rank = |ver: &Ver| rank(universe, target, *ver, &standing);
    answers.sort_by(|a, b| {
        let order = rank(a).cmp(&rank(b));
        // The last one in the archive comes first: apt's own last resort.
        if order == Ordering::Equal { universe.ver(*b).pkg.cmp(&universe.ver(*a).pkg) } else { order }
    });
}

/// The sort key, most significant part first; the lesser is tried first.
fn rank<F: Fn(Pkg) -> PackageMarks>(
    universe: &Universe<'_>,
    target: Pkg,
    ver: Ver,
    standing: &F,
) -> impl Ord + use<F> {
    let version = universe.ver(ver);
    let named = universe.pkg(version.pkg);
    let own = standing(version.pkg);
    let elsewhere = version.record.multi_arch == MultiArch::Same
        && universe.siblings_of(version.pkg).chain([version.pkg]).any(|sibling| standing(sibling).current);
    let of_any = |is: fn(&crate::deb::index::Package<'_>) -> bool| {
        named.versions.iter().any(|ver| is(universe.ver(*ver).record))
    };
    let arch = match named.arch {
        ArchIndex::Of(at) => at,
        ArchIndex::Any => u8::MAX,
    };
    (
        !own.protected,
        !elsewhere,
        !own.current,
        named.name != universe.pkg(target).name,
        !of_any(|record| record.essential),
        !of_any(|record| record.protected),
        arch,
        version.record.priority,
    )
}
