//! Which version of each package may be chosen: priorities, pins, what is named with a version or a suite, what an
//! earlier lock had (`apt_preferences(5)`).

use super::universe::{Pkg, Universe, Ver};
use super::{Pin, PinTo, Suite};

/// Whether `text` is what `pattern` says: `*` is any text, `?` any character.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    // Where the last `*` stands, and how far the text has been given to it.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(byte) if *byte == b'?' || Some(byte) == text.get(t) => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, given)) => {
                    star = Some((at, given + 1));
                    p = at + 1;
                    t = given + 1;
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(p).all(|byte| *byte == b'*')
}

/// The priority of a version: that of the first pin for its name that fits it, else the highest of its suites'.
pub(super) fn priority(universe: &Universe<'_>, suites: &[Suite<'_>], pins: &[Pin], ver: Ver) -> i32 {
    let version = universe.ver(ver);
    let name = universe.pkg(version.pkg).name;
    let in_suite = |wanted: &str| {
        version.suites.iter().any(|at| suites.get(*at).is_some_and(|suite| suite.names.contains(&wanted)))
    };
    let fits = |pin: &&Pin| {
        matches(&pin.package, name)
            && match &pin.to {
                PinTo::Version(pattern) => matches(pattern, version.record.version),
                PinTo::Suite(suite) => in_suite(suite),
            }
    };
    if let Some(pin) = pins.iter().filter(|pin| pin.package != "*").find(fits) {
        return pin.priority;
    }
    // A general pin is of suites, one by one; the version has the best of those that it is in.
    let of_suite = |suite: &Suite<'_>| {
        let general = pins.iter().filter(|pin| pin.package == "*").find(|pin| match &pin.to {
            PinTo::Suite(wanted) => suite.names.contains(&wanted.as_str()),
            PinTo::Version(pattern) => matches(pattern, version.record.version),
        });
        general.map_or(suite.priority, |pin| pin.priority)
    };
    version.suites.iter().filter_map(|at| suites.get(*at)).map(of_suite).max().unwrap_or(0)
}

/// The version that apt would install of a package: of the highest priority the newest.
pub(super) fn candidate(
    universe: &Universe<'_>,
    suites: &[Suite<'_>],
    pins: &[Pin],
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_those_of_a_shell() {
        for (pattern, text) in
            [("*", ""), ("a*", "abc"), ("a*c*", "abcbd"), ("?b", "ab"), ("1.22.*", "1.22.1-9"), ("", "")]
        {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("a", "ab"), ("a?", "a"), ("*b", "abc"), ("", "a"), ("a*b*c", "acb")] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }
}
