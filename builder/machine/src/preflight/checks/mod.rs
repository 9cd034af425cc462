//! The checks of an image's system, one file each, and their registry.
//!
//! A new check is a file of this folder and a row of [`CHECKS`]. A check only reads the [`System`] and adds findings;
//! the order of the rows is the order of the findings of equal severity.

mod access;
mod apt_sources;
mod cloud_init;
mod console;
mod container;
mod crypto_policy;
mod dnf_repositories;
mod drivers;
mod growth;
mod identity;
mod init;
mod kernel_hook;
mod locale;
mod lockdown;
mod network;
mod permissions;
mod selinux;
mod sudo;

use super::Findings;
use super::system::System;

/// A check of a system.
type Check = fn(&System<'_>, &mut Findings);

/// All checks.
const CHECKS: [Check; 18] = [
    growth::check,
    console::check,
    init::check,
    drivers::check,
    access::check,
    cloud_init::check,
    sudo::check,
    locale::check,
    identity::check,
    permissions::check,
    container::check,
    apt_sources::check,
    dnf_repositories::check,
    kernel_hook::check,
    lockdown::check,
    selinux::check,
    network::check,
    crypto_policy::check,
];

/// Runs all checks.
pub(super) fn run(system: &System<'_>, findings: &mut Findings) {
    for check in CHECKS {
        check(system, findings);
    }
}
