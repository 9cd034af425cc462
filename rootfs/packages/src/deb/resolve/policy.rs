//! Which version of each package may be chosen: priorities, pins, what is named with a version or a suite, what an
//! earlier lock had (`apt_preferences(5)`).

use super::Suite;
use super::universe::{Pkg, Universe, Ver};
use crate::deb::source::{PinTarget, VersionPin};
use amiforge_rootfs::wildcard;

/// Whether `text` matches `pattern` (`fnmatch(3)`, as in apt).
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    wildcard::matches(pattern.as_bytes(), text.as_bytes())
}

/// The priority of a version: that of the first pin for its name that fits it, else the highest of its suites'.
pub(super) fn priority(universe: &Universe<'_>, suites: &[Suite<'_>], pins: &[VersionPin], ver: Ver) -> i32 {
    let version = universe.ver(ver);
    let name = universe.pkg(version.pkg).name;
    let in_suite = |required: &str| {
        version.suites.iter().any(|at| suites.get(*at).is_some_and(|suite| suite.names.contains(&required)))
    };
    let fits = |pin: &&VersionPin| {
        matches(&pin.package, name)
            && match &pin.to {
                PinTarget::Version(pattern) => matches(pattern, version.record.version),
                PinTarget::Suite(suite) => in_suite(suite),
            }
    };
    if let Some(pin) = pins.iter().filter(|pin| pin.package != "*").find(fits) {
        return pin.priority.into();
    }
    // A general pin is of suites, one by one; the version has the best of those that it is in.
    let of_suite = |suite: &Suite<'_>| {
        let general = pins.iter().filter(|pin| pin.package == "*").find(|pin| match &pin.to {
            PinTarget::Suite(required) => suite.names.contains(&required.as_str()),
            PinTarget::Version(pattern) => matches(pattern, version.record.version),
        });
        general.map_or(suite.priority, |pin| pin.priority.into())
    };
    version.suites.iter().filter_map(|at| suites.get(*at)).map(of_suite).max().unwrap_or(0)
}

/// The version that apt would install of a package: of the highest priority the newest.
pub(super) fn candidate(
    universe: &Universe<'_>,
    suites: &[Suite<'_>],
    pins: &[VersionPin],
    pkg: Pkg,
) -> Option<Ver> {
    let mut best = None;
    for ver in &universe.pkg(pkg).versions {
        let priority = priority(universe, suites, pins, *ver);
        if priority > 0 && best.is_none_or(|(highest, _)| priority > highest) {
            best = Some((priority, *ver));
        }
    }
    best.map(|(_, ver)| ver)
}
