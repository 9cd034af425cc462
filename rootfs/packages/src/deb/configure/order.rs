//! The order in which packages are dealt with one by one: what a package needs comes before it, as far as there are
//! no cycles. dpkg orders what it configures itself; this is for what is done without it.

use std::collections::{BTreeMap, BTreeSet};

use crate::deb::relation;
use crate::deb::unpack::UnpackedPackage;

/// Packages that all others take for granted, in this order.
const FIRST: &[&str] =
    &["base-passwd", "base-files", "dpkg", "libc6", "dash", "bash", "coreutils", "sed", "debconf"];

/// Dependencies among packages, by their indexes in a list.
pub(super) struct PackageNeeds<'a> {
    packages: &'a [UnpackedPackage],
    /// Indexes of the packages in `Pre-Depends`, by package.
    before: Vec<Vec<usize>>,
    /// Those there or in `Depends`.
    all: Vec<Vec<usize>>,
}

impl<'a> PackageNeeds<'a> {
    pub(super) fn of(packages: &'a [UnpackedPackage]) -> Self {
        let mut givers: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (at, package) in packages.iter().enumerate() {
            givers.entry(&package.locked.name).or_default().push(at);
            for name in names(package.field("Provides").unwrap_or_default()) {
                givers.entry(name).or_default().push(at);
            }
        }
        let named = |package: &UnpackedPackage, fields: &[&str]| {
            let fields = fields.iter().map(|field| package.field(field).unwrap_or_default());
            let found: BTreeSet<usize> =
                fields.flat_map(names).filter_map(|name| givers.get(name)).flatten().copied().collect();
            found
        };
        let of = |fields: &[&str]| {
            packages.iter().map(|package| named(package, fields).into_iter().collect()).collect()
        };
        Self { packages, before: of(&["Pre-Depends"]), all: of(&["Pre-Depends", "Depends"]) }
    }

    /// Orders the packages: the base first, then what is needed before what needs it, else as they come.
    pub(super) fn order(&self) -> Vec<usize> {
        let packages = self.packages;
        let first =
            FIRST.iter().filter_map(|name| packages.iter().position(|package| package.locked.name == *name));
        let mut order = NeedWalk { needs: &self.all, seen: vec![false; packages.len()], out: Vec::new() };
        // The base is not led by its needs: there are cycles in it.
        for at in first {
            order.seen[at] = true;
            order.out.push(at);
        }
        for essential in [true, false] {
            for (at, package) in packages.iter().enumerate() {
                if package.is_essential() == essential {
                    order.visit(at);
                }
            }
        }
        order.out
    }

    /// The essential packages and all that they need, which is configured before anything else.
    pub(super) fn base(&self) -> BTreeSet<usize> {
        let essential = self.packages.iter().enumerate().filter(|(_, package)| package.is_essential());
        self.closure(essential.map(|(at, _)| at))
    }

    /// The packages to configure before a package's own scripts may run, with all that it needs in turn (Debian
    /// Policy, 7.2).
    pub(super) fn before(&self, at: usize) -> BTreeSet<usize> {
        self.closure(self.before.get(at).into_iter().flatten().copied())
    }

    fn closure(&self, start: impl Iterator<Item = usize>) -> BTreeSet<usize> {
        let mut order =
            NeedWalk { needs: &self.all, seen: vec![false; self.packages.len()], out: Vec::new() };
        for at in start {
            order.visit(at);
        }
        order.out.into_iter().collect()
    }
}

/// A walk through what is needed.
struct NeedWalk<'a> {
    needs: &'a [Vec<usize>],
    seen: Vec<bool>,
    out: Vec<usize>,
}

impl NeedWalk<'_> {
    /// Puts down what a package needs, then the package. Its own stack: chains may be long.
    fn visit(&mut self, start: usize) {
        let mut stack = vec![(start, 0)];
        if std::mem::replace(&mut self.seen[start], true) {
            return;
        }
        while let Some((at, next)) = stack.last_mut() {
            if let Some(&need) = self.needs[*at].get(*next) {
                *next += 1;
                if !std::mem::replace(&mut self.seen[need], true) {
                    stack.push((need, 0));
                }
            } else {
                self.out.push(*at);
                stack.pop();
            }
        }
    }
}

/// The names in a field of relations, alternatives included. A field that cannot be read has none: dpkg reports it.
fn names(field: &str) -> impl Iterator<Item = &str> {
    relation::groups(field).filter_map(Result::ok).flatten().map(|relation| relation.name)
}

#[cfg(test)]
mod tests {
    use amiforge_formats::digest::Digest;

    use super::*;
    use crate::PackageKind;
    use crate::deb::control::Paragraph;
    use crate::locked::{LockReason, LockedPackage};

    fn package(name: &str, control: &str) -> UnpackedPackage {
        let locked = LockedPackage {
            kind: PackageKind::Deb,
            name: name.to_owned(),
            version: "1".to_owned(),
            arch: "all".to_owned(),
            sha256: Digest([0; 32]),
            size: 0,
            path: String::new(),
            archive: String::new(),
            header: None,
            reason: LockReason::Named,
        };
        UnpackedPackage {
            locked,
            control: Paragraph::read(format!("Package: {name}\n{control}").as_bytes()).unwrap(),
            members: BTreeMap::new(),
            conffiles: Vec::new(),
            triggers: Vec::new(),
            files: Vec::new(),
            filtered: 0,
        }
    }

    #[test]
    fn dependencies_come_first_and_cycles_end() {
        let packages = [
            package("a", "Depends: b (>= 1), virtual | other\n"),
            package("b", "Pre-Depends: c:any\n"),
            package("c", "Depends: a\n"),
            package("e", "Essential: yes\n"),
            package("v", "Provides: virtual (= 1)\n"),
            package("base-passwd", "Depends: e\n"),
        ];
        let needs = PackageNeeds::of(&packages);
        let names = |all: &mut dyn Iterator<Item = usize>| -> Vec<_> {
            all.map(|at| packages[at].locked.name.as_str()).collect()
        };
        assert_eq!(names(&mut needs.order().into_iter()), ["base-passwd", "e", "c", "b", "v", "a"]);
        assert_eq!(names(&mut needs.base().into_iter()), ["e"]);
        assert_eq!(names(&mut needs.before(1).into_iter()), ["a", "b", "c", "v"]);
        assert!(needs.before(0).is_empty());
    }
}
