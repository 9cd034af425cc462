//! The order in which packages are dealt with one by one: what a package needs comes before it, as far as there are
//! no cycles. dpkg orders what it configures itself; this is for what is done without it.

use std::collections::BTreeMap;

use crate::packages::relation;
use crate::packages::unpack::UnpackedPackage;

/// Packages that all others take for granted, in this order.
const FIRST: &[&str] =
    &["base-passwd", "base-files", "dpkg", "libc6", "dash", "bash", "coreutils", "sed", "debconf"];

/// Orders packages: the base first, then what is needed before what needs it, else as they come.
pub(super) fn by_need(packages: &[UnpackedPackage]) -> Vec<&UnpackedPackage> {
    let mut givers: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, package) in packages.iter().enumerate() {
        givers.entry(&package.locked.name).or_default().push(at);
        for name in names(package.field("Provides").unwrap_or_default()) {
            givers.entry(name).or_default().push(at);
        }
    }
    let needs: Vec<Vec<usize>> = packages
        .iter()
        .map(|package| {
            let fields = ["Pre-Depends", "Depends"].map(|field| package.field(field).unwrap_or_default());
            let names = fields.into_iter().flat_map(names);
            names.filter_map(|name| givers.get(name)).flatten().copied().collect()
        })
        .collect();
    let first =
        FIRST.iter().filter_map(|name| packages.iter().position(|package| package.locked.name == *name));
    let mut order = Order { needs: &needs, seen: vec![false; packages.len()], out: Vec::new() };
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
    order.out.iter().map(|&at| &packages[at]).collect()
}

/// A walk through what is needed.
struct Order<'a> {
    needs: &'a [Vec<usize>],
    seen: Vec<bool>,
    out: Vec<usize>,
}

impl Order<'_> {
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

/// The names in a field of relations, alternatives included. What cannot be read is nobody's need: dpkg complains.
fn names(field: &str) -> impl Iterator<Item = &str> {
    relation::groups(field).filter_map(Result::ok).flatten().map(|relation| relation.name)
}

#[cfg(test)]
mod tests {
    use amiforge_formats::digest::Digest;

    use super::*;
    use crate::packages::control::Paragraph;
    use crate::packages::locked::{LockedPackage, Reason};

    fn package(name: &str, control: &str) -> UnpackedPackage {
        let locked = LockedPackage {
            name: name.to_owned(),
            version: "1".to_owned(),
            arch: "all".to_owned(),
            sha256: Digest([0; 32]),
            size: 0,
            path: String::new(),
            archive: String::new(),
            reason: Reason::Named,
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
    fn what_is_needed_comes_first_and_cycles_end() {
        let packages = [
            package("a", "Depends: b (>= 1), virtual | other\n"),
            package("b", "Pre-Depends: c:any\n"),
            package("c", "Depends: a\n"),
            package("e", "Essential: yes\n"),
            package("v", "Provides: virtual (= 1)\n"),
            package("base-passwd", "Depends: e\n"),
        ];
        let order: Vec<_> = by_need(&packages).iter().map(|package| package.locked.name.as_str()).collect();
        assert_eq!(order, ["base-passwd", "e", "c", "b", "v", "a"]);
    }
}
