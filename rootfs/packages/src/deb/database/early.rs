//! The packages that others use before they are configured: the essential and the required ones, with all that these
//! need. debootstrap and its like extract them first, conffiles and all, and configure them afterwards.

use std::collections::{BTreeSet, HashMap};

use crate::deb::relation;
use crate::deb::unpack::UnpackedPackage;

/// Their names.
pub(super) fn packages<'p>(all: &[&'p UnpackedPackage]) -> BTreeSet<&'p str> {
    let mut named: HashMap<&str, Vec<&UnpackedPackage>> = HashMap::new();
    for package in all {
        named.entry(&package.locked.name).or_default().push(package);
        for provided in relations(package, "Provides") {
            named.entry(provided).or_default().push(package);
        }
    }
    let first =
        |package: &&&UnpackedPackage| package.is_essential() || package.field("Priority") == Some("required");
    let mut waiting: Vec<&UnpackedPackage> = all.iter().filter(first).copied().collect();
    let mut early = BTreeSet::new();
    while let Some(package) = waiting.pop() {
        if early.insert(package.locked.name.as_str()) {
            let needed = ["Pre-Depends", "Depends"].into_iter().flat_map(|field| relations(package, field));
            waiting.extend(needed.filter_map(|name| named.get(name)).flatten());
        }
    }
    early
}

/// The names in a field, alternatives included; what does not parse names nothing.
fn relations<'p>(package: &'p UnpackedPackage, field: &str) -> impl Iterator<Item = &'p str> {
    let groups = relation::groups(package.field(field).unwrap_or_default());
    groups.flatten().flatten().map(|relation| relation.name)
}
