//! The choice of packages against dnf's own, on real metadata and on small repositories of our own.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and prints what it measured"
)]

mod cases;
mod centos;
mod oracle;
mod primary;
mod random;
mod small;

use amiforge_packages::rpm::resolve::{InstalledPolicy, RequestedRpm, RpmRequest};

/// A request for the best versions of these packages.
fn request(names: &[&str], weak: bool) -> RpmRequest {
    RpmRequest {
        packages: names.iter().map(|name| RequestedRpm::named(name)).collect(),
        weak,
        best: true,
        without: Vec::new(),
        prefer: Vec::new(),
        installed: InstalledPolicy::Keep,
    }
}

/// The number of made-up repositories: `AMIFORGE_RPM_REPOSITORIES` sets another.
fn random_count() -> usize {
    std::env::var("AMIFORGE_RPM_REPOSITORIES").ok().and_then(|count| count.parse().ok()).unwrap_or(60)
}
