//! What dnf keeps beside rpm's database: why each package is there. Without it every package counts as wished for: then
//! `dnf remove` leaves what only the removed package needed, and `dnf autoremove` removes nothing.

mod amend;
mod history;
mod package;
mod state;
mod transactions;

use amiforge_formats::time::Time;
use amiforge_formats::tree::Tree;

pub(in crate::rpm) use self::amend::amend;
pub(in crate::rpm) use self::package::{DnfChange, DnfPackage};
use super::error::RpmDatabaseError;
use super::identity::HeaderIdentity;
use super::put::put;
use crate::locked::LockReason;
use crate::rpm::package::UnpackedRpm;

/// Packages that bring a dnf of version 4, which has a history.
const DNF4: [&str; 3] = ["dnf", "microdnf", "python3-dnf"];
/// Packages that bring a dnf of version 5, which has a state.
const DNF5: [&str; 2] = ["dnf5", "libdnf5"];

/// The history of dnf 4.
const HISTORY: &str = "/var/lib/dnf/history.sqlite";
/// The folder of dnf 5's state.
const STATE: &str = "/usr/lib/sysimage/libdnf5";

/// Writes the state of the dnf that is among packages; nothing where there is none.
pub(super) fn write_state(
    tree: &mut Tree,
    packages: &[UnpackedRpm],
    at: Time,
) -> Result<(), RpmDatabaseError> {
    let has = |names: &[&str]| packages.iter().any(|one| names.contains(&one.locked.name.as_str()));
    let listed: Vec<DnfPackage> = packages.iter().map(of_package).collect();
    if has(&DNF4) {
        put(tree, HISTORY.as_bytes(), history::bytes_of(&listed, at)?, at)?;
    }
    if has(&DNF5) {
        for (name, text) in state::files(&listed) {
            put(tree, format!("{STATE}/{name}").as_bytes(), text.into_bytes(), at)?;
        }
    }
    Ok(())
}

fn of_package(package: &UnpackedRpm) -> DnfPackage {
    DnfPackage {
        identity: HeaderIdentity::of(&package.header),
        is_wished: package.locked.reason != LockReason::Dependency,
        repository: package.locked.archive.clone(),
    }
}
