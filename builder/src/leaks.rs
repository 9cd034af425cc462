//! The leak gate of this program: which files packages have published, what the manifest of a bundle allows, and the scan
//! with both. The rules and the scan itself are in `amiforge_leaks`.

use std::io;
use std::path::Path;

use amiforge_formats::plan::Sources;
use amiforge_formats::tree::Tree;
use amiforge_image::bundle::MANIFEST;
use amiforge_image::inspect::Medium;
use amiforge_image::manifest::{Manifest, Secret, TEXT_MAX};
use amiforge_leaks::{
    Allowance, AllowanceError, Allowances, LeakError, PublishedFile, Report, RuleFilter, ScanOptions, scan,
};
use amiforge_packages::PackageKind;
use amiforge_progress::Monitor;

/// Rules about what every machine of an image would share: a file that `[secrets]` of the recipe allows is allowed for them.
const SHARED: [&str; 11] = [
    "gnupg-secret-keys",
    "keytab",
    "machine-id",
    "machine-identity",
    "random-seed",
    "samba-passwords",
    "shared-cluster-secret",
    "ssh-host-key",
    "ssh-private-key",
    "systemd-credential-secret",
    "tls-private-key-file",
];

/// Rules that an image is scanned by, and threads.
#[derive(Debug, Clone)]
pub struct LeakOptions {
    /// The rules.
    pub filter: RuleFilter,
    /// Threads.
    pub threads: usize,
}

/// A scan with what may leave already marked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeakReport {
    /// What was found.
    pub report: Report,
    /// Allowances that nothing needs, in words.
    pub needless: Vec<String>,
}

/// Scans an image or a bundle, without regard to what is allowed.
///
/// # Errors
/// [`LeakError`].
pub fn scan_image(medium: &Medium, options: &LeakOptions, monitor: Monitor<'_>) -> Result<Report, LeakError> {
    let kept_disk = manifest_of(medium).is_some_and(|manifest| manifest.origin.keeps_disk());
    let options = ScanOptions {
        filter: options.filter.clone(),
        published: &published,
        threads: options.threads,
        kept_disk,
    };
    scan(medium, &options, monitor)
}

/// The files that packages of any kind have published.
fn published(tree: &Tree, sources: &dyn Sources) -> io::Result<Vec<PublishedFile>> {
    let mut all = Vec::new();
    for kind in PackageKind::ALL {
        let files = kind.format().published(tree, sources)?.into_iter();
        all.extend(files.map(|file| PublishedFile {
            path: file.path,
            package: file.package,
            digest: file.digest,
        }));
    }
    Ok(all)
}

/// The manifest of the bundle that a medium is of; `None` for a raw image, or where it cannot be read.
pub fn manifest_of(medium: &Medium) -> Option<Manifest> {
    read_manifest(&medium.bundle()?.join(MANIFEST))
}

fn read_manifest(path: &Path) -> Option<Manifest> {
    let text = amiforge_progress::regular::read(path).ok()?;
    (text.len() as u64 <= TEXT_MAX).then(|| Manifest::parse(&text).ok()).flatten()
}

/// Marks the findings that the manifest of the bundle and `more` allow.
///
/// # Errors
/// [`AllowanceError`] of an allowance that cannot be used.
pub fn allow(
    mut report: Report,
    manifest: Option<&Manifest>,
    more: &[Allowance],
) -> Result<LeakReport, AllowanceError> {
    let origin = manifest.map(|manifest| &manifest.origin);
    for secret in origin.into_iter().flat_map(|origin| &origin.secrets) {
        allow_secret(&mut report, secret);
    }
    let recipe = origin.into_iter().flat_map(|origin| &origin.leaks_allowed).map(|allowed| Allowance {
        rule: allowed.rule.clone(),
        path: allowed.path.clone(),
        sha256: allowed.sha256.clone(),
        reason: allowed.reason.clone(),
    });
    let all: Vec<_> = recipe.chain(more.iter().cloned()).collect();
    let needless = Allowances::new(&all)?.apply(&mut report.findings);
    Ok(LeakReport { report, needless })
}

/// A secret that the recipe allows under `[secrets]` is known to be the same on all machines.
fn allow_secret(report: &mut Report, secret: &Secret) {
    let Some(reason) = &secret.allowed else { return };
    let shared = |rule: &str| SHARED.contains(&rule) || secret.what.iter().any(|what| what == rule);
    for finding in report.findings.iter_mut().filter(|finding| finding.file == secret.path) {
        if shared(&finding.rule) {
            finding.allowed = Some(reason.clone());
        }
    }
}
